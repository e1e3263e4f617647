package guard

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// mostID is the most bytes of an identifier that a request brings.
const mostID = 128

// requestID gives each request an identifier, which its worker finds in a
// field of the request.
type requestID struct {
	field string
	trust bool
}

func (g *requestID) refuse(q *Question, t *Ticket, _ *Reply) bool {
	if given, ok := q.field(g.field); ok && g.trust && acceptable(given) {
		t.id = append(t.id[:0], given...)
		return false
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails
	t.id = hex.AppendEncode(t.id[:0], random[:])
	q.tell(g.field, t.id)
	return false
}

func (g *requestID) decorate(t *Ticket, d *Draft) { d.set(g.field, t.id) }

// acceptable reports whether an identifier can be taken: others could forge
// lines of a log.
func acceptable(id []byte) bool {
	for _, b := range id {
		alnum := b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
		if !alnum && b != '.' && b != '_' && b != '~' && b != '+' && b != '/' && b != '=' && b != ':' && b != '-' {
			return false
		}
	}
	return len(id) > 0 && len(id) <= mostID
}

// tell makes a field the first with its name, in a copy of the request's head.
// Without room for it nothing is changed.
func (q *Question) tell(name string, value []byte) {
	r := q.Request
	if r.NumHeaders == exchange.MaxHeaders || len(r.Head)+len(name)+len(value) > exchange.MaxHead {
		return
	}
	head := append((*q.Room)[:0], r.Head...)
	h := exchange.Header{
		Name:  exchange.Span{Off: uint16(len(head)), Len: uint16(len(name))},
		Value: exchange.Span{Off: uint16(len(head) + len(name)), Len: uint16(len(value))},
	}
	head = append(append(head, name...), value...)
	*q.Room, r.Head = head, head
	copy(r.Headers[1:r.NumHeaders+1], r.Headers[:r.NumHeaders])
	r.Headers[0] = h
	r.NumHeaders++
}
