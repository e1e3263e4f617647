package websocket

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The cases of the Autobahn test suite, by its numbers, as far as they concern
// what is read: the strict behaviour.

type autobahnCase struct {
	name, input string
	want        events
}

func run(t *testing.T, cases []autobahnCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { check(t, standard, c.input, c.want) })
	}
}

func TestAutobahn1Framing(t *testing.T) {
	for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		t.Run(fmt.Sprint("1.1.", i+1), func(t *testing.T) {
			check(t, standard, text(strings.Repeat("*", n)), events{"text:" + strings.Repeat("*", n)})
		})
		t.Run(fmt.Sprint("1.2.", i+1), func(t *testing.T) {
			check(t, standard, frame(fin|byte(Binary), strings.Repeat("\xfe", n)), events{"binary:" + strings.Repeat("\xfe", n)})
		})
	}
}

func TestAutobahn2PingsAndPongs(t *testing.T) {
	long := strings.Repeat("\xfe", 125)
	var pings string
	var pinged events
	for i := range 10 {
		pings += ping(fmt.Sprint("payload-", i))
		pinged = append(pinged, fmt.Sprint("ping:payload-", i))
	}
	run(t, []autobahnCase{
		{"2.1", ping(""), events{"ping:"}},
		{"2.2", ping("Hello, world!"), events{"ping:Hello, world!"}},
		{"2.3", ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), events{"ping:\x00\xff\xfe\xfd\xfc\xfb\x00\xff"}},
		{"2.4, 2.6", ping(long), events{"ping:" + long}},
		{"2.5", ping(long + "\xfe"), events{"error:1002"}},
		{"2.7", pong(""), events{"pong:"}},
		{"2.8", pong("unsolicited"), events{"pong:unsolicited"}},
		{"2.9", pong("unsolicited") + ping("our ping"), events{"pong:unsolicited", "ping:our ping"}},
		{"2.10, 2.11", pings, pinged},
	})
}

func TestAutobahn3ReservedBits(t *testing.T) {
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, op := range []Opcode{Text, Binary, Close, Ping, Pong} {
			t.Run(fmt.Sprintf("3.%d, opcode %d", rsv, op), func(t *testing.T) {
				bad := frame(fin|rsv<<4|byte(op), "Hello")
				check(t, standard, bad, events{"error:1002"})
				check(t, standard, text("Hello")+bad+ping(""), events{"text:Hello", "error:1002"})
			})
		}
	}
}

func TestAutobahn4Opcodes(t *testing.T) {
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		for _, payload := range []string{"", "reserved opcode payload"} {
			t.Run(fmt.Sprintf("4, opcode %d", op), func(t *testing.T) {
				check(t, standard, text("Hello")+frame(fin|op, payload)+ping(""), events{"text:Hello", "error:1002"})
			})
		}
	}
}

func TestAutobahn5Fragments(t *testing.T) {
	first := func(s string) string { return frame(byte(Text), s) }
	more := func(s string) string { return frame(byte(Continuation), s) }
	last := func(s string) string { return frame(fin|byte(Continuation), s) }
	run(t, []autobahnCase{
		{"5.1", frame(byte(Ping), "a") + last("b"), events{"error:1002"}},
		{"5.2", frame(byte(Pong), "a") + last("b"), events{"error:1002"}},
		{"5.3 to 5.5", first("fragment1") + last("fragment2"), events{"text:fragment1fragment2"}},
		{"5.6 to 5.8", first("fragment1") + ping("between") + last("fragment2"), events{"ping:between", "text:fragment1fragment2"}},
		{"5.9 to 5.11", last("non-continuation payload") + text("Hello"), events{"error:1002"}},
		{"5.12 to 5.14", more("non-continuation payload") + text("Hello"), events{"error:1002"}},
		{"5.15", first("1") + last("2") + more("3") + last("4"), events{"text:12", "error:1002"}},
		{"5.16", strings.Repeat(more("1")+first("2")+last("3"), 2), events{"error:1002"}},
		{"5.17", strings.Repeat(last("1")+first("2")+last("3"), 2), events{"error:1002"}},
		{"5.18", first("1") + text("2"), events{"error:1002"}},
		{"5.19, 5.20", first("1") + more("2") + ping("p1") + more("3") + more("4") + ping("p2") + last("5"),
			events{"ping:p1", "ping:p2", "text:12345"}},
		{"empty fragments", first("") + more("") + last(""), events{"text:"}},
		{"an empty one between", first("a") + more("") + last("b"), events{"text:ab"}},
	})
}

