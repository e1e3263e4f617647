package websocket

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// client is the other side of a connection that compresses, made of the
// standard library's compressor. With takeover, each direction keeps it.
type client struct {
	t            testing.TB
	writer       *flate.Writer
	packed       bytes.Buffer
	keepIn, keep bool   // what comes and what is sent depends on what was before
	before       []byte // of what has come
}

func newClient(t testing.TB, keepIn, keep bool) *client {
	k := &client{t: t, keepIn: keepIn, keep: keep}
	k.writer, _ = flate.NewWriter(&k.packed, 6)
	return k
}

// pack is a message as a client sends it, without a frame.
func (k *client) pack(payload string) string {
	k.packed.Reset()
	if !k.keep {
		k.writer.Reset(&k.packed)
	}
	if _, err := io.WriteString(k.writer, payload); err != nil {
		k.t.Fatal(err)
	}
	if err := k.writer.Flush(); err != nil {
		k.t.Fatal(err)
	}
	return strings.TrimSuffix(k.packed.String(), "\x00\x00\xff\xff")
}

// receive reads one frame of the server, and reports whether it was
// compressed and how far back it refers.
func (k *client) receive(frame []byte) (op Opcode, payload string, small bool, distance int) {
	k.t.Helper()
	op, small = Opcode(frame[0]&0x0f), frame[0]&rsv1 != 0
	n, at := int(frame[1]), 2
	switch n {
	case 126:
		n, at = int(binary.BigEndian.Uint16(frame[2:])), 4
	case 127:
		n, at = int(binary.BigEndian.Uint64(frame[2:])), 10
	}
	if frame[0]&(fin|0x30) != fin || len(frame) != at+n {
		k.t.Fatalf("%d bytes, header %x", len(frame), frame[:at])
	}
	if !small {
		return op, string(frame[at:]), false, 0
	}
	packed := append(bytes.Clone(frame[at:]), tail...)
	out, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(packed), k.before))
	if err != nil {
		k.t.Fatal(err)
	}
	if k.keepIn {
		k.before = append(k.before, out...)
		k.before = k.before[max(0, len(k.before)-1<<15):]
	}
	return op, string(out), true, farthest(packed)
}

