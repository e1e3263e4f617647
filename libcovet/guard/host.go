package guard

import (
	"bytes"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// hostPattern is what a Host field may be; anything else could change what an
// address means.
var hostPattern = regexp.MustCompile(
	`^((?i:[a-z0-9._~%!$&'()*+,;=-]+|\[(?:([a-f0-9]*:[a-f0-9.:]+)|(?-i:v)[a-f0-9]+\.[a-z0-9._~!$&'()*+,;=:-]+)\]))(?::([0-9]+))?$`)

// hostOf returns the name and the port, if any, of the Host field; ok is false
// if it is missing or malformed.
func hostOf(q *Question) (name, port []byte, ok bool) {
	value, ok := q.field("host")
	if !ok {
		return nil, nil, false
	}
	found := hostPattern.FindSubmatch(value)
	if found == nil {
		return nil, nil, false
	}
	if found[2] != nil {
		if a, err := netip.ParseAddr(string(found[2])); err != nil || !a.Is6() {
			return nil, nil, false
		}
	}
	return found[1], found[3], true
}

// localOf returns the address that the client has connected to, as a Host
// field names one; ok is false for a unix socket.
func localOf(q *Question) (name, port []byte, ok bool) {
	local := q.Conn.Local()
	if !local.IsValid() {
		return nil, nil, false
	}
	text := local.Addr().String()
	if local.Addr().Is6() {
		text = "[" + text + "]"
	}
	return []byte(text), strconv.AppendUint(nil, uint64(local.Port()), 10), true
}

// redirect sends the client to the same path and query at another address.
func redirect(q *Question, r *Reply, scheme, netloc string) {
	to := append(append([]byte(scheme), "://"...), netloc...)
	to = append(append(to, q.RootPath...), q.WholePath().Of(q.Head)...)
	if query := q.Query.Of(q.Head); len(query) > 0 {
		to = append(append(to, '?'), query...)
	}
	r.Response = exchange.Response{Status: 307}
	r.add("location", quoted(to))
}

const unquoted = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~:/%#?=@[]!$&'()*+,;"

// quoted is an address with what may not be in one percent-encoded.
func quoted(address []byte) []byte {
	quoted := make([]byte, 0, len(address))
	for _, b := range address {
		if strings.IndexByte(unquoted, b) >= 0 {
			quoted = append(quoted, b)
		} else {
			quoted = append(quoted, '%', "0123456789ABCDEF"[b>>4], "0123456789ABCDEF"[b&15])
		}
	}
	return quoted
}

func joined(name, port []byte) string {
	if port == nil {
		return string(name)
	}
	return string(name) + ":" + string(port)
}

// trustedHost refuses requests for other hosts.
type trustedHost struct {
	exact map[string]bool
	below []string // with the dot that comes before
	any   bool
	www   bool
}

func newTrustedHost(c *Config) guard {
	g := &trustedHost{exact: map[string]bool{}, www: c.WWWRedirect}
	for _, h := range c.Hosts {
		switch {
		case h == "*":
			g.any = true
		case strings.HasPrefix(h, "*"):
			g.below = append(g.below, h[1:])
		}
		g.exact[h] = true
	}
	return g
}

func (g *trustedHost) refuse(q *Question, _ *Ticket, r *Reply) bool {
	if g.any {
		return false
	}
	given, port, ok := hostOf(q)
	if !ok {
		r.plain(400, "Invalid host header")
		return true
	}
	name := string(bytes.ToLower(given))
	if g.exact[name] {
		return false
	}
	for _, suffix := range g.below {
		if strings.HasSuffix(name, suffix) {
			return false
		}
	}
	if g.www && g.exact["www."+name] {
		redirect(q, r, schemeOf(q, q.Secure), "www."+joined(given, port))
		return true
	}
	r.plain(400, "Invalid host header")
	return true
}

// schemeOf is the scheme of a request, or that of a WebSocket's.
func schemeOf(q *Question, secure bool) string {
	scheme := "http"
	if value, _ := q.field("upgrade"); q.Has(exchange.Upgrade) && exchange.EqualName(value, "websocket") {
		scheme = "ws"
	}
	if secure {
		scheme += "s"
	}
	return scheme
}

func (g *trustedHost) decorate(*Ticket, *Draft) {}

// httpsRedirect sends clients from http to https.
type httpsRedirect struct{}

func (httpsRedirect) refuse(q *Question, _ *Ticket, r *Reply) bool {
	if q.Secure {
		return false
	}
	name, port, ok := hostOf(q)
	if !ok {
		name, port, ok = localOf(q)
	}
	if !ok {
		r.plain(400, "Invalid host header")
		return true
	}
	if n, err := strconv.Atoi(string(port)); err == nil && (n == 80 || n == 443) {
		name, port = bytes.ToLower(name), nil
	}
	redirect(q, r, schemeOf(q, true), joined(name, port))
	return true
}

func (httpsRedirect) decorate(*Ticket, *Draft) {}
