// Package exchange holds the one request and response model that every
// protocol produces and every answerer consumes. It imports nothing of ours.
package exchange

// Span is a byte range inside [Request.Head].
type Span struct {
	Off, Len uint16
}

// Of returns the bytes of the span inside head.
func (s Span) Of(head []byte) []byte { return head[s.Off : int(s.Off)+int(s.Len)] }

// Header is one field line: its name as received and its value without the
// surrounding white space (RFC 9110, section 5).
type Header struct {
	Name, Value Span
}

// MaxHead is the largest request head in bytes that spans can address.
const MaxHead = 1<<16 - 1

// MaxHeaders is the most field lines that one request may carry.
const MaxHeaders = 128

// Request is the head of one request. Its byte ranges stay valid only as long
// as Head does: a protocol lends it for the length of one call.
type Request struct {
	Head       []byte // every span below points into this
	Method     Method
	Minor      uint8 // HTTP/1.Minor; 0 for the other protocols
	Proto      Proto
	Flags      Flags
	Verb       Span   // the method as received
	Target     Span   // the request target as received
	Path       Span   // the path of the target, still percent-encoded, without the application's root path
	Root       uint16 // how many bytes in front of Path are the root path that was taken off it
	Query      Span   // what follows '?', without it
	Host       Span   // Host field or :authority
	Length     int64  // Content-Length in bytes; -1 if there is none
	NumHeaders int
	Headers    [MaxHeaders]Header
}

// WholePath is the path of the target with the application's root path.
func (r *Request) WholePath() Span { return Span{r.Path.Off - r.Root, r.Path.Len + r.Root} }

// CutRoot takes the application's root path off the front of the path, if it
// is there as whole segments. It may be percent-encoded, but for its slashes.
func (r *Request) CutRoot(root string) {
	n := rootIn(r.Path.Of(r.Head), root)
	r.Root = uint16(n)
	r.Path = Span{r.Path.Off + uint16(n), r.Path.Len - uint16(n)}
}

// rootIn is the length of root at the front of a path; 0 if it is not there.
func rootIn(path []byte, root string) int {
	at := 0
	for i := range len(root) {
		if at == len(path) {
			return 0
		}
		b, n := path[at], 1
		if b == '%' && at+2 < len(path) {
			b, n = hexDigit(path[at+1])<<4|hexDigit(path[at+2]), 3
			if b == '/' {
				return 0
			}
		}
		if b != root[i] {
			return 0
		}
		at += n
	}
	if at < len(path) && path[at] != '/' {
		return 0
	}
	return at
}

// hexDigit is the value of a hexadecimal digit.
func hexDigit(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b&^0x20 - 'A' + 10
}

// Fields returns the field lines in the order received.
func (r *Request) Fields() []Header { return r.Headers[:r.NumHeaders] }

// Flags are facts about a request that a parser finds on its way.
type Flags uint16

const (
	// Chunked: the body is framed by the chunked transfer coding.
	Chunked Flags = 1 << iota
	// KeepAlive: the connection may carry another request after this one.
	KeepAlive
	// Expect100: the client waits for "100 Continue" before it sends the body.
	Expect100
	// HasQuery: the target had a '?', even if nothing follows it.
	HasQuery
	// Upgrade: the client asks for another protocol (RFC 9110, section 7.8).
	Upgrade
	// Escaped: the path has at least one percent-encoded octet.
	Escaped
)

// Has reports whether every flag of f is set.
func (r *Request) Has(f Flags) bool { return r.Flags&f == f }

// HasBody reports whether body bytes can follow the head.
func (r *Request) HasBody() bool { return r.Length > 0 || r.Flags&Chunked != 0 }

// Reset makes the request ready for the next head without giving up memory.
func (r *Request) Reset(head []byte) {
	r.Head = head
	r.Method, r.Minor, r.Proto, r.Flags = MethodOther, 0, 0, 0
	r.Verb, r.Target, r.Path, r.Query, r.Host = Span{}, Span{}, Span{}, Span{}, Span{}
	r.Length, r.NumHeaders = -1, 0
}

// EqualName reports whether a field name is the given one, which is in lower
// case.
func EqualName(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, b := range name {
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}
