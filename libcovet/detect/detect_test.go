package detect

import (
	"strings"
	"testing"
)

var cases = []struct {
	input string
	kind  Kind
	at    int // the first length with that answer
}{
	{"GET / HTTP/1.1\r\n", HTTP1, 4},
	{"POST / HTTP/1.1\r\n", HTTP1, 5},
	{"PUT / HTTP/1.1\r\n", HTTP1, 4},
	{"PROPFIND / HTTP/1.1\r\n", HTTP1, 9},
	{"SEARCH / HTTP/1.1\r\n", HTTP1, 7},
	{"SSH / HTTP/1.1\r\n", HTTP1, 4},
	{"!#$%&'*+-.^_`|~09azAZ /", HTTP1, 22},
	{"\r\nGET / HTTP/1.1\r\n", HTTP1, 6},
	{"\r\n\r\nGET / HTTP/1.1\r\n", HTTP1, 8},
	{strings.Repeat("\r\n", 20), HTTP1, 32},
	{strings.Repeat("M", 40), HTTP1, 32},
	{strings.Repeat("M", 31) + " /", HTTP1, 32},
	{"PRI / HTTP/1.1\r\n", HTTP1, 5},
	{"PRIVATE / HTTP/1.1\r\n", HTTP1, 8},
	{"PRI * HTTP/1.1\r\n\r\n", HTTP1, 12},
	{"PROXY /a HTTP/1.1\r\n", HTTP1, 7},
	{"PROXY TCP5 1.2.3.4", HTTP1, 10},

	{http2Preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", HTTP2Preface, 24},

	{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", TLS, 6},
	{"\x16\x03\x00\x00\x01\x01", TLS, 6},
	{"\x16\x03\x04\x40\x00\x01", TLS, 6},

	{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", ProxyHeader, 11},
	{"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", ProxyHeader, 11},
	{"PROXY UNKNOWN\r\n", ProxyHeader, 13},
	{proxyV2 + "\x21\x11\x00\x0c", ProxyHeader, 12},

	{"\x00", Unknown, 1},
	{"\n", Unknown, 1},
	{" GET / HTTP/1.1\r\n", Unknown, 1},
	{"\r\n / HTTP/1.1\r\n", Unknown, 3},
	{"\rGET / HTTP/1.1\r\n", Unknown, 2},
	{"\r\n\rGET", Unknown, 4},
	{"\r\n\r\n\x00\r\nQUIX", Unknown, 11},
	{"\r\n\r\n\x00\n", Unknown, 6},
	{"GET\r\n", Unknown, 4},
	{"GET\t/ HTTP/1.1\r\n", Unknown, 4},
	{"G\xc3\x89T / HTTP/1.1\r\n", Unknown, 2},
	{"SSH-2.0-OpenSSH_9.6p1 Ubuntu\r\n", Unknown, 4},
	{"{\"jsonrpc\":\"2.0\"}", Unknown, 1},
	{"\x80\x2e\x01\x03\x01", Unknown, 1}, // an SSLv2 hello
	{"\x15\x03\x01", Unknown, 1},         // a TLS alert
	{"\x16\x02", Unknown, 2},
	{"\x16\x03\x05", Unknown, 3},
	{"\x16\x03\x01\x41", Unknown, 4},
	{"\x16\x03\x01\x40\x01", Unknown, 5},
	{"\x16\x03\x01\x00\x00", Unknown, 5},
	{"\x16\x03\x01\x02\x00\x02", Unknown, 6}, // a ServerHello
	{"(GET)", Unknown, 1},
}

// TestEveryPrefix expects NeedMore up to a length and the answer from there
// on, however the bytes were split.
func TestEveryPrefix(t *testing.T) {
	for _, c := range cases {
		for n := range len(c.input) + 1 {
			want := NeedMore
			if n >= c.at {
				want = c.kind
			}
			if got := Protocol([]byte(c.input[:n])); got != want {
				t.Errorf("%q: after %d bytes %v, want %v", c.input, n, got, want)
			}
		}
	}
}

func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := NeedMore; k <= Unknown+1; k++ {
		if name := k.String(); name == "" || seen[name] {
			t.Errorf("kind %d has the name %q", k, name)
		} else {
			seen[name] = true
		}
	}
}

func FuzzProtocol(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.input))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		decided := NeedMore
		for n := range len(p) + 1 {
			k := Protocol(p[:n])
			if decided != NeedMore && k != decided {
				t.Fatalf("%q: %v after %d bytes, %v before", p, k, n, decided)
			}
			if k == NeedMore && n >= MaxPrefix {
				t.Fatalf("%q: undecided after %d bytes", p, n)
			}
			decided = k
		}
	})
}

func TestNothingAllocates(t *testing.T) {
	for _, c := range cases {
		p := []byte(c.input)
		if n := testing.AllocsPerRun(10, func() { Protocol(p) }); n != 0 {
			t.Errorf("%q: %v allocations", c.input, n)
		}
	}
}

func BenchmarkProtocol(b *testing.B) {
	p := []byte("POST /items HTTP/1.1\r\nHost: example.org\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if Protocol(p) != HTTP1 {
			b.Fatal("not HTTP/1.1")
		}
	}
}

func TestTokenBytes(t *testing.T) {
	const tchars = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for b := range 256 {
		if isToken(byte(b)) != (strings.IndexByte(tchars, byte(b)) >= 0) {
			t.Errorf("byte %#02x is misjudged", b)
		}
	}
}
