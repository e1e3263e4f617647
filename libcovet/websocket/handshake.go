package websocket

import (
	"crypto/sha1" //nolint:gosec // RFC 6455, section 4.2.2, wants it
	"encoding/base64"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// guid is appended to the client's key (RFC 6455, section 1.3).
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Options are a server's choices.
type Options struct {
	MaxSize int64 // bytes of one message
	Deflate bool  // agree to permessage-deflate
	// Takeover lets compressed messages refer to those before them, in each
	// direction as far as the client agrees.
	Takeover bool
}

// handshake is what the answer to the opening request says.
type handshake struct {
	accept    [28]byte
	extension string
}

// IsUpgrade reports whether a request asks for the WebSocket protocol (RFC
// 6455, section 4.2.1): a GET of HTTP/1.1 whose Connection has upgrade and
// whose Upgrade has websocket.
func IsUpgrade(r *exchange.Request) bool {
	if r.Method != exchange.MethodGet || !r.Has(exchange.Upgrade) {
		return false
	}
	found := false
	eachToken(r, "upgrade", func(token string) { found = found || strings.EqualFold(token, "websocket") })
	return found
}

// Open begins a connection with its opening request, of which IsUpgrade is
// true. status is 0, or the status of the answer that refuses it, and reason
// a short sentence for its body: 400, or 426 for another version of the
// protocol, which is to be answered with "Sec-WebSocket-Version: 13" (RFC
// 6455, section 4.4).
func (c *Conn) Open(r *exchange.Request, o Options) (status int, reason string) {
	key, keys := field(r, "sec-websocket-key")
	version, _ := field(r, "sec-websocket-version")
	switch {
	case version == "":
		return 400, "The WebSocket handshake has no version"
	case version != "13":
		return 426, "Only version 13 of the WebSocket protocol is known"
	case keys != 1 || !validKey(key):
		return 400, "The WebSocket handshake has no valid key"
	case r.HasBody():
		return 400, "A WebSocket handshake has no body"
	}
	h := &handshake{}
	sum := sha1.Sum([]byte(key + guid)) //nolint:gosec // see above
	base64.StdEncoding.Encode(h.accept[:], sum[:])
	*c = Conn{accept: h, limit: o.MaxSize}
	if o.Deflate {
		a := agree(r, o.Takeover)
		h.extension = a.answer
		c.deflate, c.window = a.answer != "", a.window
		if a.in|a.out != 0 {
			c.context = &context{in: history{bits: a.in}, out: history{bits: a.out}}
		}
	}
	return 0, ""
}

// AppendFields appends the field lines of the answer with status 101, in the
// packed form of exchange.AppendField. It is to be called once.
func (c *Conn) AppendFields(dst []byte) []byte {
	h := c.accept
	c.accept = nil
	dst = exchange.AppendField(dst, []byte("upgrade"), []byte("websocket"))
	dst = exchange.AppendField(dst, []byte("connection"), []byte("Upgrade"))
	dst = exchange.AppendField(dst, []byte("sec-websocket-accept"), h.accept[:])
	if h.extension != "" {
		dst = exchange.AppendField(dst, []byte("sec-websocket-extensions"), []byte(h.extension))
	}
	return dst
}

func validKey(key string) bool {
	raw, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(raw) == 16
}

// field is the value of a field and how many lines it has.
func field(r *exchange.Request, name string) (value string, lines int) {
	for _, h := range r.Fields() {
		if int(h.Name.Len) == len(name) && exchange.EqualName(h.Name.Of(r.Head), name) {
			value = string(h.Value.Of(r.Head))
			lines++
		}
	}
	return value, lines
}

// eachToken calls f for every comma-separated part of a field's lines.
func eachToken(r *exchange.Request, name string, f func(token string)) {
	for _, h := range r.Fields() {
		if int(h.Name.Len) == len(name) && exchange.EqualName(h.Name.Of(r.Head), name) {
			for token := range strings.SplitSeq(string(h.Value.Of(r.Head)), ",") {
				f(strings.TrimSpace(token))
			}
		}
	}
}
