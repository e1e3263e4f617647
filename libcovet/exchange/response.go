package exchange

// Response is one response as its answerer gives it, before a protocol turns
// it into bytes.
type Response struct {
	Status uint16
	Type   MediaType // content-type by number; TypeNone if Fields holds it or there is none
	Flags  ResponseFlags
	Length int64  // body length in bytes; -1 if unknown until the end
	Fields []byte // field lines in the packed form of AppendField
	Body   []byte // what is at hand of the body
}

// ResponseFlags say how a response is to be framed.
type ResponseFlags uint8

const (
	// NoBody: the answer to HEAD, or a status that has no body; Length is
	// still announced when it is >= 0.
	NoBody ResponseFlags = 1 << iota
	// CloseAfter: the connection ends after this response.
	CloseAfter
	// OwnDate: Fields already has a Date field.
	OwnDate
	// OwnServer: Fields already has a Server field.
	OwnServer
	// OwnLength: Fields already has a Content-Length field.
	OwnLength
)

// MediaType numbers the content types that nearly every response has. The
// numbers are part of the border: bridge/channel.h has the same ones.
type MediaType uint8

// The numbered content types.
const (
	TypeNone MediaType = iota
	TypeJSON
	TypeText
	TypeHTML
	TypeBytes
	TypeEventStream
	NumTypes
)

var mediaTypes = [NumTypes]string{
	"",
	"application/json",
	"text/plain; charset=utf-8",
	"text/html; charset=utf-8",
	"application/octet-stream",
	"text/event-stream; charset=utf-8",
}

// String returns the value of the Content-Type field.
func (t MediaType) String() string {
	if t >= NumTypes {
		return ""
	}
	return mediaTypes[t]
}

// NumberOf returns the number of a Content-Type's value, TypeNone if it has
// none.
func NumberOf(value string) MediaType {
	for t := TypeNone + 1; t < NumTypes; t++ {
		if mediaTypes[t] == value {
			return t
		}
	}
	return TypeNone
}

// AppendField packs one field line: name length (2 bytes, little endian),
// value length (2 bytes), name, value. Both must be shorter than 64 KiB.
func AppendField(dst, name, value []byte) []byte {
	dst = append(dst, byte(len(name)), byte(len(name)>>8), byte(len(value)), byte(len(value)>>8))
	dst = append(dst, name...)
	return append(dst, value...)
}

// NextField unpacks the first field line of p and returns the rest; ok is
// false at the end of p and when p is cut short.
func NextField(p []byte) (name, value, rest []byte, ok bool) {
	if len(p) < 4 {
		return nil, nil, nil, false
	}
	n := int(p[0]) | int(p[1])<<8
	v := int(p[2]) | int(p[3])<<8
	if len(p) < 4+n+v {
		return nil, nil, nil, false
	}
	return p[4 : 4+n], p[4+n : 4+n+v], p[4+n+v:], true
}
