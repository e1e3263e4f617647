// Package detect tells protocols apart by the first bytes of a connection.
package detect

// Kind is the protocol that a client has begun to speak.
type Kind uint8

const (
	// NeedMore: the bytes so far are the beginning of more than one answer.
	NeedMore Kind = iota
	// HTTP1: an HTTP/1.x request line begins (RFC 9112, section 3).
	HTTP1
	// HTTP2Preface: the client connection preface (RFC 9113, section 3.4).
	HTTP2Preface
	// TLS: a handshake record with a ClientHello (RFC 8446, sections 4 and 5.1).
	TLS
	// ProxyHeader: a PROXY protocol header, version 1 or 2.
	ProxyHeader
	// Unknown: none of these, whatever follows.
	Unknown
)

var kindNames = [...]string{"need more", "HTTP/1.x", "HTTP/2", "TLS", "PROXY protocol", "unknown"}

// String names the protocol for logs.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "invalid"
	}
	return kindNames[k]
}

// MaxPrefix is the most bytes that Protocol ever needs for an answer other
// than NeedMore.
const MaxPrefix = 32

const (
	http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	proxyV2      = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV1      = "PROXY "
	sshBanner    = "SSH-" // would otherwise pass for a method (RFC 4253, section 4.2)
)

// Protocol decides from the first bytes of a connection, as early as it can.
// An answer other than NeedMore never changes when more bytes follow. For
// HTTP1 a method of 32 or more bytes counts as well, for the parser to refuse
// with the right status; so do empty lines before the request line.
func Protocol(p []byte) Kind {
	if len(p) == 0 {
		return NeedMore
	}
	switch p[0] {
	case 0x16:
		return clientHello(p)
	case '\r':
		if k := fixed(p, proxyV2, ProxyHeader); k != Unknown {
			return k
		}
	case 'P':
		if k := fixed(p, http2Preface, HTTP2Preface); k != Unknown {
			return k
		}
		if k := proxyHeaderV1(p); k != Unknown {
			return k
		}
	case 'S':
		if n := min(len(p), len(sshBanner)); n > 1 && string(p[:n]) == sshBanner[:n] {
			if n < len(sshBanner) {
				return NeedMore
			}
			return Unknown
		}
	}
	return requestLine(p)
}

// fixed compares with a magic string: kind if p begins with it, NeedMore if p
// is only the beginning of it, or else Unknown.
func fixed(p []byte, magic string, kind Kind) Kind {
	n := min(len(p), len(magic))
	switch {
	case string(p[:n]) != magic[:n]:
		return Unknown
	case n < len(magic):
		return NeedMore
	}
	return kind
}

// clientHello checks the record header and the handshake type after it. A
// record is never empty nor larger than 2^14 bytes (RFC 8446, section 5.1).
func clientHello(p []byte) Kind {
	if len(p) > 1 && p[1] != 3 || len(p) > 2 && p[2] > 4 {
		return Unknown
	}
	if len(p) > 3 && p[3] > 0x40 || len(p) > 4 && (p[3] == 0x40 && p[4] != 0 || p[3] == 0 && p[4] == 0) {
		return Unknown
	}
	if len(p) < 6 {
		return NeedMore
	}
	if p[5] != 1 {
		return Unknown
	}
	return TLS
}

// proxyHeaderV1 looks for the address family too, for PROXY could be the
// method of a request.
func proxyHeaderV1(p []byte) Kind {
	if k := fixed(p, proxyV1, ProxyHeader); k != ProxyHeader {
		return k
	}
	rest, answer := p[len(proxyV1):], Unknown
	for _, family := range [...]string{"TCP4 ", "TCP6 ", "UNKNOWN"} {
		switch fixed(rest, family, ProxyHeader) {
		case ProxyHeader:
			return ProxyHeader
		case NeedMore:
			answer = NeedMore
		}
	}
	return answer
}

// requestLine accepts a token and a space, after any number of empty lines.
func requestLine(p []byte) Kind {
	from := 0
	for from < len(p) && from < MaxPrefix && p[from] == '\r' {
		if from+1 < len(p) && p[from+1] != '\n' {
			return Unknown
		}
		from += 2
	}
	for i := from; i < len(p) && i < MaxPrefix; i++ {
		if p[i] == ' ' && i > from {
			return HTTP1
		}
		if !isToken(p[i]) {
			return Unknown
		}
	}
	if len(p) >= MaxPrefix {
		return HTTP1
	}
	return NeedMore
}

// tokenBits are the tchars below 128 (RFC 9110, section 5.6.2), a bit each:
// a constant mask needs no table that is built at start-up.
const (
	tokenLow  = 0x03ff6cfa00000000
	tokenHigh = 0x57ffffffc7fffffe
)

func isToken(b byte) bool {
	if b < 64 {
		return tokenLow>>b&1 != 0
	}
	return b < 128 && tokenHigh>>(b-64)&1 != 0
}
