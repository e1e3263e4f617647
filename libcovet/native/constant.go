// Package native answers requests without a worker: constant responses and
// refusals. It knows no protocol; it gives an exchange.Response.
package native

import (
	"fmt"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Constant is a response that is the same for every request.
type Constant struct {
	Response exchange.Response
	Index    int // its place among the constants of one table
}

// NewConstant builds a response from its parts. mediaType may be empty;
// headers are in the order they go out. It returns an error for a status
// outside 200 to 599 and for a field that could not go on the wire.
func NewConstant(index, status int, mediaType string, headers [][2]string, body []byte) (*Constant, error) {
	if status < 200 || status > 599 {
		return nil, fmt.Errorf("constant response: status %d is not from 200 to 599", status)
	}
	c := &Constant{Index: index, Response: exchange.Response{
		Status: uint16(status), Length: int64(len(body)), Body: body,
	}}
	c.Response.Type = exchange.NumberOf(mediaType)
	if mediaType != "" && c.Response.Type == exchange.TypeNone {
		headers = append([][2]string{{"content-type", mediaType}}, headers...)
	}
	for _, h := range headers {
		if err := c.add(h[0], h[1]); err != nil {
			return nil, err
		}
	}
	if status == 204 || status == 304 {
		c.Response.Flags |= exchange.NoBody
		c.Response.Length, c.Response.Body = -1, nil
	}
	return c, nil
}

func (c *Constant) add(name, value string) error {
	lower := strings.ToLower(name)
	if !validName(lower) || strings.ContainsAny(value, "\r\n\x00") || len(lower)+len(value) > exchange.MaxHead {
		return fmt.Errorf("constant response: field %q: %q cannot be sent", name, value)
	}
	r := &c.Response
	switch lower {
	case "content-length":
		return nil // the engine writes the true one
	case "date":
		r.Flags |= exchange.OwnDate
	case "server":
		r.Flags |= exchange.OwnServer
	}
	r.Fields = exchange.AppendField(r.Fields, []byte(lower), []byte(value))
	return nil
}

func validName(name string) bool {
	for i := 0; i < len(name); i++ {
		b := name[i]
		alnum := b >= 'a' && b <= 'z' || b >= '0' && b <= '9'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(b)) {
			return false
		}
	}
	return name != ""
}
