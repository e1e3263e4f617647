package engine

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// Names of the fields in which a proxy tells of its client.
const (
	forwardedFor   = "x-forwarded-for"
	forwardedProto = "x-forwarded-proto"
)

// trust is what is known of a connection's peer.
type trust uint8

const (
	trustUnknown trust = iota
	trustNo
	trustYes
)

// proxies are the peers whose word on their clients counts. Nil is none.
type proxies struct {
	all, unix bool
	networks  []netip.Prefix
}

// newProxies reads a comma-separated list of addresses, networks, "*" for all
// and "unix" for the peers on unix sockets. It is nil if nobody is trusted.
func newProxies(wanted bool, list string) (*proxies, error) {
	if !wanted {
		return nil, nil
	}
	p := &proxies{}
	for _, item := range strings.Split(list, ",") {
		switch item = strings.TrimSpace(item); item {
		case "":
		case "*":
			p.all = true
		case "unix":
			p.unix = true
		default:
			network, err := parseNetwork(item)
			if err != nil {
				return nil, fmt.Errorf(`forwarded_allow_ips: %q is neither an address, a network, "unix" nor "*"`, item)
			}
			p.networks = append(p.networks, network)
		}
	}
	if !p.all && !p.unix && len(p.networks) == 0 {
		return nil, nil
	}
	return p, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("network: %w", err)
		}
		return network.Masked(), nil
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("address: %w", err)
	}
	address = address.Unmap().WithZone("")
	return netip.PrefixFrom(address, address.BitLen()), nil
}

// trusts reports whether the word of a peer counts; the invalid address is
// that of a unix socket.
func (p *proxies) trusts(address netip.Addr) bool {
	if p.all {
		return true
	}
	if !address.IsValid() {
		return p.unix
	}
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// origin is where the present request comes from.
type origin struct {
	peer   netip.AddrPort
	secure bool // the client speaks TLS with the proxy
}

// findOrigin notes where the request comes from. Without proxies it is the
// connection's peer, and costs nothing.
func (l *loop) findOrigin(s *session, c *netio.Conn) {
	p := l.engine.proxies
	if p == nil {
		return
	}
	l.origin = origin{peer: c.Remote()}
	if s.trust == trustUnknown {
		s.trust = trustNo
		if p.trusts(l.origin.peer.Addr()) {
			s.trust = trustYes
		}
	}
	if s.trust == trustYes {
		l.origin.read(p, &l.request)
	}
}

// peer is the client's address, as far as trusted proxies tell it.
func (l *loop) peer(c *netio.Conn) netip.AddrPort {
	if l.engine.proxies == nil {
		return c.Remote()
	}
	return l.origin.peer
}

// read takes what a trusted proxy says of its client. Every proxy appends to
// X-Forwarded-For, so its last field counts first.
func (o *origin) read(p *proxies, r *exchange.Request) {
	fields := r.Fields()
	found, settled, proto := netip.AddrPort{}, false, false
	for i := len(fields) - 1; i >= 0; i-- {
		switch f := &fields[i]; int(f.Name.Len) {
		case len(forwardedFor):
			if !settled && exchange.EqualName(f.Name.Of(r.Head), forwardedFor) {
				found, settled = p.client(f.Value.Of(r.Head), found)
			}
		case len(forwardedProto):
			if !proto && exchange.EqualName(f.Name.Of(r.Head), forwardedProto) {
				proto, o.secure = true, isSecure(f.Value.Of(r.Head))
			}
		}
	}
	if found.IsValid() {
		o.peer = found
	}
}

func isSecure(proto []byte) bool {
	return bytes.EqualFold(proto, []byte("https")) || bytes.EqualFold(proto, []byte("wss"))
}

// client is the rightmost address of an X-Forwarded-For value that is not
// trusted itself, or the leftmost if all are; beyond is the answer of the
// fields behind it. settled says that the fields before this one do not
// matter. What is no address cannot be trusted, nor be anybody's: the last
// address before it stands.
func (p *proxies) client(value []byte, beyond netip.AddrPort) (found netip.AddrPort, settled bool) {
	found = beyond
	for value != nil {
		var item []byte
		if at := bytes.LastIndexByte(value, ','); at >= 0 {
			item, value = value[at+1:], value[:at]
		} else {
			item, value = value, nil
		}
		client, ok := parseClient(bytes.TrimSpace(item))
		if !ok {
			return found, true
		}
		found = client
		if !p.trusts(client.Addr()) {
			return found, true
		}
	}
	return found, false
}

// longestClient is the length of the longest address with a port.
const longestClient = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")

// parseClient reads an address with or without a port: 192.0.2.1,
// 192.0.2.1:80, 2001:db8::1, [2001:db8::1] or [2001:db8::1]:80.
func parseClient(text []byte) (netip.AddrPort, bool) {
	if len(text) == 0 || len(text) > longestClient || bytes.IndexByte(text, '%') >= 0 {
		return netip.AddrPort{}, false
	}
	host, port := string(text), ""
	switch {
	case host[0] == '[':
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return netip.AddrPort{}, false
		}
		host, port = host[1:end], host[end+1:]
		if port != "" && port[0] != ':' || !strings.Contains(host, ":") {
			return netip.AddrPort{}, false
		}
	case strings.Count(host, ":") == 1:
		at := strings.IndexByte(host, ':')
		host, port = host[:at], host[at:]
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	number := uint64(0)
	if port != "" {
		if number, err = strconv.ParseUint(port[1:], 10, 16); err != nil {
			return netip.AddrPort{}, false
		}
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), true
}
