package http1

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// decode feeds body in pieces of the sizes that next gives and describes the
// result.
func decode(c *Chunked, body string, next func() int) (data string, used int, done bool, err error) {
	var b strings.Builder
	for used < len(body) && !done && err == nil {
		piece := []byte(body[used:min(len(body), used+max(1, next()))])
		for len(piece) > 0 && !done && err == nil {
			var part []byte
			var n int
			part, n, done, err = c.Next(piece)
			b.Write(part)
			used += n
			if n == 0 && err == nil && !done {
				panic("Next took nothing of some input")
			}
			piece = piece[n:]
		}
	}
	return b.String(), used, done, err
}

func whole() int { return 1 << 30 }
func one() int   { return 1 }

func trailerLines(packed []byte) string {
	var b strings.Builder
	for {
		name, value, rest, ok := exchange.NextField(packed)
		if !ok {
			return b.String()
		}
		fmt.Fprintf(&b, "[%s|%s]", name, value)
		packed = rest
	}
}

func TestChunkedDecodes(t *testing.T) {
	ext := ";" + strings.Repeat("e", maxChunkLine-3) // with the digit and CR, the longest line
	for _, c := range []struct{ name, body, want, trailers string }{
		{"nothing", "0\r\n\r\n", "", ""},
		{"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", ""},
		{"two chunks", "5\r\nhello\r\nA\r\n, world!!!\r\n00\r\n\r\n", "hello, world!!!", ""},
		{"case of digits", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a", ""},
		{"leading zeros", "0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", "x", ""},
		{"data that looks like chunks", "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n", ""},
		{"extensions", "1;a;b=c;d=\"e;\\\"\r f\"\r\nx\r\n0;z\r\n\r\n", "", "bad"},
		{"quoted extension", "1;a;b=c;d=\"e;\\\" \t\xe9 f\"\r\nx\r\n0;z\r\n\r\n", "x", ""},
		{"extension after quoted one", "1;d=\"\";e\r\nx\r\n0\r\n\r\n", "x", ""},
		{"longest line", "1" + ext + "\r\nx\r\n0\r\n\r\n", "x", ""},
		{"trailers", "0\r\nX-Sum: 1 2 \r\nx-b:\r\n\r\n", "", "[X-Sum|1 2][x-b|]"},
		{"forbidden trailers", "0\r\nContent-Length: 1\r\nHOST: a\r\nAuthorization: b\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: c\r\nIf-None-Match: d\r\nif-: e\r\ncookie: f\r\nok: g\r\n\r\n", "", "[if-|e][ok|g]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, next := range []func() int{whole, one} {
				var d Chunked
				got, used, done, err := decode(&d, c.body+"GET /next", next)
				if c.trailers == "bad" {
					if err != error(errChunkExt) {
						t.Fatalf("err = %v", err)
					}
					continue
				}
				if err != nil || !done || got != c.want || used != len(c.body) || trailerLines(d.Trailers()) != c.trailers {
					t.Errorf("%q used %d of %d done=%t err=%v trailers %s", got, used, len(c.body), done, err, trailerLines(d.Trailers()))
				}
				if _, n, done, err := d.Next([]byte("GET /next")); n != 0 || !done || err != nil {
					t.Errorf("after the end: n = %d, done = %t, err = %v", n, done, err)
				}
			}
		})
	}
}

