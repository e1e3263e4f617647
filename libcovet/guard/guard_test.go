package guard

import (
	"fmt"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/http1"
)

// asked parses a request.
func asked(t *testing.T, head string) *Question {
	t.Helper()
	q := &Question{Request: &exchange.Request{}, Room: new([]byte), Now: 1e9}
	head = strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n"
	var limits http1.Limits
	if _, err := limits.ParseRequest([]byte(head), q.Request); err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return q
}

// told is the fields of a response as text.
func told(packed []byte) string {
	var b strings.Builder
	for {
		name, value, rest, ok := exchange.NextField(packed)
		if !ok {
			return b.String()
		}
		packed = rest
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
}

func chain(t *testing.T, configs ...Config) *Chain {
	t.Helper()
	c, err := New(configs)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var someCORS = Config{
	Kind: "cors", Origins: []string{"https://a.org"}, Explicit: true, Methods: []string{"GET"},
	AllowHeaders: []string{"x-a"}, Simple: [][2]string{{"access-control-allow-credentials", "true"}},
	Preflight: [][2]string{{"vary", "Origin"}, {"access-control-allow-methods", "GET"}},
}

func TestNoGuardsAreNoChain(t *testing.T) {
	if c := chain(t); c != nil {
		t.Fatalf("got %v", c)
	}
	if _, err := New([]Config{{Kind: "nonsense"}}); err == nil || err.Error() != "middleware nonsense: there is no such kind" {
		t.Fatalf("got %v", err)
	}
	if _, err := New([]Config{{Kind: "cors", OriginRegex: "("}}); err == nil {
		t.Fatal("a pattern that is none was taken")
	}
}

func TestRefusals(t *testing.T) {
	host := Config{Kind: "trusted_host", Hosts: []string{"www.a.org", "*.b.org"}, WWWRedirect: true}
	https := Config{Kind: "https_redirect"}
	for _, c := range []struct {
		name    string
		configs []Config
		head    string
		status  uint16 // 0: let through
		body    string
		fields  string
	}{
		{"allowed host", []Config{host}, "GET / HTTP/1.1\nHost: WWW.a.org:8000", 0, "", ""},
		{"host below", []Config{host}, "GET / HTTP/1.1\nHost: x.b.org", 0, "", ""},
		{"other host", []Config{host}, "GET / HTTP/1.1\nHost: b.org", 400, "Invalid host header", ""},
		{"no host", []Config{host}, "GET / HTTP/1.0", 400, "Invalid host header", ""},
		{
			"www", []Config{host}, "GET /a?b=c HTTP/1.1\nHost: a.org:8000", 307, "",
			"location: http://www.a.org:8000/a?b=c\n",
		},
		{
			"https", []Config{https}, "GET /\"{a} HTTP/1.1\nHost: a.org:80", 307, "",
			"location: https://a.org/%22%7Ba%7D\n",
		},
		{
			"WebSocket", []Config{https},
			"GET /ws HTTP/1.1\nHost: a.org\nConnection: Upgrade\nUpgrade: WebSocket", 307, "",
			"location: wss://a.org/ws\n",
		},
		{
			"preflight", []Config{someCORS},
			"OPTIONS / HTTP/1.1\nHost: a\nOrigin: https://a.org\nAccess-Control-Request-Method: GET", 200, "OK",
			"vary: Origin\naccess-control-allow-methods: GET\naccess-control-allow-origin: https://a.org\n",
		},
		{
			"other origin, method and fields", []Config{someCORS},
			"OPTIONS / HTTP/1.1\nHost: a\nOrigin: https://b.org\nAccess-Control-Request-Method: PUT\n" +
				"Access-Control-Request-Headers: X-A,X-B", 400, "Disallowed CORS origin, method, headers",
			"vary: Origin\naccess-control-allow-methods: GET\n",
		},
		{
			"no preflight", []Config{someCORS}, "OPTIONS / HTTP/1.1\nHost: a\nOrigin: https://a.org", 0, "", "",
		},
		{
			"what is outside decorates", []Config{someCORS, host}, "GET / HTTP/1.1\nHost: b.org\nOrigin: https://a.org", 400,
			"Invalid host header",
			"access-control-allow-credentials: true\naccess-control-allow-origin: https://a.org\nvary: Origin\n",
		},
		{"what is inside does not", []Config{host, someCORS}, "GET / HTTP/1.1\nHost: b.org", 400, "Invalid host header", ""},
	} {
		var ticket Ticket
		var reply Reply
		admitted := chain(t, c.configs...).Admit(asked(t, c.head), &ticket, &reply)
		if admitted != (c.status == 0) {
			t.Errorf("%s: admitted is %t", c.name, admitted)
			continue
		}
		r := &reply.Response
		if !admitted && (r.Status != c.status || string(r.Body) != c.body || told(r.Fields) != c.fields) {
			t.Errorf("%s: got %d %q with %q", c.name, r.Status, r.Body, told(r.Fields))
		}
	}
}

func TestDecorations(t *testing.T) {
	security := Config{Kind: "security_headers", Fields: [][2]string{{"x-a", "ours"}, {"x-b", "ours"}}, HSTS: "max-age=5"}
	packing := Config{Kind: "compression", Codings: []Level{{"gzip", 6}}}
	for _, c := range []struct {
		name   string
		config Config
		secure bool
		given  [][2]string
		want   string
	}{
		{
			"values of vary are joined", someCORS, false, [][2]string{{"Vary", "A"}, {"x", "y"}, {"vary", "B"}},
			"Vary: A, B, Origin\nx: y\naccess-control-allow-credentials: true\naccess-control-allow-origin: https://a.org\n",
		},
		{
			"a value is replaced in its place", someCORS, false, [][2]string{{"Access-Control-Allow-Origin", "own"}, {"x", "y"}},
			"Access-Control-Allow-Origin: https://a.org\nx: y\naccess-control-allow-credentials: true\nvary: Origin\n",
		},
		{"what is there stays", security, true, [][2]string{{"X-A", "own"}}, "X-A: own\nx-b: ours\nstrict-transport-security: max-age=5\n"},
		{"http says nothing of https", security, false, nil, "x-a: ours\nx-b: ours\n"},
		{
			"a strong ETag becomes weak", packing, false, [][2]string{{"ETag", `"a"`}, {"vary", "A"}},
			"ETag: W/\"a\"\nvary: A, Accept-Encoding\ncontent-encoding: gzip\n",
		},
		{
			"a weak ETag stays", packing, false, [][2]string{{"etag", `W/"a"`}},
			"etag: W/\"a\"\nvary: Accept-Encoding\ncontent-encoding: gzip\n",
		},
		{
			"what is not compressed keeps its ETag", packing, false, [][2]string{{"etag", `"a"`}, {"content-encoding", "br"}},
			"etag: \"a\"\ncontent-encoding: br\n",
		},
		{"time", Config{Kind: "timing", Label: "app"}, false, nil, "server-timing: app;dur=1.500\n"},
	} {
		var ticket Ticket
		var reply Reply
		g := chain(t, c.config)
		q := asked(t, "GET / HTTP/1.1\nHost: a\nOrigin: https://a.org\nAccept-Encoding: gzip")
		q.Secure = c.secure
		if !g.Admit(q, &ticket, &reply) {
			t.Fatalf("%s: not admitted", c.name)
		}
		r := exchange.Response{Status: 200}
		for _, f := range c.given {
			r.Fields = exchange.AppendField(r.Fields, []byte(f[0]), []byte(f[1]))
		}
		if g.Decorate(&ticket, q.Now+1_500_000, &r, &reply); told(r.Fields) != c.want {
			t.Errorf("%s: got %q", c.name, told(r.Fields))
		}
	}
}

func TestGuardsDoNotAllocateForOrdinaryRequests(t *testing.T) {
	g := chain(t, someCORS, Config{Kind: "security_headers", Fields: [][2]string{{"x-frame-options", "DENY"}}})
	q := asked(t, "GET / HTTP/1.1\nHost: a\nOrigin: https://a.org")
	fields := exchange.AppendField(nil, []byte("vary"), []byte("Accept"))
	var ticket Ticket
	var reply Reply
	pass := func() {
		r := exchange.Response{Fields: fields}
		g.Admit(q, &ticket, &reply)
		g.Decorate(&ticket, 0, &r, &reply)
	}
	pass()
	if n := testing.AllocsPerRun(100, pass); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The answer that accepts a WebSocket gets its identifier, and nothing else.
func TestWebSocketsHaveIdentifiers(t *testing.T) {
	if chain(t).Identifies() || chain(t, someCORS).Identifies() {
		t.Error("there is nobody who gives identifiers")
	}
	g := chain(t, someCORS, Config{Kind: "request_id", Field: "x-request-id", Trust: true}, Config{Kind: "timing", Label: "total"})
	if !g.Identifies() {
		t.Fatal("it gives none")
	}
	var ticket Ticket
	var reply Reply
	if !g.Admit(asked(t, "GET / HTTP/1.1\nHost: a\nOrigin: https://a.org\nX-Request-ID: one"), &ticket, &reply) {
		t.Fatal("not admitted")
	}
	r := exchange.Response{Status: 101, Fields: exchange.AppendField(nil, []byte("upgrade"), []byte("websocket"))}
	if g.Identify(&ticket, &r, &reply); told(r.Fields) != "upgrade: websocket\nx-request-id: one\n" {
		t.Errorf("%q", told(r.Fields))
	}
}

func TestRequestsHaveIdentifiers(t *testing.T) {
	for _, c := range []struct {
		given string
		trust bool
		taken bool
	}{
		{"", true, false}, {"abc-1", true, true}, {"abc-1", false, false}, {"no spaces", true, false},
		{strings.Repeat("a", 129), true, false},
	} {
		g := chain(t, Config{Kind: "request_id", Field: "x-request-id", Trust: c.trust})
		head := "GET /path HTTP/1.1\nHost: a\nAccept: b"
		if c.given != "" {
			head += "\nX-Request-ID: " + c.given
		}
		q := asked(t, head)
		var ticket Ticket
		var reply Reply
		if !g.Admit(q, &ticket, &reply) {
			t.Fatal("not admitted")
		}
		var r exchange.Response
		g.Decorate(&ticket, 0, &r, &reply)
		id, _ := q.field("x-request-id")
		if told(r.Fields) != "x-request-id: "+string(id)+"\n" {
			t.Errorf("%q: the request has %q, the response %q", c.given, id, told(r.Fields))
		}
		if c.taken != (string(id) == c.given) || !c.taken && len(id) != 32 {
			t.Errorf("%q: got %q", c.given, id)
		}
		host, _ := q.field("host")
		accept, _ := q.field("accept")
		if string(host) != "a" || string(accept) != "b" || string(q.Path.Of(q.Request.Head)) != "/path" {
			t.Errorf("%q: the head was changed: %q", c.given, q.Request.Head)
		}
	}
}
