package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

func pack(lines ...string) []byte {
	var p []byte
	for i := 0; i < len(lines); i += 2 {
		p = exchange.AppendField(p, []byte(lines[i]), []byte(lines[i+1]))
	}
	return p
}

// stampAt is a stamp of a known time.
func stampAt(server string, date bool) *Stamp {
	s := new(Stamp)
	s.Init(server, date)
	if date {
		s.set(time.Date(2026, time.March, 7, 9, 5, 3, 0, time.UTC))
	}
	return s
}

const (
	serverLine = "server: covet\r\n"
	dateLine   = "date: Sat, 07 Mar 2026 09:05:03 GMT\r\n"
	stampLines = serverLine + dateLine
)

func TestAppendHead(t *testing.T) {
	const (
		noBody = exchange.NoBody
		own    = exchange.NoBody | exchange.OwnLength
	)
	for _, c := range []struct {
		name  string
		r     exchange.Response
		minor uint8
		keep  bool
		want  string
	}{
		{"length", exchange.Response{Status: 200, Type: exchange.TypeJSON, Length: 2}, 1, true, "200 OK|" + stampLines + "content-type: application/json\r\ncontent-length: 2\r\n"},
		{"no content", exchange.Response{Status: 200, Length: 0}, 1, true, "200 OK|" + stampLines + "content-length: 0\r\n"},
		{"unknown type", exchange.Response{Status: 200, Type: 99}, 1, true, "200 OK|" + stampLines + "content-length: 0\r\n"},
		{"chunked", exchange.Response{Status: 404, Length: -1}, 1, true, "404 Not Found|" + stampLines + "transfer-encoding: chunked\r\n"},
		{"HTTP/1.0 ends with the connection", exchange.Response{Status: 200, Length: -1}, 0, true, "200 OK|" + stampLines + "connection: close\r\n"},
		{"HTTP/1.0 kept alive", exchange.Response{Status: 200, Length: 1}, 0, true, "200 OK|" + stampLines + "content-length: 1\r\nconnection: keep-alive\r\n"},
		{"HTTP/1.0 closed", exchange.Response{Status: 200, Length: 1}, 0, false, "200 OK|" + stampLines + "content-length: 1\r\nconnection: close\r\n"},
		{"closed", exchange.Response{Status: 200, Length: 1}, 1, false, "200 OK|" + stampLines + "content-length: 1\r\nconnection: close\r\n"},
		{"close asked for", exchange.Response{Status: 200, Length: 1, Flags: exchange.CloseAfter}, 1, true, "200 OK|" + stampLines + "content-length: 1\r\nconnection: close\r\n"},
		{"HEAD keeps the length", exchange.Response{Status: 200, Length: 7, Flags: noBody}, 1, true, "200 OK|" + stampLines + "content-length: 7\r\n"},
		{"HEAD without length", exchange.Response{Status: 200, Length: -1, Flags: noBody}, 1, true, "200 OK|" + stampLines},
		{"HEAD without length, HTTP/1.0", exchange.Response{Status: 200, Length: -1, Flags: noBody}, 0, true, "200 OK|" + stampLines + "connection: keep-alive\r\n"},
		{"HEAD with its own length", exchange.Response{Status: 200, Length: 0, Flags: own, Fields: pack("Content-Length", "9")}, 1, true, "200 OK|" + stampLines + "Content-Length: 9\r\n"},
		{"own length twice", exchange.Response{Status: 200, Length: -1, Flags: own, Fields: pack("content-length", "x", "content-length", "9", "content-length", "8")}, 1, true, "200 OK|" + stampLines + "content-length: 9\r\n"},
		{"own length with a body", exchange.Response{Status: 200, Length: 3, Flags: exchange.OwnLength, Fields: pack("content-length", "9")}, 1, true, "200 OK|" + stampLines + "content-length: 3\r\n"},
		{"own length with chunks", exchange.Response{Status: 200, Length: -1, Flags: exchange.OwnLength, Fields: pack("content-length", "9")}, 1, true, "200 OK|" + stampLines + "transfer-encoding: chunked\r\n"},
		{"204", exchange.Response{Status: 204, Length: 0}, 1, true, "204 No Content|" + stampLines},
		{"204 with a length", exchange.Response{Status: 204, Length: 5, Flags: own, Fields: pack("content-length", "5")}, 1, true, "204 No Content|" + stampLines},
		{"304", exchange.Response{Status: 304, Length: -1}, 0, true, "304 Not Modified|" + stampLines + "connection: keep-alive\r\n"},
		{"100", exchange.Response{Status: 100, Length: -1}, 1, false, "100 Continue|"},
		{"103", exchange.Response{Status: 103, Fields: pack("link", "</a>")}, 1, true, "103 Early Hints|link: </a>\r\n"},
		{"101", exchange.Response{Status: 101, Length: -1, Fields: pack("connection", "Upgrade", "upgrade", "websocket")}, 1, true, "101 Switching Protocols|connection: Upgrade\r\nupgrade: websocket\r\n"},
		{"426", exchange.Response{Status: 426, Fields: pack("Connection", "upgrade", "upgrade", "h2c")}, 1, true, "426 Upgrade Required|" + stampLines + "content-length: 0\r\nConnection: upgrade\r\nupgrade: h2c\r\n"},
		{"unregistered status", exchange.Response{Status: 299}, 1, true, "299 |" + stampLines + "content-length: 0\r\n"},
		{"status too small", exchange.Response{Status: 99}, 1, true, "500 Internal Server Error|" + stampLines + "content-length: 0\r\n"},
		{"status too large", exchange.Response{Status: 1000}, 1, true, "500 Internal Server Error|" + stampLines + "content-length: 0\r\n"},
		{"own date", exchange.Response{Status: 200, Flags: exchange.OwnDate, Fields: pack("date", "x")}, 1, true, "200 OK|" + serverLine + "content-length: 0\r\ndate: x\r\n"},
		{"own server", exchange.Response{Status: 200, Flags: exchange.OwnServer, Fields: pack("server", "x")}, 1, true, "200 OK|" + dateLine + "content-length: 0\r\nserver: x\r\n"},
		{"own date and server", exchange.Response{Status: 200, Flags: exchange.OwnDate | exchange.OwnServer}, 1, true, "200 OK|content-length: 0\r\n"},
		{"framing and connection fields", exchange.Response{Status: 200, Length: 1, Fields: pack("Transfer-Encoding", "chunked", "Connection", "keep-alive", "Content-Length", "2", "x", "y")}, 1, true, "200 OK|" + stampLines + "content-length: 1\r\nx: y\r\n"},
		{"fields cut short", exchange.Response{Status: 200, Fields: append(pack("a", "b"), 9, 0, 9, 0, 'x')}, 1, true, "200 OK|" + stampLines + "content-length: 0\r\na: b\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(AppendHead([]byte("before "), &c.r, c.minor, c.keep, stampAt("covet", true)))
			want := "before HTTP/1.1 " + strings.Replace(c.want, "|", "\r\n", 1) + "\r\n"
			if got != want {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		})
	}
}

