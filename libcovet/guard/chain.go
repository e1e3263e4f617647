// Package guard is the middleware that needs no Python: it refuses requests,
// or changes the header fields of their responses. It knows no connection; it
// reads an exchange.Request and gives an exchange.Response.
package guard

import (
	"fmt"
	"net/netip"

	"github.com/covetpy/covetpy/libcovet/coding"
	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Config is one guard as the application's configuration has it. Which
// members count depends on its kind.
type Config struct {
	Kind string `json:"kind"`

	// cors: what is allowed, and the fields of responses.
	Origins      []string    `json:"origins"`
	OriginRegex  string      `json:"origin_regex"`
	Methods      []string    `json:"methods"`
	AllowHeaders []string    `json:"allow_headers"` // in lower case
	AllOrigins   bool        `json:"all_origins"`
	AllHeaders   bool        `json:"all_headers"`
	Explicit     bool        `json:"explicit_origin"` // an allowed origin is named instead of "*"
	Private      bool        `json:"private_network"`
	Simple       [][2]string `json:"simple"`
	Preflight    [][2]string `json:"preflight"`

	// trusted_host
	Hosts       []string `json:"hosts"` // in lower case
	WWWRedirect bool     `json:"www_redirect"`

	// security_headers: fields that responses get if they lack them.
	Fields [][2]string `json:"fields"`
	HSTS   string      `json:"hsts"` // only said by https

	// timing: what comes before ";dur=".
	Label string `json:"label"`

	// request_id: the field of requests and responses, in lower case.
	Field string `json:"field"`
	Trust bool   `json:"trust"` // take what a request brings

	// compression
	MinimumSize int64    `json:"minimum_size"`
	Codings     []Level  `json:"codings"` // the best first
	Exclude     []string `json:"exclude"` // media types; "audio/*" is all of audio
}

// Question is a request that a chain is asked about.
type Question struct {
	*exchange.Request
	Room     *[]byte // where a head with another field may be kept
	Secure   bool    // it came by https
	RootPath string  // where the application is mounted
	Now      int64   // nanoseconds
	Conn     Local
}

// Local tells where a connection has arrived; the address is invalid for a unix socket.
type Local interface{ Local() netip.AddrPort }

// field returns the first value of the field with this name, in lower case.
func (q *Question) field(name string) (value []byte, ok bool) {
	for _, h := range q.Fields() {
		if exchange.EqualName(h.Name.Of(q.Head), name) {
			return h.Value.Of(q.Head), true
		}
	}
	return nil, false
}

// Ticket is what the guards keep of a request until its response.
type Ticket struct {
	origin    []byte
	hasOrigin bool
	secure    bool
	began     int64
	accepted  []byte // Accept-Encoding
	id        []byte // what the request is called
}

// Draft is a response on its way out.
type Draft struct {
	Fields
	Coding *coding.Coding // how its body is to be compressed; nil leaves it as it is
	status uint16
	media  exchange.MediaType
	length int64 // of the body; -1 if it is not known
	now    int64
}

// guard is one middleware. refuse fills r and reports true if the request goes
// no further.
type guard interface {
	refuse(q *Question, t *Ticket, r *Reply) bool
	decorate(t *Ticket, d *Draft)
}

// Chain is all guards of an application, the outermost first. It never
// changes, so all loops use the same one.
type Chain struct {
	guards   []guard
	origins  bool    // a guard wants to know the origin
	accepted bool    // a guard wants to know what encodings are accepted
	naming   []guard // those that give identifiers
}

// New builds a chain; it is nil if there are no guards.
func New(configs []Config) (*Chain, error) {
	if len(configs) == 0 {
		return nil, nil
	}
	c := &Chain{}
	for i := range configs {
		g, err := build(&configs[i])
		if err != nil {
			return nil, fmt.Errorf("middleware %s: %w", configs[i].Kind, err)
		}
		c.origins = c.origins || configs[i].Kind == "cors"
		c.accepted = c.accepted || configs[i].Kind == "compression"
		if configs[i].Kind == "request_id" {
			c.naming = append(c.naming, g)
		}
		c.guards = append(c.guards, g)
	}
	return c, nil
}

func build(c *Config) (guard, error) {
	switch c.Kind {
	case "cors":
		return newCORS(c)
	case "trusted_host":
		return newTrustedHost(c), nil
	case "https_redirect":
		return httpsRedirect{}, nil
	case "security_headers":
		return newSecurity(c), nil
	case "request_id":
		return &requestID{field: c.Field, trust: c.Trust}, nil
	case "compression":
		return newCompression(c)
	case "timing":
		return timing{label: c.Label + ";dur="}, nil
	}
	return nil, fmt.Errorf("there is no such kind")
}

// Reply is where a chain writes; its memory is used again and again.
type Reply struct {
	Response exchange.Response
	Draft
	packed []byte
	body   []byte
}

// Admit notes what is needed for the response. It reports false if the request
// goes no further; reply then has the response.
func (c *Chain) Admit(q *Question, t *Ticket, reply *Reply) bool {
	*t = Ticket{origin: t.origin[:0], accepted: t.accepted[:0], id: t.id[:0], secure: q.Secure, began: q.Now}
	if c.origins {
		if origin, ok := q.field("origin"); ok {
			t.origin, t.hasOrigin = append(t.origin, origin...), true
		}
	}
	if c.accepted {
		if accepted, ok := q.field("accept-encoding"); ok {
			t.accepted = append(t.accepted, accepted...)
		}
	}
	for i, g := range c.guards {
		reply.reset(nil)
		if g.refuse(q, t, reply) {
			apply(c.guards[:i], t, q.Now, &reply.Response, reply)
			return false
		}
	}
	return true
}

// Decorate changes the fields of a response: they are r.Fields, which become
// ones that live in reply until it is used again. Then reply.Coding says how
// the body is to be compressed.
func (c *Chain) Decorate(t *Ticket, now int64, r *exchange.Response, reply *Reply) {
	reply.reset(r.Fields)
	apply(c.guards, t, now, r, reply)
}

// Identifies reports whether the chain gives requests identifiers.
func (c *Chain) Identifies() bool { return c != nil && len(c.naming) > 0 }

// Identify is Decorate for the answer that accepts a WebSocket: of all that
// guards add, only identifiers concern it.
func (c *Chain) Identify(t *Ticket, r *exchange.Response, reply *Reply) {
	reply.reset(r.Fields)
	apply(c.naming, t, 0, r, reply)
}

func apply(guards []guard, t *Ticket, now int64, r *exchange.Response, reply *Reply) {
	d := &reply.Draft
	d.Coding, d.status, d.media, d.length, d.now = nil, r.Status, r.Type, r.Length, now
	for i := len(guards) - 1; i >= 0; i-- {
		guards[i].decorate(t, d)
	}
	reply.packed = reply.pack(reply.packed[:0])
	r.Fields = reply.packed
}

// plain fills the reply with a status and a text.
func (r *Reply) plain(status int, text string) {
	r.body = append(r.body[:0], text...)
	r.Response = exchange.Response{
		Status: uint16(status), Type: exchange.TypeText, Length: int64(len(r.body)), Body: r.body,
	}
}
