package websocket

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// RFC 6455, section 5.7, of the client's side.
func TestExamplesOfFrames(t *testing.T) {
	for _, test := range []struct {
		name, input string
		want        events
	}{
		{"masked text", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", events{"text:Hello"}},
		{"masked pong", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", events{"pong:Hello"}},
		{"unmasked text", "\x81\x05\x48\x65\x6c\x6c\x6f", events{"error:1002"}},
		{"unmasked fragment", "\x01\x03\x48\x65\x6c", events{"error:1002"}},
	} {
		t.Run(test.name, func(t *testing.T) { check(t, standard, test.input, test.want) })
	}
}

// RFC 6455, section 5.7, of the server's side.
func TestExamplesOfAnswers(t *testing.T) {
	long := make([]byte, 1<<16)
	for _, test := range []struct {
		name      string
		got, want []byte
	}{
		{"text", AppendFrame(nil, Text, true, []byte("Hello")), []byte("\x81\x05Hello")},
		{"first fragment", AppendFrame(nil, Text, false, []byte("Hel")), []byte("\x01\x03Hel")},
		{"last fragment", AppendFrame(nil, Continuation, true, []byte("lo")), []byte("\x80\x02lo")},
		{"ping", AppendPing(nil, []byte("Hello")), []byte("\x89\x05Hello")},
		{"pong", AppendPong(nil, []byte("Hello")), []byte("\x8a\x05Hello")},
		{"empty ping", AppendPing(nil, nil), []byte("\x89\x00")},
		{"256 bytes", AppendHeader(nil, Binary, true, 256), []byte("\x82\x7e\x01\x00")},
		{"64 KiB", AppendHeader(nil, Binary, true, 1<<16), []byte("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
		{"125 bytes", AppendHeader(nil, Text, true, 125), []byte("\x81\x7d")},
		{"126 bytes", AppendHeader(nil, Text, true, 126), []byte("\x81\x7e\x00\x7e")},
		{"65535 bytes", AppendHeader(nil, Text, true, 65535), []byte("\x81\x7e\xff\xff")},
		{"long ping", AppendPing(nil, long[:126]), append([]byte("\x89\x7d"), long[:125]...)},
		{"long pong", AppendPong(nil, long), append([]byte("\x8a\x7d"), long[:125]...)},
		{"close", AppendClose(nil, 1000, []byte("bye")), []byte("\x88\x05\x03\xe8bye")},
		{"close without a code", AppendClose(nil, CodeNoStatus, []byte("bye")), []byte("\x88\x00")},
		{"after others", AppendClose([]byte("x"), 4999, nil), []byte("x\x88\x02\x13\x87")},
		{"close with 123 bytes", AppendClose(nil, 1001, []byte(strings.Repeat("a", 123))), []byte("\x88\x7d\x03\xe9" + strings.Repeat("a", 123))},
		{"close between characters", AppendClose(nil, 1001, []byte(strings.Repeat("a", 121)+"\u20ac")), []byte("\x88\x7b\x03\xe9" + strings.Repeat("a", 121))},
	} {
		if !bytes.Equal(test.got, test.want) {
			t.Errorf("%s: %x, want %x", test.name, test.got, test.want)
		}
	}
}

func TestSendable(t *testing.T) {
	for code := range 1 << 16 {
		want := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
		if got := sendable(uint16(code)); got != want {
			t.Errorf("%d: %t", code, got)
		}
	}
}

func TestMask(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		plain := make([]byte, n)
		for i := range plain {
			plain[i] = byte(random.Uint32())
		}
		key := [4]byte{byte(n), 0xfa, byte(n * 7), 0x3d}
		whole := frameOf(fin|byte(Binary), plain, key)
		masked := whole[len(whole)-n:]
		for _, step := range []int{1, 3, 8, 31, 64, 200} {
			got := slices.Clone(masked)
			m := mask(uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24)
			for rest := got; len(rest) > 0; {
				part := rest[:min(step, len(rest))]
				rest = rest[len(part):]
				m = m.apply(part)
			}
			if !bytes.Equal(got, plain) {
				t.Fatalf("%d bytes in steps of %d: %x, want %x", n, step, got, plain)
			}
		}
	}
}

// begins reports whether a valid text begins with s, by trying all that could
// complete it.
func begins(s string) bool {
	if utf8.ValidString(s) {
		return true
	}
	tails := []string{""}
	for range 3 {
		var longer []string
		for _, tail := range tails {
			for _, b := range "\u0080\u008f\u0090\u009f\u00a0\u00bf" {
				if one := tail + string([]byte{byte(b)}); utf8.ValidString(s + one) {
					return true
				} else {
					longer = append(longer, one)
				}
			}
		}
		tails = longer
	}
	return false
}

// FuzzText holds that text is refused at the byte that makes it invalid,
// however it is split.
func FuzzText(f *testing.F) {
	for _, c := range invalidTexts {
		f.Add([]byte(c), uint8(2))
	}
	for _, c := range validTexts {
		f.Add([]byte(c), uint8(3))
	}
	f.Fuzz(func(t *testing.T, p []byte, split uint8) {
		p = p[:min(len(p), 200)]
		good := len(p)
		for good > 0 && !begins(string(p[:good])) {
			good--
		}
		var one, many checker
		for i := range p {
			if got := one.add(p[i : i+1]); got != (i < good) {
				t.Fatalf("%x: %t at %d, but %d are good", p, got, i, good)
			}
			if i >= good {
				break
			}
		}
		if good == len(p) && one.done() != utf8.Valid(p) {
			t.Fatalf("%x may end: %t", p, one.done())
		}
		step := int(split)%7 + 1
		for at := 0; at < len(p); at += step {
			end := min(at+step, len(p))
			got := many.add(p[at:end])
			if got != (end <= good) {
				t.Fatalf("%x: %t at %d, but %d are good", p, got, at, good)
			}
			if !got {
				break
			}
		}
		if good == len(p) && many.done() != utf8.Valid(p) {
			t.Fatalf("%x in steps of %d may end: %t", p, step, many.done())
		}
	})
}