// A name or value with a byte that could end or forge a line never goes out.
func TestNoForgedLines(t *testing.T) {
	for b := range 256 {
		nasty := string([]byte{'a', byte(b), 'b'})
		r := exchange.Response{Status: 200, Fields: pack("x", nasty, nasty, "v", "last", "1")}
		got := string(AppendHead(nil, &r, 1, true, new(Stamp)))
		value, name := "", ""
		if b == '\t' || b >= ' ' && b != 0x7f {
			value = "x: " + nasty + "\r\n"
		}
		if b < 0x80 && (b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' || strings.ContainsRune("!#$%&'*+-.^_`|~", rune(b))) {
			name = nasty + ": v\r\n"
		}
		if want := "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + value + name + "last: 1\r\n\r\n"; got != want {
			t.Errorf("byte %#x:\n got %q\nwant %q", b, got, want)
		}
		if got := string(AppendLastChunk(nil, r.Fields)); got != "0\r\n"+value+name+"last: 1\r\n\r\n" {
			t.Errorf("byte %#x in a trailer: %q", b, got)
		}
	}
	empty := exchange.Response{Status: 200, Fields: pack("", "v")}
	if got := string(AppendHead(nil, &empty, 1, true, new(Stamp))); got != "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" {
		t.Errorf("empty name: %q", got)
	}
}

// What is written must be what a client of another make reads.
func TestResponsesAreReadByNetHTTP(t *testing.T) {
	body := []byte("some body that goes out")
	for _, length := range []int64{int64(len(body)), -1} {
		for minor := range uint8(2) {
			r := exchange.Response{Status: 201, Type: exchange.TypeText, Length: length, Fields: pack("x-a", "1")}
			out := AppendHead(nil, &r, minor, true, stampAt("covet", true))
			if length < 0 && minor > 0 {
				out = AppendLastChunk(AppendChunk(AppendChunk(out, body[:5]), body[5:]), pack("x-sum", "9"))
			} else {
				out = append(out, body...)
			}
			response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			if err != nil || !bytes.Equal(got, body) || response.ContentLength != length || response.StatusCode != 201 {
				t.Errorf("length %d, minor %d: %q, %v, %d", length, minor, got, err, response.ContentLength)
			}
			if response.Close != (length < 0 && minor == 0) {
				t.Errorf("length %d, minor %d: close is %t", length, minor, response.Close)
			}
			if length < 0 && minor > 0 && response.Trailer.Get("X-Sum") != "9" {
				t.Errorf("trailers %v", response.Trailer)
			}
		}
	}
}

func TestChunksOut(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{string(AppendChunk(nil, nil)), ""},
		{string(AppendChunk([]byte("x"), []byte("0123456789abcdef"))), "x10\r\n0123456789abcdef\r\n"},
		{string(AppendChunkHead(nil, 0)), ""},
		{string(AppendChunkHead(nil, -1)), ""},
		{string(AppendChunkHead(nil, 0xabcdef)), "abcdef\r\n"},
		{string(AppendLastChunk(nil, nil)), "0\r\n\r\n"},
		{string(AppendLastChunk(nil, pack("Content-Length", "1", "x", "y", "If-Match", "z"))), "0\r\nx: y\r\n\r\n"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestReasonPhrase(t *testing.T) {
	// RFC 9110 renamed what net/http still calls by its old names.
	renamed := map[int]string{
		413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 418: "I'm a Teapot",
		422: "Unprocessable Content", 203: "Non-Authoritative Information",
	}
	for status := -1; status <= 1000; status++ {
		want := http.StatusText(status)
		if name, ok := renamed[status]; ok {
			want = name
		}
		if got := ReasonPhrase(status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}

func TestStampShowsTheTime(t *testing.T) {
	s := stampAt("covet", true)
	at := time.Date(1999, 12, 31, 23, 59, 57, 0, time.FixedZone("east", 3600))
	for range 3000 {
		s.set(at)
		if want := "server: covet\r\ndate: " + at.UTC().Format(http.TimeFormat) + "\r\n"; string(s.lines) != want {
			t.Fatalf("got %q, want %q", s.lines, want)
		}
		if s.Second() != at.Unix() {
			t.Fatalf("second %d, want %d", s.Second(), at.Unix())
		}
		at = at.Add(40*time.Hour + 61*time.Second)
	}
}

func TestStampRefresh(t *testing.T) {
	s := stampAt("", true)
	old := s.Second()
	s.Refresh(-5e9)
	if s.Second() <= old {
		t.Error("the first Refresh did not look at the clock")
	}
	if left := s.due + 5e9; left <= 0 || left > 1e9 {
		t.Errorf("the next look is due in %d ns", left)
	}
	s.set(time.Unix(old, 0))
	s.Refresh(s.due - 1)
	if s.Second() != old {
		t.Error("Refresh looked at the clock too early")
	}
	s.Refresh(s.due)
	if s.Second() == old {
		t.Error("Refresh did not look at the clock when due")
	}
}

func TestStampWithoutLines(t *testing.T) {
	for _, c := range []struct {
		stamp *Stamp
		want  string
	}{
		{new(Stamp), ""},
		{stampAt("", false), ""},
		{stampAt("x", false), "server: x\r\n"},
		{stampAt("", true), dateLine},
		{stampAt("a\r\nb: c", true), dateLine},
	} {
		for _, flags := range []exchange.ResponseFlags{0, exchange.OwnDate, exchange.OwnServer} {
			want := c.want
			if flags == exchange.OwnDate {
				want = strings.TrimSuffix(want, dateLine)
			}
			if flags == exchange.OwnServer && want != dateLine {
				want = ""
			}
			if got := string(appendStamp(nil, flags, c.stamp)); got != want {
				t.Errorf("flags %d: %q, want %q", flags, got, want)
			}
		}
	}
	s := stampAt("x", false)
	s.Refresh(1 << 62)
	if s.Second() != 0 || string(s.lines) != "server: x\r\n" {
		t.Errorf("a stamp without a date changed: %d %q", s.Second(), s.lines)
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	s := stampAt("covet", true)
	dst := make([]byte, 0, 1024)
	r := exchange.Response{Status: 422, Type: exchange.TypeJSON, Length: -1, Fields: pack("x-a", "1", "x-b", "2")}
	at := time.Unix(1e9, 0)
	for name, f := range map[string]func(){
		"AppendHead":      func() { dst = AppendHead(dst[:0], &r, 0, true, s) },
		"AppendChunk":     func() { dst = AppendChunk(dst[:0], dst[:100]) },
		"AppendLastChunk": func() { dst = AppendLastChunk(dst[:0], r.Fields) },
		"Stamp.set":       func() { at = at.Add(time.Second); s.set(at) },
		"Stamp.Refresh":   func() { s.Refresh(s.due) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
