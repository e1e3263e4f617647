package http1

import (
	"net/netip"
	"unsafe"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// readTarget takes the request target apart (RFC 9112, section 3.2). Its
// bytes are known to be visible ASCII, and there is at least one.
func readTarget(p []byte, req *exchange.Request, wide bool) *Error {
	from := int(req.Target.Off)
	to := from + int(req.Target.Len)
	switch {
	case req.Method == exchange.MethodConnect:
		return authorityForm(p, from, to, req)
	case p[from] == '/':
		return pathAndQuery(p, from, to, req, wide)
	case p[from] == '*':
		if to-from > 1 || req.Method != exchange.MethodOptions {
			return errTargetForm
		}
		req.Path = req.Target
		return nil
	}
	return absoluteForm(p, from, to, req, wide)
}

func authorityForm(p []byte, from, to int, req *exchange.Request) *Error {
	host, ok := splitAuthority(p[from:to])
	if !ok || host == 0 || to-from < host+2 {
		return errTargetForm
	}
	req.Host = req.Target
	return nil
}

// absoluteForm reads a whole URI. An empty path stands for "/" and is then
// the slash of "://", for a span can only point at what was received.
func absoluteForm(p []byte, from, to int, req *exchange.Request, wide bool) *Error {
	var start int
	switch t := p[from:to]; {
	case len(t) > 7 && equalFold(t[:7], "http://"):
		start = from + 7
	case len(t) > 8 && equalFold(t[:8], "https://"):
		start = from + 8
	case len(t) > 1 && indexByte(t, ':', wide) > 0:
		return errTargetScheme
	default:
		return errTargetForm
	}
	end := start
	for end < to && p[end] != '/' && p[end] != '?' {
		end++
	}
	host, ok := splitAuthority(p[start:end])
	if !ok || host == 0 {
		return errTargetHost
	}
	req.Host = span(start, end)
	if end < to && p[end] == '/' {
		return pathAndQuery(p, end, to, req, wide)
	}
	req.Path = span(start-1, start)
	if end < to {
		req.Flags |= exchange.HasQuery
		req.Query = span(end+1, to)
	}
	return nil
}

func pathAndQuery(p []byte, from, to int, req *exchange.Request, wide bool) *Error {
	t := p[from:to]
	if q := indexByte(t, '?', wide); q >= 0 {
		req.Flags |= exchange.HasQuery
		req.Query = span(from+q+1, to)
		t = t[:q]
	}
	req.Path = span(from, from+len(t))
	if i := indexByte(t, '%', wide); i >= 0 {
		req.Flags |= exchange.Escaped
		return checkEscapes(t[i:])
	}
	return nil
}

// checkEscapes refuses a '%' without two hexadecimal digits (RFC 3986,
// section 2.1).
func checkEscapes(t []byte) *Error {
	for i := 0; i < len(t); i++ {
		if t[i] != '%' {
			continue
		}
		if i+2 >= len(t) || classes[t[i+1]]&classes[t[i+2]]&isHex == 0 {
			return errTargetEscape
		}
		i += 2
	}
	return nil
}

// splitAuthority checks "host", "host:port" and "[address]:port" and returns
// the length of the host. User information is not allowed (RFC 9110, section
// 4.2.4).
func splitAuthority(a []byte) (host int, ok bool) {
	if len(a) > 0 && a[0] == '[' {
		host = addressLiteral(a)
	} else {
		host = skipClass(a, 0, isHost)
	}
	if host == len(a) {
		return host, true
	}
	if host == 0 || a[host] != ':' {
		return 0, false
	}
	port := 0
	for _, b := range a[host+1:] {
		if classes[b]&isDigit == 0 {
			return 0, false
		}
		if port = port*10 + int(b-'0'); port > 65535 {
			return 0, false
		}
	}
	return host, true
}

// addressLiteral returns the length of the bracketed IPv6 address that a
// begins with, or 0.
func addressLiteral(a []byte) int {
	for i := 1; i < len(a) && i < 48; i++ {
		if a[i] == ']' {
			address, err := netip.ParseAddr(unsafe.String(&a[1], i-1))
			if err != nil || !address.Is6() || address.Zone() != "" {
				return 0
			}
			return i + 1
		}
	}
	return 0
}
