// Package route finds the route of a request path in a radix tree.
//
// Of several patterns that match, the most specific wins, decided from left
// to right: literal text before int, uuid, float, plain and at last path
// parameters. A branch that fails gives way to the next. Each node is visited
// at most once per lookup, because what an edge matches does not depend on
// what follows it: a lookup is never exponential in anything.
package route

import (
	"bytes"
	"math/bits"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// ID is a route number given by the caller of [Builder.Add].
type ID uint32

// None is no route: numbers begin at 1.
const None ID = 0

// Match is the outcome of a lookup. It is reused from lookup to lookup by one
// goroutine and keeps scratch memory between them; the zero value is ready.
type Match struct {
	// Route is the route found, or None.
	Route ID
	// Status is 0 if the route was found, or 400 (malformed percent-encoding
	// or an encoded NUL), 404, 405, or 307 (see Options.RedirectSlashes).
	Status uint16
	// NumParams is how many of Params are valid.
	NumParams int
	// Params are the values of the route's parameters in the order of its
	// pattern: ranges of the head, still percent-encoded.
	Params [16]exchange.Span
	// Allow is the value of the Allow field for status 405, the methods in
	// alphabetical order. It is valid until the next lookup, and read-only.
	Allow []byte

	bit     uint64 // of the method asked for; 0 if no route has it
	offered uint64 // methods of the leaves that matched the path but not the method
	leaf    *leaf  // the first of them
	decoded []byte
	offsets []uint16 // of each decoded octet in the path as received, and of its end
	allow   []byte
	reach   []uint64
}

// Table is an immutable set of routes; any number of goroutines may look up
// in it at once, each with a Match of its own.
type Table struct {
	root    *node
	options Options
	routes  []Route
	verbs   []string     // methods by number, from exchange.NumMethods on
	methods []methodName // alphabetical
}

type methodName struct {
	name string
	bit  uint64
}

// node is literal text and what may follow it.
type node struct {
	text  string
	index string // first bytes of the kids' texts
	kids  []*node
	edges []edge // in order of priority
	leaf  *leaf
}

// edge is a segment from its first parameter on, or the rest of the path if a
// path parameter is in it.
type edge struct {
	next   *node
	parts  []part
	suffix string // of a single parameter
	params int
	single bool // one parameter and perhaps a suffix
	tail   bool
}

// leaf holds the routes that end at a node, by method.
type leaf struct {
	mask  uint64
	ids   []ID // one for each bit of mask, in the order of the bits
	allow []byte
}

// Routes lists every route in the order of registration. The caller must not
// change it.
func (t *Table) Routes() []Route { return t.routes }

// Lookup finds the route for a path, which is a range of head and still
// percent-encoded, and writes the outcome to m. The verb is read only for
// exchange.MethodOther. Escaped tells that the path has at least one '%'.
// Escapes are decoded for comparing (RFC 3986, section 2.4), but an encoded
// slash is data: it never separates segments.
func (t *Table) Lookup(head []byte, path exchange.Span, method exchange.Method, verb []byte, escaped bool, m *Match) {
	m.Route, m.Status, m.NumParams, m.Allow = None, 404, 0, nil
	m.offered, m.leaf = 0, nil
	m.bit = 1 << method
	if method == exchange.MethodOther {
		m.bit = t.verbBit(verb)
	}
	p := path.Of(head)
	if escaped {
		if !m.decode(p) {
			m.Status = 400
			return
		}
		p = m.decoded
	}
	switch {
	case t.root.walk(p, 0, 0, m):
		m.Status = 0
		m.locate(path.Off, escaped)
	case m.offered != 0:
		m.Status = 405
		m.Allow = m.leaf.allow
		if m.offered != m.leaf.mask {
			m.allow = t.appendAllow(m.allow[:0], m.offered)
			m.Allow = m.allow
		}
	case t.options.RedirectSlashes && t.matchesToggled(p, m):
		m.Status = 307
	}
}

func (t *Table) verbBit(verb []byte) uint64 {
	for i, known := range t.verbs {
		if string(verb) == known {
			return 1 << (int(exchange.NumMethods) + i)
		}
	}
	return 0
}

// locate turns ranges of the decoded path into ranges of the head.
func (m *Match) locate(off uint16, escaped bool) {
	for i := range m.NumParams {
		s := &m.Params[i]
		if escaped {
			from, to := m.offsets[s.Off], m.offsets[int(s.Off)+int(s.Len)]
			s.Off, s.Len = from, to-from
		}
		s.Off += off
	}
}

// matchesToggled reports whether any method is served on the path with its
// trailing slash added or taken away.
func (t *Table) matchesToggled(p []byte, m *Match) bool {
	if len(p) > 0 && (len(p) < 2 || p[0] != '/') {
		return false
	}
	if len(p) > 0 && p[len(p)-1] == '/' {
		p = p[:len(p)-1]
	} else {
		m.decoded = append(append(m.decoded[:0], p...), '/')
		p = m.decoded
	}
	found := t.root.walk(p, 0, 0, m) || m.offered != 0
	m.Route, m.NumParams = None, 0
	return found
}

func (t *Table) appendAllow(dst []byte, mask uint64) []byte {
	for _, method := range t.methods {
		if mask&method.bit == 0 {
			continue
		}
		if len(dst) > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, method.name...)
	}
	return dst
}

// walk looks for p[pos:] below n. Ranges in m.Params are those of p.
func (n *node) walk(p []byte, pos, params int, m *Match) bool {
	for {
		if len(p)-pos < len(n.text) || string(p[pos:pos+len(n.text)]) != n.text {
			return false
		}
		pos += len(n.text)
		if pos == len(p) {
			return n.leaf != nil && n.leaf.answers(params, m) || n.walkEdges(p, pos, params, m)
		}
		var kid *node
		if i := strings.IndexByte(n.index, p[pos]); i >= 0 {
			kid = n.kids[i]
		}
		if len(n.edges) > 0 {
			return kid != nil && kid.walk(p, pos, params, m) || n.walkEdges(p, pos, params, m)
		}
		if kid == nil {
			return false
		}
		n = kid
	}
}

func (n *node) walkEdges(p []byte, pos, params int, m *Match) bool {
	if len(n.edges) == 0 {
		return false
	}
	segment := bytes.IndexByte(p[pos:], '/')
	if segment < 0 {
		segment = len(p) - pos
	}
	for i := range n.edges {
		e := &n.edges[i]
		end := pos + segment
		if e.tail {
			end = len(p)
		}
		if e.capture(p, pos, end, params, m) && e.next.walk(p, end, params+e.params, m) {
			return true
		}
	}
	return false
}

// answers reports whether the leaf serves the method, and remembers what it
// serves if not: a less specific pattern may serve it.
func (l *leaf) answers(params int, m *Match) bool {
	if l.mask&m.bit == 0 {
		m.offered |= l.mask
		if m.leaf == nil {
			m.leaf = l
		}
		return false
	}
	m.Route = l.ids[bits.OnesCount64(l.mask&(m.bit-1))]
	m.NumParams = params
	return true
}