func jsonText(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"id":%d,"name":"item %d","ok":%t},`, i, i*7919%1000, i%3 == 0)
	}
	return b.String()[:size]
}

func noise(size int) string {
	b := make([]byte, size)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range b {
		b[i] = "0123456789abcdef"[random.Uint32()%16]
	}
	return string(b)
}

// Sections 12 and 13 of the Autobahn test suite: echoes of many sizes, with
// all that can be agreed on.
func TestAutobahn12And13(t *testing.T) {
	for _, test := range []struct {
		offer    string
		takeover bool
	}{
		{"permessage-deflate", false},
		{"permessage-deflate; client_max_window_bits", false},
		{"permessage-deflate; server_no_context_takeover; client_max_window_bits", true},
		{"permessage-deflate; client_no_context_takeover", true},
		{"permessage-deflate", true},
		{"permessage-deflate; client_max_window_bits=15", true},
		{"permessage-deflate; server_max_window_bits=8", false},
		{"permessage-deflate; server_max_window_bits=9; client_max_window_bits", true},
		{"permessage-deflate; server_max_window_bits=12", true},
		{"permessage-deflate; server_max_window_bits=8; client_max_window_bits=15", true},
		{"permessage-deflate; server_max_window_bits=10; server_no_context_takeover", true},
	} {
		t.Run(fmt.Sprintf("%s, %t", test.offer, test.takeover), func(t *testing.T) {
			c, answer := open(t, Options{MaxSize: 1 << 20, Deflate: true, Takeover: test.takeover}, test.offer)
			k := newClient(t, !strings.Contains(answer, noServer), !strings.Contains(answer, noClient))
			bits := 15
			if _, after, ok := strings.Cut(answer, "server_max_window_bits="); ok {
				fmt.Sscan(after, &bits)
			}
			for _, size := range []int{0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072} {
				echo(t, c, k, size, 1<<bits)
			}
		})
	}
}

func echo(t *testing.T, c *Conn, k *client, size, window int) {
	for round, payload := range []string{jsonText(size), noise(size), strings.Repeat("*", size), jsonText(size)} {
		for _, op := range []Opcode{Text, Binary} {
			sent := frame(fin|rsv1|byte(op), k.pack(payload))
			seen, err := read(t, c, sent, always(4096))
			if err != nil || len(seen) != 1 || seen[0] != nameOf(op)+payload {
				t.Fatalf("%d bytes, round %d: %v%v", size, round, err, seen)
			}
			gotOp, got, small, distance := k.receive(c.AppendMessage(nil, op, []byte(payload)))
			if gotOp != op || got != payload {
				t.Fatalf("%d bytes, round %d: back comes %d %.80q", size, round, gotOp, got)
			}
			if distance > window {
				t.Fatalf("%d bytes, round %d: refers to %d bytes ago, of %d", size, round, distance, window)
			}
			if !small && size >= 256 && round != 1 {
				t.Errorf("%d bytes, round %d: not compressed", size, round)
			}
		}
	}
}

// RFC 7692, section 7.2.3.
func TestExamplesOfCompression(t *testing.T) {
	first, more := byte(fin|rsv1|Text), byte(fin|Continuation)
	run := func(name string, takeover bool, input string, want ...string) {
		t.Run(name, func(t *testing.T) {
			check(t, func() *Conn { return deflating(t, takeover, 100) }, input, want)
		})
	}
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00"
	run("one block", false, frame(first, hello), "text:Hello")
	run("two frames", false, frame(rsv1|byte(Text), hello[:3])+frame(more, hello[3:]), "text:Hello")
	run("a ping between", false, frame(rsv1|byte(Text), hello[:3])+ping("x")+frame(more, hello[3:]), "ping:x", "text:Hello")
	run("without takeover", false, frame(first, hello)+frame(first, hello), "text:Hello", "text:Hello")
	run("with takeover", true, frame(first, hello)+frame(first, "\xf2\x00\x11\x00\x00"), "text:Hello", "text:Hello")
	run("stored", false, frame(first, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), "text:Hello")
	run("a last block", false, frame(first, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "text:Hello")
	run("a last block and takeover", true, frame(first, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")+frame(first, "\xf2\x00\x11\x00\x00"), "text:Hello", "text:Hello")
	run("a last block alone", false, frame(first, "\xf3\x48\xcd\xc9\xc9\x07\x00"), "text:Hello")
	run("two blocks", false, frame(first, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "text:Hello")
	run("empty", false, frame(first, "\x00"), "text:")
	run("not compressed", false, text("Hello"), "text:Hello")

	run("more after a last block", false, frame(first, "\xf3\x48\xcd\xc9\xc9\x07\x00"+hello), "error:1007")
	run("one byte after a last block", false, frame(first, "\xf3\x48\xcd\xc9\xc9\x07\x00\x01"), "error:1007")
	run("cut", false, frame(first, hello[:4]), "error:1007")
	run("cut when stored", false, frame(first, "\x00\x05\x00\xfa\xff\x48\x65"), "error:1007")
	run("garbage", false, frame(first, "\xff\xff\xff"), "error:1007")
	run("takeover that was not agreed on", false, frame(first, hello)+frame(first, "\xf2\x00\x11\x00\x00"), "text:Hello", "error:1007")
	run("takeover of nothing", true, frame(first, "\xf2\x00\x11\x00\x00"), "error:1007")
	run("a bit on a continuation", false, frame(rsv1|byte(Text), hello[:3])+frame(rsv1|more, hello[3:]), "error:1002")
	run("a bit on a ping", false, frame(fin|rsv1|byte(Ping), ""), "error:1002")
	run("another bit", false, frame(fin|0x20|byte(Text), hello), "error:1002")
	run("invalid text", false, frame(first, newClient(t, false, false).pack("\xce\xba\xed\xa0\x80")), "error:1007")
	run("half a character", false, frame(first, newClient(t, false, false).pack("abc\xce")), "error:1007")
	run("binary", false, frame(fin|rsv1|byte(Binary), newClient(t, false, false).pack("\xff\xfe")), "binary:\xff\xfe")
	run("a close between", false, frame(rsv1|byte(Text), hello[:3])+closing(1000, "x"), "close:1000:x")

	t.Run("not agreed on", func(t *testing.T) { check(t, standard, frame(first, hello), events{"error:1002"}) })
}

func TestBomb(t *testing.T) {
	for _, limit := range []int{1000, 1 << 20} {
		fresh := func() *Conn { return deflating(t, false, int64(limit)) }
		k := newClient(t, false, false)
		check(t, fresh, frame(fin|rsv1|byte(Binary), k.pack(strings.Repeat("\x00", limit))), events{"binary:" + strings.Repeat("\x00", limit)})
		check(t, fresh, frame(fin|rsv1|byte(Binary), k.pack(strings.Repeat("\x00", limit+1))), events{"error:1009"})
	}
	c := deflating(t, false, 1<<16)
	packed := newClient(t, false, false).pack(strings.Repeat("\x00", 50<<20))
	if _, err := read(t, c, frame(fin|rsv1|byte(Binary), packed), always(1<<20)); err != errTooBig {
		t.Error(err)
	}
}

// What cannot be compressed becomes larger, and yet the limit is that of the
// message.
func TestLimitOfNoise(t *testing.T) {
	const limit = 1 << 20
	k := newClient(t, false, false)
	k.writer, _ = flate.NewWriter(&k.packed, flate.NoCompression)
	payload := noise(limit)
	packed := k.pack(payload)
	if len(packed) <= limit {
		t.Fatal(len(packed))
	}
	if seen, err := read(t, deflating(t, false, limit), frame(fin|rsv1|byte(Binary), packed), always(1<<16)); err != nil || seen[0] != "binary:"+payload {
		t.Error(err)
	}
	huge := appendLength([]byte{fin | rsv1 | byte(Binary)}, limit+limit/500)
	huge[1] |= bitMask
	if _, err := read(t, deflating(t, false, limit), string(huge)+"\x00\x00\x00\x00", always(100)); err != errTooBig {
		t.Error("it is not refused before it comes:", err)
	}
}

func TestShared(t *testing.T) {
	payload := jsonText(2000)
	k := newClient(t, false, false)
	if op, got, small, _ := k.receive(Shared(Binary, []byte(payload))); op != Binary || got != payload || !small {
		t.Error(op, got, small)
	}
	for _, plain := range []string{"", "short", noise(100)} {
		if op, got, _, _ := k.receive(Shared(Text, []byte(plain))); op != Text || got != plain {
			t.Error(op, got)
		}
	}
}

// A message that is sent uncompressed is not part of what later ones refer
// to (RFC 7692, section 7.1.1: the window is of compressed data).
func TestTakeoverSkipsPlainMessages(t *testing.T) {
	c := deflating(t, true, 1<<20)
	k := newClient(t, true, true)
	random := make([]byte, 500)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for i, payload := range []string{jsonText(500), string(random), jsonText(400), "short", string(random) + string(random), jsonText(600)} {
		if _, got, small, _ := k.receive(c.AppendMessage(nil, Binary, []byte(payload))); got != payload || small == (i == 1 || i == 3) {
			t.Errorf("message %d: %.80q %t", i, got, small)
		}
	}
}

// What is published is compressed once for all, and yet part of what later
// messages of each connection refer to.
func TestTakeoverAndSharedMessages(t *testing.T) {
	for _, offer := range []string{"permessage-deflate", "permessage-deflate; server_no_context_takeover"} {
		c, answer := open(t, Options{MaxSize: 1 << 20, Deflate: true, Takeover: true}, offer)
		k := newClient(t, !strings.Contains(answer, noServer), true)
		random := rand.New(rand.NewPCG(5, 6))
		for i := range 150 {
			payload := []byte(jsonText(1 + random.IntN(3000)))
			switch i % 8 {
			case 3: // it cannot be compressed
				for j := range payload {
					payload[j] = byte(random.Uint32())
				}
			case 5: // it fills the window
				payload = []byte(noise(20_000 + random.IntN(30_000)))
			}
			var frame []byte
			if random.IntN(2) == 0 {
				frame = c.AppendShared([]byte("before"), Shared(Binary, payload), payload)[len("before"):]
			} else {
				frame = c.AppendMessage(nil, Binary, payload)
			}
			if _, got, _, _ := k.receive(frame); got != string(payload) {
				t.Fatalf("%s, message %d: %d bytes, not %d", offer, i, len(got), len(payload))
			}
		}
	}
}

// Messages of all kinds, in fragments and with frames between them, leave what
// both sides keep the same.
func TestTakeoverMixes(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		offer := fmt.Sprintf("permessage-deflate; server_max_window_bits=%d; client_max_window_bits", bits)
		c, _ := open(t, Options{MaxSize: 1 << 20, Deflate: true, Takeover: true}, offer)
		k := newClient(t, true, true)
		random := rand.New(rand.NewPCG(7, uint64(bits)))
		for i := range 60 {
			payload := jsonText(1 + random.IntN(5000))
			if i%7 == 0 {
				payload = noise(1 + random.IntN(50_000))
			}
			var sent string
			want := events{"binary:" + payload}
			if random.IntN(3) == 0 {
				sent = frame(fin|byte(Binary), payload)
			} else {
				packed := k.pack(payload)
				at := random.IntN(len(packed))
				sent = frame(rsv1|byte(Binary), packed[:at]) + ping("x") + frame(fin|byte(Continuation), packed[at:])
				want = append(events{"ping:x"}, want...)
			}
			if seen, err := read(t, c, sent, func() int { return 1 + random.IntN(2000) }); err != nil || !slices.Equal(seen, want) {
				t.Fatalf("%d bits, message %d: %v%v", bits, i, err, seen)
			}
			_, got, _, distance := k.receive(c.AppendMessage(nil, Binary, []byte(payload)))
			if got != payload || distance > 1<<bits {
				t.Fatalf("%d bits, message %d: %d bytes of %d, and back by %d", bits, i, len(got), len(payload), distance)
			}
		}
		if in, out := cap(c.context.in.data), cap(c.context.out.data); in > 1<<15 || out > 1<<bits {
			t.Errorf("%d bits: %d and %d bytes are kept", bits, in, out)
		}
		if c.Release(); c.context != nil {
			t.Error("what was kept stays")
		}
	}
}

// The limit is that of what a message becomes, whatever it refers to.
func TestTakeoverAndTheLimit(t *testing.T) {
	const limit = 10_000
	c, k := deflating(t, true, limit), newClient(t, true, true)
	for range 3 {
		if _, err := read(t, c, frame(fin|rsv1|byte(Binary), k.pack(noise(limit))), always(500)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := read(t, c, frame(fin|rsv1|byte(Binary), k.pack(noise(limit)+"x")), always(500)); err != errTooBig {
		t.Error(err)
	}
}

func TestTakeoverPays(t *testing.T) {
	message := []byte(jsonText(500))
	for _, takeover := range []bool{false, true} {
		c := deflating(t, takeover, 1<<20)
		first, second := len(c.AppendMessage(nil, Text, message)), len(c.AppendMessage(nil, Text, message))
		if (second < first/4) != takeover {
			t.Errorf("%t: %d bytes, then %d", takeover, first, second)
		}
	}
}

func TestHistory(t *testing.T) {
	h, all := history{bits: 8}, ""
	for i := range 300 {
		piece := strings.Repeat(string(rune('a'+i%26)), i*7%400)
		h.add([]byte(piece))
		all += piece
		if want := all[max(0, len(all)-256):]; string(h.data) != want || cap(h.data) > 256 {
			t.Fatalf("%d: %q, want %q", i, h.data, want)
		}
	}
}

// Nothing that a client can learn of another one comes out of the pools.
func TestPoolsKeepConnectionsApart(t *testing.T) {
	secret := []byte(noise(1000))
	deflating(t, true, 1<<20).AppendMessage(nil, Text, secret)
	deflating(t, true, 1<<20).AppendMessage(nil, Text, append(secret, secret...))
	for _, takeover := range []bool{false, true} {
		k := newClient(t, false, false)
		payload := append([]byte("x"), secret...)
		if _, got, _, _ := k.receive(deflating(t, takeover, 1<<20).AppendMessage(nil, Text, payload)); got != string(payload) {
			t.Errorf("%.80q", got)
		}
	}
	read(t, deflating(t, true, 1<<20), frame(fin|rsv1|byte(Text), newClient(t, true, true).pack(string(secret))), always(100))
	if seen, err := read(t, deflating(t, true, 1<<20), frame(fin|rsv1|byte(Text), "\xf2\x00\x11\x00\x00"), always(100)); err != errDeflate {
		t.Errorf("%v%v", err, seen)
	}
}