const kosme = "\u03ba\u1f79\u03c3\u03bc\u03b5"

var validTexts = []string{
	"", "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!", kosme, // 6.2, 6.5
	"\x00", "\u0080", "\u0800", "\U00010000", // 6.7
	"\x7f", "\u07ff", "\uffff", "\U0010ffff", // 6.9
	"\ud7ff", "\ue000", "\ufffd", // 6.11.1 to 6.11.3
	"\ufffe", "\uffff", "\U0001fffe", "\U0001ffff", "\U0008fffe", "\U0010fffe", // 6.22
	"\ufff9\ufffa\ufffb\ufffc", // 6.23
}

var invalidTexts = []string{
	kosme + "\xed\xa0\x80edited", kosme + "\xf4\x90\x80\x80edited", // 6.3, 6.4
	"\xce", "\xce\xba\xe1", "\xce\xba\xe1\xbd", "\xce\xba\xe1\xbd\xb9\xcf", // 6.6
	"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", // 6.8
	"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf", // 6.10
	"\xf4\x90\x80\x80",                                 // 6.11.5
	"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80\xbf\x80", // 6.12
	"\xc0 \xc1 \xc2 ", "\xe0 \xe1 ", "\xf0 \xf1 ", "\xf8 \xf9 ", "\xfc \xfd ", // 6.13
	"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", // 6.14
	"\xc0\xe0\x80\xf0\x80\x80",         // 6.15
	"\xfe", "\xff", "\xfe\xfe\xff\xff", // 6.16
	"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", // 6.17
	"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", // 6.18
	"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", // 6.19
	"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf", // 6.20
	"\xed\xa0\x80\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf", // 6.21
}

func TestAutobahn6Text(t *testing.T) {
	for _, s := range validTexts {
		t.Run(fmt.Sprintf("%x", s), func(t *testing.T) {
			check(t, standard, text(s), events{"text:" + s})
			byByte := frame(byte(Text), "")
			for i := range len(s) {
				byByte += frame(byte(Continuation), s[i:i+1])
			}
			check(t, standard, byByte+frame(fin|byte(Continuation), ""), events{"text:" + s})
		})
	}
	for _, s := range invalidTexts {
		t.Run(fmt.Sprintf("%x", s), func(t *testing.T) {
			check(t, standard, text(s), events{"error:1007"})
			check(t, standard, frame(byte(Text), s[:1])+ping("x")+frame(fin|byte(Continuation), s[1:]), failsAfter(s[:1], "ping:x"))
			check(t, standard, frame(fin|byte(Binary), s), events{"binary:" + s})
		})
	}
}

// failsAfter are the events of invalid text whose first part is followed by a
// control frame, which is not reached if that part is wrong already.
func failsAfter(part, control string) events {
	if !begins(part) {
		return events{"error:1007"}
	}
	return events{control, "error:1007"}
}

// Cases 6.4: the first byte that is wrong is refused before the next one is
// read, and what is before it is not.
func TestAutobahn6FailsAtOnce(t *testing.T) {
	for _, s := range invalidTexts {
		good := len(s)
		for !begins(s[:good]) {
			good--
		}
		if good == len(s) {
			continue // only its end is missing
		}
		open := text(s + "and more")
		head := len(open) - len(s) - len("and more")
		if _, err := read(t, standard(), open[:head+good], always(len(open))); err != nil {
			t.Errorf("%x is refused before byte %d: %v", s, good, err)
		}
		if _, err := read(t, standard(), open[:head+good+1], always(len(open))); err != errText {
			t.Errorf("%x is not refused at byte %d: %v", s, good, err)
		}
	}
}

