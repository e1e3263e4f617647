package engine

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/http1"
)

func trusted(t testing.TB, list string) *proxies {
	t.Helper()
	p, err := newProxies(true, list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parsed(t testing.TB, head string) *exchange.Request {
	t.Helper()
	r := &exchange.Request{}
	limits := http1.Limits{MaxTarget: 1 << 15, MaxHead: 1<<16 - 1, MaxHeaders: exchange.MaxHeaders}
	if n, err := limits.ParseRequest([]byte(head), r); err != nil || n == 0 {
		t.Fatalf("request head: %d, %v", n, err)
	}
	return r
}

func TestWhoIsTrusted(t *testing.T) {
	for _, c := range []struct {
		list, peer string // no peer is a unix socket
		want       bool
	}{
		{"127.0.0.1,::1", "127.0.0.1", true},
		{"127.0.0.1, ::1", "::1", true},
		{"127.0.0.1", "::ffff:127.0.0.1", true},
		{"::ffff:127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.2", false},
		{"10.0.0.7/8", "10.200.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"2001:db8::/32", "2001:db8:1::5", true},
		{"127.0.0.1", "", false},
		{"unix", "", true},
		{"unix", "127.0.0.1", false},
		{"*", "", true},
		{"10.0.0.1,*", "192.0.2.1", true},
	} {
		address := netip.Addr{}
		if c.peer != "" {
			address = netip.MustParseAddr(c.peer)
		}
		if got := trusted(t, c.list).trusts(address); got != c.want {
			t.Errorf("%q trusts %q: %v", c.list, c.peer, got)
		}
	}
}

func TestNobodyIsTrusted(t *testing.T) {
	for _, list := range []string{"", " , "} {
		if p, err := newProxies(true, list); p != nil || err != nil {
			t.Errorf("%q: %v, %v", list, p, err)
		}
	}
	if p, err := newProxies(false, "*"); p != nil || err != nil {
		t.Errorf("switched off: %v, %v", p, err)
	}
	for _, list := range []string{"localhost", "10.0.0.0/33", "1.2.3", "127.0.0.1;::1"} {
		if _, err := newProxies(true, list); err == nil || !strings.Contains(err.Error(), "forwarded_allow_ips") {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestOriginOfARequest(t *testing.T) {
	const near, networks = "127.0.0.1:5000", "127.0.0.1,10.0.0.0/8,2001:db8::1"
	for _, c := range []struct {
		list, fields, peer string
		secure             bool
	}{
		{networks, "", near, false},
		{networks, "X-Forwarded-For: 192.0.2.1", "192.0.2.1:0", false},
		{networks, "x-FORWARDED-for: 192.0.2.1:1234", "192.0.2.1:1234", false},
		{networks, "X-Forwarded-For: 192.0.2.9, 192.0.2.1,10.0.0.1", "192.0.2.1:0", false},
		{networks, "X-Forwarded-For: 192.0.2.1\nX-Forwarded-For: 10.0.0.2, 10.0.0.1", "192.0.2.1:0", false},
		{networks, "X-Forwarded-For: 192.0.2.9\nX-Forwarded-For: 192.0.2.1", "192.0.2.1:0", false},
		{networks, "X-Forwarded-For: 10.0.0.3, 10.0.0.1", "10.0.0.3:0", false},
		{networks, "X-Forwarded-For: 2001:db8::2, [2001:db8::1]:80", "[2001:db8::2]:0", false},
		{networks, "X-Forwarded-For: ::ffff:192.0.2.1", "192.0.2.1:0", false},
		{networks, "X-Forwarded-For: 192.0.2.1, unknown", near, false},
		{networks, "X-Forwarded-For: 192.0.2.1, nobody, 10.0.0.1", "10.0.0.1:0", false},
		{networks, "X-Forwarded-For: ", near, false},
		{networks, "X-Forwarded-Foo: 192.0.2.1", near, false},
		{"*", "X-Forwarded-For: 192.0.2.9, 192.0.2.1", "192.0.2.9:0", false},
		{networks, "X-Forwarded-Proto: https", near, true},
		{networks, "X-Forwarded-Proto: wss", near, true},
		{networks, "X-Forwarded-Proto: http", near, false},
		{networks, "X-Forwarded-Proto: https\nX-Forwarded-Proto: http", near, false},
		{networks, "X-Forwarded-Proto: https, http", near, false},
	} {
		fields := ""
		if c.fields != "" {
			fields = strings.ReplaceAll(c.fields, "\n", "\r\n") + "\r\n"
		}
		o := origin{peer: netip.MustParseAddrPort(near)}
		o.read(trusted(t, c.list), parsed(t, "GET / HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n"))
		if o.peer.String() != c.peer || o.secure != c.secure {
			t.Errorf("%q, trusting %q: %s, %v", c.fields, c.list, o.peer, o.secure)
		}
	}
}

func FuzzForwardedFor(f *testing.F) {
	f.Add([]byte("192.0.2.1, [2001:db8::1]:80, 10.0.0.1"))
	p := trusted(f, "10.0.0.0/8,2001:db8::/32")
	f.Fuzz(func(t *testing.T, value []byte) {
		found, settled := p.client(value, netip.AddrPort{})
		if !found.IsValid() {
			return
		}
		if settled && p.trusts(found.Addr()) && !strings.Contains(string(value), ",") {
			t.Errorf("%q: %s is trusted and settles the search", value, found)
		}
		if again, ok := parseClient([]byte(found.String())); !ok || again != found {
			t.Errorf("%q: %s is read as %s", value, found, again)
		}
	})
}
