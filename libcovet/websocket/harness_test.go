package websocket

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/http1"
)

const opening = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// request parses a request head; text lacks the empty line.
func request(t testing.TB, text string) *exchange.Request {
	t.Helper()
	r := new(exchange.Request)
	head := []byte(text + "\r\n")
	if n, err := (&http1.Limits{}).ParseRequest(head, r); n != len(head) || err != nil {
		t.Fatalf("%q: %d %v", text, n, err)
	}
	return r
}

// open makes a connection with the extensions that a client offers, and
// returns what was answered to them.
func open(t testing.TB, o Options, offers ...string) (*Conn, string) {
	t.Helper()
	text := opening
	for _, offer := range offers {
		text += "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	c := new(Conn)
	if status, reason := c.Open(request(t, text), o); status != 0 {
		t.Fatal(status, reason)
	}
	return c, answers(c)["sec-websocket-extensions"]
}

func answers(c *Conn) map[string]string {
	fields := map[string]string{}
	packed := c.AppendFields(nil)
	for {
		name, value, rest, ok := exchange.NextField(packed)
		if !ok {
			return fields
		}
		fields[string(name)], packed = string(value), rest
	}
}

// standard is a connection without compression.
func standard() *Conn { return &Conn{limit: 32 << 20} }

// deflating is one with it, and with what is given between messages.
func deflating(t testing.TB, takeover bool, limit int64) *Conn {
	c, answer := open(t, Options{MaxSize: limit, Deflate: true, Takeover: takeover}, "permessage-deflate; client_max_window_bits")
	if answer == "" {
		t.Fatal("nothing was agreed on")
	}
	return c
}

const (
	fin  = bitFin
	rsv1 = bitRSV1
)

// frame is a frame of a client; first is its first byte.
func frame(first byte, payload string) string {
	return string(frameOf(first, []byte(payload), [4]byte{0x37, 0xfa, 0x21, 0x3d}))
}

func frameOf(first byte, payload []byte, key [4]byte) []byte {
	head := appendLength([]byte{first}, len(payload))
	head[1] |= bitMask
	head = append(head, key[:]...)
	for i, b := range payload {
		head = append(head, b^key[i%4])
	}
	return head
}

func text(payload string) string { return frame(fin|byte(Text), payload) }
func ping(payload string) string { return frame(fin|byte(Ping), payload) }
func pong(payload string) string { return frame(fin|byte(Pong), payload) }

func closing(code uint16, reason string) string {
	return frame(fin|byte(Close), string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// events are what a connection reads, in words: "text:hello", "ping:", or
// "close:1000:bye". Of an error, the last has its code.
type events []string

func (e events) String() string {
	var b strings.Builder
	for _, one := range e {
		fmt.Fprintf(&b, " %.80q", one)
	}
	return b.String()
}

// read gives input to c in pieces as long as next says. What it is given is
// overwritten after each piece, so nothing may point to it.
func read(t testing.TB, c *Conn, input string, next func() int) (seen events, err *Error) {
	t.Helper()
	var message []byte
	for rest := input; len(rest) > 0; {
		piece := []byte(rest[:min(len(rest), max(1, next()))])
		rest = rest[len(piece):]
		for p := piece; len(p) > 0; {
			e, n, err := c.Next(p)
			if n == 0 && err == nil {
				t.Fatalf("nothing is used of %q", p)
			}
			p = p[n:]
			if err != nil {
				if e.Kind != NeedMore {
					t.Fatalf("an error comes with %v", e)
				}
				return append(seen, fmt.Sprint("error:", err.Code)), err
			}
			switch e.Kind {
			case MessagePart:
				message = append(message, e.Data...)
				if e.Pooled {
					Recycle(e.Data)
				}
				if e.Last {
					seen = append(seen, nameOf(e.Op)+string(message))
					message = nil
				}
			case GotPing:
				seen = append(seen, "ping:"+string(e.Data))
			case GotPong:
				seen = append(seen, "pong:"+string(e.Data))
			case GotClose:
				seen = append(seen, fmt.Sprintf("close:%d:%s", e.Code, e.Data))
			}
		}
		for i := range piece {
			piece[i] = 0xaa
		}
	}
	return seen, nil
}

func nameOf(op Opcode) string {
	if op == Text {
		return "text:"
	}
	return "binary:"
}

func always(n int) func() int { return func() int { return n } }

// check reads input whole and in pieces of many lengths, each time with a new
// connection, and expects the same of all.
func check(t *testing.T, fresh func() *Conn, input string, want events) {
	t.Helper()
	lengths := []int{len(input), 1}
	if len(input) > 1<<12 {
		lengths = []int{len(input), 1 << 10, 4093}
	}
	for _, n := range lengths {
		if got, _ := read(t, fresh(), input, always(n)); !slices.Equal(got, want) {
			t.Fatalf("in pieces of %d:%v, want%v", n, got, want)
		}
	}
	for at := 1; at < min(len(input), 300); at++ {
		first := true
		next := func() int {
			if first {
				first = false
				return at
			}
			return len(input)
		}
		if got, _ := read(t, fresh(), input, next); !slices.Equal(got, want) {
			t.Fatalf("split at %d:%v, want%v", at, got, want)
		}
	}
}
