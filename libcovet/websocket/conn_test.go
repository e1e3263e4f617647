package websocket

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// clientFrame is a frame as a client sends it.
func clientFrame(first byte, payload []byte) []byte {
	b := append([]byte{first}, appendLength(nil, len(payload))...)
	b[1] |= bitMask
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	for i, p := range payload {
		b = append(b, p^key[i%4])
	}
	return b
}

// message is what came of one, or of a control frame.
type message struct {
	kind Kind
	op   Opcode
	data string
	code uint16
}

// read feeds bytes in pieces of so many and gathers what comes.
func read(t testing.TB, c *Conn, data []byte, piece int) (got []message, err *Error) {
	t.Helper()
	data = bytes.Clone(data) // it is unmasked in place
	var part []byte
	for at := 0; at < len(data); {
		e, n, err := c.Next(data[at:min(len(data), at+piece)])
		if n == 0 && err == nil {
			t.Fatal("nothing was used")
		}
		at += n
		if err != nil {
			return got, err
		}
		switch e.Kind {
		case NeedMore:
		case MessagePart:
			part = append(part, e.Data...)
			if e.Last {
				got = append(got, message{kind: e.Kind, op: e.Op, data: string(part)})
				part = nil
			}
			if e.Pooled {
				Recycle(e.Data)
			}
		default:
			got = append(got, message{kind: e.Kind, data: string(e.Data), code: e.Code})
		}
	}
	return got, nil
}

func open(deflate bool) *Conn { return &Conn{limit: 1 << 20, deflate: deflate} }

func TestEverySplit(t *testing.T) {
	var data []byte
	data = append(data, clientFrame(bitFin|1, []byte("hello"))...)
	data = append(data, clientFrame(2, bytes.Repeat([]byte{7}, 300))...)
	data = append(data, clientFrame(bitFin|9, []byte("ping"))...)
	data = append(data, clientFrame(0, nil)...)
	data = append(data, clientFrame(bitFin, bytes.Repeat([]byte{8}, 70000))...)
	data = append(data, clientFrame(bitFin|10, nil)...)
	packed, _ := appendPacked(nil, Text, []byte(strings.Repeat("compress me ", 50)))
	small := packed[2:]
	if packed[1] == 126 {
		small = packed[4:]
	}
	data = append(data, clientFrame(bitRSV1|1, small[:3])...)
	data = append(data, clientFrame(bitFin|9, []byte("within"))...)
	data = append(data, clientFrame(bitFin, small[3:])...)
	data = append(data, clientFrame(bitFin|8, append(binary.BigEndian.AppendUint16(nil, 1000), "bye"...))...)
	want := []message{
		{kind: MessagePart, op: Text, data: "hello"},
		{kind: GotPing, data: "ping"},
		{kind: MessagePart, op: Binary, data: strings.Repeat("\x07", 300) + strings.Repeat("\x08", 70000)},
		{kind: GotPong},
		{kind: GotPing, data: "within"},
		{kind: MessagePart, op: Text, data: strings.Repeat("compress me ", 50)},
		{kind: GotClose, data: "bye", code: 1000},
	}
	for _, piece := range []int{1, 2, 3, 5, 7, 13, 14, 64, 1000, 1 << 20} {
		got, err := read(t, open(true), data, piece)
		if err != nil || len(got) != len(want) {
			t.Fatalf("in pieces of %d: %v, %v", piece, got, err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("in pieces of %d: %+v instead of %+v", piece, got[i].kind, want[i].kind)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		c := open(deflate)
		c.limit = 1000
		if got, err := read(t, c, clientFrame(bitFin|2, make([]byte, 1000)), 100); err != nil || len(got) != 1 {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := read(t, c, clientFrame(bitFin|2, make([]byte, 1001)), 100); err == nil || err.Code != codeTooBig {
			t.Errorf("%v", err)
		}
	}
	c := open(false)
	c.limit = 1000
	data := append(clientFrame(2, make([]byte, 600)), clientFrame(bitFin, make([]byte, 401))...)
	if _, err := read(t, c, data, 100); err == nil || err.Code != codeTooBig {
		t.Errorf("%v", err)
	}
	// Of a message that unpacks to more.
	c = open(true)
	packed, _ := appendPacked(nil, Binary, make([]byte, 2<<20))
	body := packed[len(packed)-(len(packed)-4):]
	if packed[1] < 126 {
		body = packed[2:]
	}
	if _, err := read(t, c, clientFrame(bitFin|bitRSV1|2, body), 1000); err == nil || err.Code != codeTooBig {
		t.Errorf("%v", err)
	}
}

func TestMasks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		plain, key := make([]byte, n), mask(random.Uint32())
		for i := range plain {
			plain[i] = byte(random.Uint32())
		}
		want := make([]byte, n)
		for i := range plain {
			want[i] = plain[i] ^ byte(key>>(8*(i%4)))
		}
		for cut := 0; cut <= n; cut += 7 {
			got := bytes.Clone(plain)
			key.apply(got[:cut]).apply(got[cut:])
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, cut at %d", n, cut)
			}
		}
	}
}

func TestCloseIsCutBetweenLetters(t *testing.T) {
	frame := AppendClose(nil, 1000, []byte(strings.Repeat("ä", 100)))
	if len(frame) != 2+2+122 || !utf8.Valid(frame[4:]) {
		t.Errorf("%d bytes", len(frame))
	}
	if frame := AppendClose(nil, CodeNoStatus, []byte("reason")); len(frame) != 2 {
		t.Errorf("%x", frame)
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("h\xc3\xa9llo \xf0\x9f\x98\x80"), uint8(3))
	f.Add([]byte("\xed\xa0\x80"), uint8(1))
	f.Add([]byte("\xf4\x90"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		var k checker
		good, step := true, int(piece)%7+1
		for at := 0; at < len(data) && good; at += step {
			good = k.add(data[at:min(len(data), at+step)])
		}
		if good && k.done() != utf8.Valid(data) || !good && utf8.Valid(data) {
			t.Errorf("%x in pieces of %d: %v, %v", data, step, good, k.done())
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(clientFrame(bitFin|1, []byte("hello")), uint8(3), false)
	f.Add(clientFrame(bitFin|bitRSV1|1, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")), uint8(1), true)
	f.Add(append(clientFrame(1, []byte("a")), clientFrame(bitFin|8, []byte{3, 232})...), uint8(2), false)
	f.Fuzz(func(t *testing.T, data []byte, piece uint8, deflate bool) {
		whole, wholeErr := read(t, open(deflate), data, 1<<20)
		parts, partsErr := read(t, open(deflate), data, int(piece)%9+1)
		if (wholeErr == nil) != (partsErr == nil) || wholeErr != nil && wholeErr.Code != partsErr.Code {
			t.Fatalf("%v, in pieces %v", wholeErr, partsErr)
		}
		if len(whole) != len(parts) {
			t.Fatalf("%d messages, in pieces %d", len(whole), len(parts))
		}
		for i := range whole {
			if whole[i] != parts[i] {
				t.Fatalf("%+v, in pieces %+v", whole[i], parts[i])
			}
		}
	})
}

func BenchmarkEcho(b *testing.B) {
	c, frame := open(false), clientFrame(bitFin|1, make([]byte, 64))
	p, out := make([]byte, len(frame)), make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		copy(p, frame)
		e, _, err := c.Next(p)
		if err != nil {
			b.Fatal(err)
		}
		out = c.AppendMessage(out[:0], e.Op, e.Data)
	}
}