func TestAutobahn7Closing(t *testing.T) {
	end := func(payload string) string { return frame(fin|byte(Close), payload) }
	run(t, []autobahnCase{
		{"7.1.1", text("Hello World!") + closing(1000, ""), events{"text:Hello World!", "close:1000:"}},
		{"7.1.2", closing(1000, "") + closing(1000, ""), events{"close:1000:"}},
		{"7.1.3", closing(1000, "") + ping("x"), events{"close:1000:"}},
		{"7.1.4", closing(1000, "") + text("x"), events{"close:1000:"}},
		{"7.1.5", frame(byte(Text), "a") + closing(1000, "") + frame(fin|byte(Continuation), "b"), events{"close:1000:"}},
		{"7.1.6", text(strings.Repeat("BAsd7&jh23", 26000)) + closing(1000, "") + ping(""),
			events{"text:" + strings.Repeat("BAsd7&jh23", 26000), "close:1000:"}},
		{"7.3.1", end(""), events{"close:1005:"}},
		{"7.3.2", end("\x03"), events{"error:1002"}},
		{"7.3.3", closing(1000, ""), events{"close:1000:"}},
		{"7.3.4", closing(1000, "Hello World!"), events{"close:1000:Hello World!"}},
		{"7.3.5", closing(1000, strings.Repeat("*", 123)), events{"close:1000:" + strings.Repeat("*", 123)}},
		{"7.3.6", closing(1000, strings.Repeat("*", 124)), events{"error:1002"}},
		{"7.5.1", closing(1000, kosme+"\xed\xa0\x80edited"), events{"error:1007"}},
		{"in fragments", frame(byte(Close), "\x03\xe8"), events{"error:1002"}},
		{"garbage after it", closing(1000, "") + "\xff\xff\xff\xff", events{"close:1000:"}},
	})
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		t.Run(fmt.Sprint("7.7, ", code), func(t *testing.T) {
			check(t, standard, closing(code, ""), events{fmt.Sprintf("close:%d:", code)})
		})
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		t.Run(fmt.Sprint("7.9, 7.13, ", code), func(t *testing.T) {
			check(t, standard, closing(code, ""), events{"error:1002"})
		})
	}
}

// Sections 9 and 10, with sizes that tests can bear.
func TestAutobahn9And10Sizes(t *testing.T) {
	document := strings.Repeat("\u03ba\u1f79\u03c3\u03bc\u03b5, ", 90000) // 1 MB
	for _, n := range []int{64 << 10, 256 << 10, 1 << 20} {
		s := document[:n-n%len("\u03ba\u1f79\u03c3\u03bc\u03b5, ")]
		for _, size := range []int{64, 1300, 4096, 65536, len(s)} { // of a fragment
			var b strings.Builder
			op, rest := byte(Text), s
			for len(rest) > size {
				b.WriteString(frame(op, rest[:size]))
				op, rest = byte(Continuation), rest[size:]
			}
			b.WriteString(frame(fin|op, rest))
			for _, piece := range []int{128, 997, 1 << 16, b.Len()} { // of what is read
				if got, _ := read(t, standard(), b.String(), always(piece)); !slices.Equal(got, events{"text:" + s}) {
					t.Fatalf("%d bytes in fragments of %d and pieces of %d:%v", n, size, piece, got)
				}
			}
		}
	}
}

func TestLengths(t *testing.T) {
	header := func(length ...byte) string { return "\x82" + string(length) + "\x00\x00\x00\x00" }
	wide := func(n uint64) []byte { return append([]byte{0xff}, binary.BigEndian.AppendUint64(nil, n)...) }
	small := func() *Conn { return &Conn{limit: 1000} }
	part := frame(byte(Binary), strings.Repeat("a", 600))
	for _, test := range []struct {
		name, input string
		want        events
	}{
		{"125 in two bytes", header(0xfe, 0, 125), events{"error:1002"}},
		{"65535 in eight bytes", header(wide(65535)...), events{"error:1002"}},
		{"0 in eight bytes", header(wide(0)...), events{"error:1002"}},
		{"the top bit", header(wide(1 << 63)...), events{"error:1002"}},
		{"all bits", header(wide(1<<64 - 1)...), events{"error:1002"}},
		{"the most", header(wide(1<<63 - 1)...), events{"error:1009"}},
		{"one too many", header(0xfe, 0x03, 0xe9), events{"error:1009"}},
		{"as many as may be", frame(fin|byte(Binary), strings.Repeat("a", 1000)), events{"binary:" + strings.Repeat("a", 1000)}},
		{"together too many", part + frame(byte(Continuation), strings.Repeat("a", 401)), events{"error:1009"}},
		{"together more than 63 bits", part + strings.Replace(header(wide(1<<63-1)...), "\x82", "\x80", 1), events{"error:1009"}},
		{"two messages", part + frame(fin|byte(Continuation), strings.Repeat("a", 400)) + text("b"),
			events{"binary:" + strings.Repeat("a", 1000), "text:b"}},
	} {
		t.Run(test.name, func(t *testing.T) { check(t, small, test.input, test.want) })
	}
}

func TestErrorsStay(t *testing.T) {
	c := standard()
	_, first := read(t, c, text("\xff"), always(100))
	if _, again := read(t, c, text("good"), always(100)); first != errText || again != first {
		t.Error(first, again)
	}
}
