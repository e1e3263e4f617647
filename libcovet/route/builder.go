package route

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// ErrShadowed is returned by [Builder.Add] for a route that can never be
// reached, because one added before has the same method and shape. It is
// harmless: the first one is kept, as in Starlette.
var ErrShadowed = errors.New("an earlier route answers the same requests")

// Route is one registered route, as it was given to [Builder.Add].
type Route struct {
	Method, Pattern string
	ID              ID
	Params          []string // names in the order of the pattern, and of Match.Params
}

// Options change how every request is looked up.
type Options struct {
	// RedirectSlashes: a path that is found only with its trailing slash added
	// or taken away gets status 307 instead of 404.
	RedirectSlashes bool
}

// Builder collects routes. The zero value is empty and ready for use.
type Builder struct {
	routes []entry
	seen   map[string]ID // by method, space, shape
	verbs  []string      // methods without a number of their own
}

type entry struct {
	Route
	steps  []step
	number int // the method's bit
}

// Add registers a route. The method is any token, case-sensitive. The pattern
// is that of Starlette: literal text and parameters "{name}" or "{name:type}"
// with the types str, int, float, uuid and path; literal text stands for the
// decoded path. A parameter may be only part of a segment. The error wraps
// [ErrShadowed] if the route adds nothing, and else says what is wrong with
// the pattern, the method or the id.
func (b *Builder) Add(method, pattern string, id ID) error {
	if id == None {
		return fmt.Errorf("route %s %q: the id must not be 0", method, pattern)
	}
	if !validMethod(method) {
		return fmt.Errorf("route %q %q: the method is not a token", method, pattern)
	}
	p, err := parsePattern(pattern)
	if err != nil {
		return fmt.Errorf("route %s %q: %w", method, pattern, err)
	}
	key := method + " " + p.shape()
	if first, ok := b.seen[key]; ok {
		return fmt.Errorf("route %s %q: %w (id %d)", method, pattern, ErrShadowed, first)
	}
	number, err := b.number(method)
	if err != nil {
		return fmt.Errorf("route %s %q: %w", method, pattern, err)
	}
	if b.seen == nil {
		b.seen = map[string]ID{}
	}
	b.seen[key] = id
	b.routes = append(b.routes, entry{Route{method, pattern, id, p.names}, p.steps(), number})
	return nil
}

// number returns the bit of a method in the masks of leaves.
// Len is how many routes were added.
func (b *Builder) Len() int { return len(b.routes) }

func (b *Builder) number(method string) (int, error) {
	if m := exchange.ParseMethod([]byte(method)); m != exchange.MethodOther {
		return int(m), nil
	}
	i := slices.Index(b.verbs, method)
	if i < 0 {
		if len(b.verbs) == maxVerbs {
			return 0, fmt.Errorf("more than %d methods beside the registered ones", maxVerbs)
		}
		i = len(b.verbs)
		b.verbs = append(b.verbs, method)
	}
	return int(exchange.NumMethods) + i, nil
}

// Build makes the table of all routes added so far. The table is never
// changed by later calls of Add.
func (b *Builder) Build(opts Options) *Table {
	t := &Table{root: &node{}, options: opts, verbs: slices.Clone(b.verbs)}
	for m := exchange.MethodGet; m < exchange.NumMethods; m++ {
		t.methods = append(t.methods, methodName{m.String(), 1 << m})
	}
	for i, verb := range t.verbs {
		t.methods = append(t.methods, methodName{verb, 1 << (int(exchange.NumMethods) + i)})
	}
	slices.SortFunc(t.methods, func(x, y methodName) int { return cmp.Compare(x.name, y.name) })
	for i := range b.routes {
		r := &b.routes[i]
		t.routes = append(t.routes, r.Route)
		n := t.root
		for _, s := range r.steps {
			n = n.follow(s)
		}
		n.add(r.number, r.ID)
	}
	t.root.finish(t)
	return t
}

// follow returns the node that a step leads to, and makes it if need be.
func (n *node) follow(s step) *node {
	n = n.descend(s.text)
	if len(s.parts) == 0 {
		return n
	}
	for i := range n.edges {
		if e := &n.edges[i]; e.tail == s.tail && slices.Equal(e.parts, s.parts) {
			return e.next
		}
	}
	e := edge{parts: s.parts, tail: s.tail, next: &node{}}
	e.single = len(s.parts) == 1 || len(s.parts) == 2 && s.parts[1].kind == literal
	if e.single && len(s.parts) == 2 {
		e.suffix = s.parts[1].text
	}
	for _, q := range s.parts {
		if q.kind != literal {
			e.params++
		}
	}
	n.edges = append(n.edges, e)
	return e.next
}

// descend walks down literal text and splits nodes where texts part.
func (n *node) descend(text string) *node {
	for text != "" {
		i := strings.IndexByte(n.index, text[0])
		if i < 0 {
			kid := &node{text: text}
			n.index += text[:1]
			n.kids = append(n.kids, kid)
			return kid
		}
		kid := n.kids[i]
		shared := 1
		for shared < min(len(text), len(kid.text)) && text[shared] == kid.text[shared] {
			shared++
		}
		if shared < len(kid.text) {
			upper := &node{text: kid.text[:shared], index: kid.text[shared : shared+1], kids: []*node{kid}}
			kid.text = kid.text[shared:]
			n.kids[i], kid = upper, upper
		}
		n, text = kid, text[shared:]
	}
	return n
}

func (n *node) add(number int, id ID) {
	if n.leaf == nil {
		n.leaf = &leaf{}
	}
	bit := uint64(1) << number
	n.leaf.ids = slices.Insert(n.leaf.ids, bits.OnesCount64(n.leaf.mask&(bit-1)), id)
	n.leaf.mask |= bit
}

// finish puts edges in order of priority and writes the Allow fields.
func (n *node) finish(t *Table) {
	slices.SortFunc(n.edges, func(a, b edge) int {
		if a.tail != b.tail {
			if a.tail {
				return 1
			}
			return -1
		}
		return compareParts(a.parts, b.parts)
	})
	if n.leaf != nil {
		n.leaf.allow = t.appendAllow(nil, n.leaf.mask)
	}
	for _, kid := range n.kids {
		kid.finish(t)
	}
	for i := range n.edges {
		n.edges[i].next.finish(t)
	}
}