// Each body ends with the byte that shows the error.
func TestChunkedRefuses(t *testing.T) {
	longTrailer := "0\r\nx: " + strings.Repeat("y", maxTrailers-2)
	for _, c := range []struct {
		name, body string
		want       *Error
	}{
		{"no size", "\r", errChunkSize},
		{"LF only", "\n", errChunkSize},
		{"no digit", "g", errChunkSize},
		{"sign", "+", errChunkSize},
		{"negative", "-", errChunkSize},
		{"space first", " ", errChunkSize},
		{"prefix", "0x", errChunkSize},
		{"space after size", "5 ", errChunkSize},
		{"tab after size", "5\t", errChunkSize},
		{"underscore", "1_", errChunkSize},
		{"NUL", "5\x00", errChunkSize},
		{"high byte", "5\xb2", errChunkSize},
		{"LF after size", "5\n", errBareLF},
		{"CR after size", "5\rx", errBareCR},
		{"CR CR", "5\r\r", errBareCR},
		{"seventeen digits", "00000000000000005", errChunkLarge},
		{"overflow", "8000000000000000", errChunkLarge},
		{"wraps around", "ffffffffffffffff", errChunkLarge},
		{"no LF after data", "1\r\nx\rY", errChunkEnd},
		{"no CR after data", "1\r\nx\n", errChunkEnd},
		{"more data than said", "1\r\nxy", errChunkEnd},
		{"empty extension", "1;\r", errChunkExt},
		{"space in extension", "1; ", errChunkExt},
		{"space before value", "1;a= ", errChunkExt},
		{"space after name", "1;a ", errChunkExt},
		{"no value", "1;a=\r", errChunkExt},
		{"two values", "1;a=b=", errChunkExt},
		{"extension without semicolon", "1;a\"", errChunkExt},
		{"LF in extension", "1;a\n", errBareLF},
		{"CR in quotes", "1;a=\"\r", errChunkExt},
		{"LF in quotes", "1;a=\"\n", errChunkExt},
		{"NUL in quotes", "1;a=\"\x00", errChunkExt},
		{"escaped LF", "1;a=\"\\\n", errChunkExt},
		{"after quotes", "1;a=\"b\"c", errChunkExt},
		{"long name", "1;" + strings.Repeat("e", maxChunkLine-1), errChunkLine},
		{"long quotes", "1;a=\"" + strings.Repeat("e", maxChunkLine-4), errChunkLine},
		{"CR too far", "1;" + strings.Repeat("e", maxChunkLine-2) + "\r", errChunkLine},
		{"overhead", strings.Repeat("1;"+strings.Repeat("e", 250)+"\r\nx\r\n", 69) + "1;" + strings.Repeat("e", 250) + "\r\n", errChunkOverhead},
		{"fold in trailers", "0\r\n \r\n", errFold},
		{"LF ends the trailers", "0\r\n\n", errBareLF},
		{"LF in trailers", "0\r\na: b\n", errBareLF},
		{"CR in trailers", "0\r\na: b\rc\r\n", errBareCR},
		{"CR at the start", "0\r\n\r\r\n", errName},
		{"NUL in trailers", "0\r\na: \x00\r\n", errValue},
		{"no name in trailers", "0\r\n: b\r\n", errNoName},
		{"space before colon", "0\r\na : b\r\n", errNameSpace},
		{"no colon", "0\r\na\r\n", errName},
		{"long trailers", longTrailer, errTrailerLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, next := range []func() int{whole, one} {
				var d Chunked
				if _, used, done, err := decode(&d, c.body, next); err != error(c.want) || used != len(c.body) || done {
					t.Fatalf("used %d of %d, done=%t, err = %v, want %v", used, len(c.body), done, err, c.want)
				}
				if _, n, done, err := d.Next([]byte("0\r\n\r\n")); n != 0 || done || err != error(c.want) {
					t.Errorf("the error did not stay: %d %t %v", n, done, err)
				}
			}
			var d Chunked
			if _, _, done, err := decode(&d, c.body[:len(c.body)-1], whole); done || err != nil {
				t.Errorf("without the last byte: done=%t, err = %v", done, err)
			}
		})
	}
}

func TestChunkedReset(t *testing.T) {
	var d Chunked
	for range 3 {
		d.Reset()
		for _, body := range []string{"3\r\nabc\r\n0\r\na: b\r\n\r\n", "zz"} {
			d.Reset()
			if len(d.Trailers()) != 0 {
				t.Error("Reset kept trailers")
			}
			if got, _, done, err := decode(&d, body, one); body != "zz" && (got != "abc" || !done || err != nil) {
				t.Errorf("%q: %q %t %v", body, got, done, err)
			}
		}
	}
	body := []byte("3\r\nabc\r\n0\r\na: b\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() {
		d.Reset()
		for p := body; len(p) > 0; {
			_, n, _, _ := d.Next(p[:1])
			p = p[n:]
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestChunksRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		data := make([]byte, random.IntN(5000))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		var body []byte
		for rest := data; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 700))
			body = AppendChunk(body, rest[:n])
			rest = rest[n:]
		}
		body = AppendLastChunk(body, pack("x", "y"))
		var d Chunked
		got, used, done, err := decode(&d, string(body), func() int { return random.IntN(100) })
		if got != string(data) || used != len(body) || !done || err != nil || trailerLines(d.Trailers()) != "[x|y]" {
			t.Fatalf("%d bytes: used %d of %d, done=%t, err=%v", len(data), used, len(body), done, err)
		}
	}
}
