package websocket

import (
	"maps"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// RFC 6455, section 1.3.
func TestOpen(t *testing.T) {
	c := new(Conn)
	r := request(t, opening)
	if status, reason := c.Open(r, Options{MaxSize: 1, Deflate: true}); !IsUpgrade(r) || status != 0 {
		t.Fatal(status, reason)
	}
	want := map[string]string{"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}
	if got := answers(c); !maps.Equal(got, want) {
		t.Error(got)
	}
}

func TestIsUpgrade(t *testing.T) {
	host := "Host: a\r\n"
	for head, want := range map[string]bool{
		"GET / HTTP/1.1\r\n" + host + "Upgrade: websocket\r\nConnection: upgrade\r\n":                        true,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n":            true,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: h2c , websocket\r\nConnection: x\r\nconnection: UPGRADE\r\n": true,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: h2c\r\nUPGRADE: websocket\r\nConnection: upgrade\r\n":        true,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: websocket\r\n":                                               false,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: websocket\r\nConnection: keep-alive\r\n":                     false,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: websocket\r\nConnection: upgrades\r\n":                       false,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: websockets\r\nConnection: upgrade\r\n":                       false,
		"GET / HTTP/1.1\r\n" + host + "Connection: upgrade\r\n":                                              false,
		"GET / HTTP/1.0\r\n" + host + "Upgrade: websocket\r\nConnection: upgrade\r\n":                        false,
		"HEAD / HTTP/1.1\r\n" + host + "Upgrade: websocket\r\nConnection: upgrade\r\n":                       false,
		"POST / HTTP/1.1\r\n" + host + "Upgrade: websocket\r\nConnection: upgrade\r\n":                       false,
	} {
		if got := IsUpgrade(request(t, head)); got != want {
			t.Errorf("%q: %t", head, got)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	for _, test := range []struct {
		from, to string
		status   int
	}{
		{"Version: 13", "Version: 8", 426},
		{"Version: 13", "Version: 13, 8", 426},
		{"Version: 13", "Version: 013", 426},
		{"Sec-WebSocket-Version: 13\r\n", "", 400},
		{"Sec-WebSocket-Key: " + key + "\r\n", "", 400},
		{key, "", 400},
		{key, "dGhlIHNhbXBsZSBub25j", 400},     // 15 bytes
		{key, "dGhlIHNhbXBsZSBub25jZTE=", 400}, // 17 bytes
		{key, "dGhlIHNhbXBsZSBub25jZQ", 400},   // no padding
		{key, "dGhlIHNhbXBsZSBub25jZQ=*", 400}, // not base64
		{key, key + "\r\nSec-WebSocket-Key: " + key, 400},
		{"Host: ", "Content-Length: 3\r\nHost: ", 400},
		{"Host: ", "Transfer-Encoding: chunked\r\nHost: ", 400},
		{"Host: ", "Content-Length: 0\r\nHost: ", 0},
		{"Sec-WebSocket-Key", "sec-websocket-key", 0},
	} {
		head := strings.Replace(opening, test.from, test.to, 1)
		if status, reason := new(Conn).Open(request(t, head), Options{}); status != test.status || (status == 0) != (reason == "") {
			t.Errorf("%q: %d %s", head, status, reason)
		}
	}
}

const (
	agreed   = "permessage-deflate"
	noServer = "; server_no_context_takeover"
	noClient = "; client_no_context_takeover"
)

// RFC 7692, section 7.1.
func TestExtensions(t *testing.T) {
	alone := agreed + noServer + noClient
	for _, test := range []struct {
		takeover        bool
		offers, want    string
		window, in, out uint8
	}{
		{false, "", "", 0, 0, 0},
		{false, "x-webkit-deflate-frame", "", 0, 0, 0},
		{false, "permessage-deflates", "", 0, 0, 0},
		{false, "permessage-deflate", alone, 15, 0, 0},
		{false, "permessage-deflate; client_max_window_bits", alone, 15, 0, 0},
		{false, "permessage-deflate;client_max_window_bits=10", alone, 15, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=9", alone + "; server_max_window_bits=9", 9, 0, 0},
		{false, `permessage-deflate ; server_max_window_bits = "8"`, alone + "; server_max_window_bits=8", 8, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=15", alone + "; server_max_window_bits=15", 15, 0, 0},
		{false, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", alone, 15, 0, 0},

		{true, "permessage-deflate", agreed, 15, 15, 15},
		{true, "permessage-deflate; client_max_window_bits", agreed, 15, 15, 15},
		{true, "permessage-deflate; client_max_window_bits=12", agreed + "; client_max_window_bits=12", 15, 12, 15},
		{true, "permessage-deflate; client_max_window_bits=8", agreed + "; client_max_window_bits=8", 15, 9, 15},
		{true, "permessage-deflate; server_max_window_bits=10", agreed + "; server_max_window_bits=10", 10, 15, 10},
		{true, "permessage-deflate; client_no_context_takeover", agreed + noClient, 15, 0, 15},
		{true, "permessage-deflate; server_no_context_takeover", agreed + noServer, 15, 15, 0},
		{true, "permessage-deflate; client_max_window_bits=10; server_max_window_bits=9",
			agreed + "; client_max_window_bits=10; server_max_window_bits=9", 9, 10, 9},

		// declined, one and all
		{false, "permessage-deflate; no_such", "", 0, 0, 0},
		{false, "permessage-deflate;", "", 0, 0, 0},
		{false, "permessage-deflate; client_max_window_bits; client_max_window_bits", "", 0, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", "", 0, 0, 0},
		{false, "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "", 0, 0, 0},
		{false, "permessage-deflate; client_no_context_takeover; client_no_context_takeover", "", 0, 0, 0},
		{false, "permessage-deflate; server_no_context_takeover=1", "", 0, 0, 0},
		{false, "permessage-deflate; client_no_context_takeover=", "", 0, 0, 0},
		{false, "permessage-deflate; server_max_window_bits", "", 0, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=7", "", 0, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=16", "", 0, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=010", "", 0, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=+9", "", 0, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=265", "", 0, 0, 0},
		{false, `permessage-deflate; server_max_window_bits="9`, "", 0, 0, 0},
		{false, "permessage-deflate; client_max_window_bits=", "", 0, 0, 0},
		{false, "permessage-deflate; client_max_window_bits=x", "", 0, 0, 0},
		{false, `permessage-deflate; x=", permessage-deflate`, "", 0, 0, 0},

		// the next one
		{false, "x, permessage-deflate; a=1, permessage-deflate", alone, 15, 0, 0},
		{false, "permessage-deflate; server_max_window_bits=99, permessage-deflate; server_max_window_bits=9", alone + "; server_max_window_bits=9", 9, 0, 0},
		{false, `permessage-deflate; x="\", permessage-deflate", permessage-deflate`, alone, 15, 0, 0},
		{false, "permessage-deflate; a|permessage-deflate", alone, 15, 0, 0},
		{false, ",, permessage-deflate", alone, 15, 0, 0},
	} {
		c, got := open(t, Options{Deflate: true, Takeover: test.takeover}, strings.Split(test.offers, "|")...)
		if got != test.want || c.deflate != (got != "") {
			t.Errorf("%t, %q: %q, want %q", test.takeover, test.offers, got, test.want)
		}
		x := c.context
		if x == nil {
			x = new(context)
		}
		if c.window != test.window || x.in.bits != test.in || x.out.bits != test.out {
			t.Errorf("%t, %q: window %d, in %d, out %d", test.takeover, test.offers, c.window, x.in.bits, x.out.bits)
		}
		if c.Shares() != (test.window == 15) {
			t.Errorf("%t, %q: shares %t", test.takeover, test.offers, c.Shares())
		}
		if _, off := open(t, Options{}, test.offers); off != "" {
			t.Errorf("%q is answered with %q although it is off", test.offers, off)
		}
	}
}

// FuzzExtensions holds that no offer makes the server panic, and that each
// answer is one of few, with the offer's consent.
func FuzzExtensions(f *testing.F) {
	for _, s := range []string{
		"permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=10; client_no_context_takeover",
		`permessage-deflate; x="\"", permessage-deflate; client_max_window_bits="9"`, ",;=\"\\", "permessage-deflate;;",
		"permessage-deflate; client_max_window_bits=8; server_max_window_bits=8", "permessage-deflate; server_no_context_takeover",
	} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, takeover bool) {
		if len(s) > 10000 || strings.ContainsAny(s, "\x00\r\n") {
			return
		}
		name := "sec-websocket-extensions"
		r := &exchange.Request{Head: []byte(name + s), NumHeaders: 1}
		r.Headers[0] = exchange.Header{Name: exchange.Span{Len: uint16(len(name))}, Value: exchange.Span{Off: uint16(len(name)), Len: uint16(len(s))}}
		a := agree(r, takeover)
		if a.answer == "" {
			return
		}
		o, ok := parseOffer(a.answer)
		switch {
		case !ok:
			t.Fatalf("%q is answered with %q, which is malformed", s, a.answer)
		case !strings.Contains(s, "permessage-deflate"):
			t.Fatalf("%q is answered with %q", s, a.answer)
		case o.clientLimits && !strings.Contains(s, "client_max_window_bits"):
			t.Fatalf("%q does not allow %q", s, a.answer)
		case o.clientAlone && a.in != 0 || o.serverAlone && a.out != 0:
			t.Fatalf("%q is answered with %q, and %+v", s, a.answer, a)
		case o.clientWindow != 0 && a.in > max(9, o.clientWindow), o.serverWindow != 0 && a.window != o.serverWindow:
			t.Fatalf("%q is answered with %q, and %+v", s, a.answer, a)
		case a.window < 8 || a.window > 15 || a.out != 0 && a.out != a.window || a.in > 15 || !takeover && a.in+a.out > 0:
			t.Fatalf("%q: %+v", s, a)
		}
	})
}
