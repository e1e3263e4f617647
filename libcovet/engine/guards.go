package engine

import (
	"bytes"

	"github.com/covetpy/covetpy/libcovet/coding"
	"github.com/covetpy/covetpy/libcovet/guard"
	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// admit asks the guards about the present request. If it goes no further,
// l.reply has the response.
func (l *loop) admit(c *netio.Conn) bool {
	l.question = guard.Question{
		Request: &l.request, Room: &l.head, Secure: l.origin.secure, RootPath: l.engine.config.RootPath, Now: l.now,
		Conn: c,
	}
	return l.routes.guards.Admit(&l.question, &l.ticket, &l.reply)
}

// unguard forgets the ticket of the present request.
func (l *loop) unguard() { l.guarded = false }

// decorate has the guards change the fields of l.response, the answer to o,
// and returns how its body is to be compressed; nil leaves it as it is.
func (l *loop) decorate(o *owed) *coding.Coding {
	if o.ticket == nil {
		return nil
	}
	o.routes.guards.Decorate(o.ticket, l.now, &l.response, &l.reply)
	return l.reply.Coding
}

// compressNow compresses the body of l.response, which is at hand. A
// constant's is kept for the next time.
func (l *loop) compressNow(by *coding.Coding) {
	r := &l.response
	if l.image != nil && l.image.coded[by] != nil {
		r.Body = l.image.coded[by]
	} else {
		e := by.Encoder()
		defer e.Release()
		l.scratch = append(l.scratch[:0], e.End(r.Body)...)
		r.Body = l.scratch
		if l.image != nil {
			if l.image.coded == nil {
				l.image.coded = map[*coding.Coding][]byte{}
			}
			r.Body = bytes.Clone(l.scratch)
			l.image.coded[by] = r.Body
		}
	}
	r.Length = int64(len(r.Body))
}

// compressWhole is writeHead for a body that is all at hand, and ends the
// answer.
func (l *loop) compressWhole(c *netio.Conn, o *owed, by *coding.Coding, body []byte) {
	r := &l.response
	r.Body = body
	l.compressNow(by)
	dst := http1.AppendHead(c.Reserve(512+len(r.Fields)+len(r.Body)), r, o.minor, o.keepAlive, &l.stamp)
	c.Commit(append(dst, r.Body...))
	o.sent, o.left, o.ended = r.Length, -1, true
}

// writeCompressed writes a part of a body that is compressed as it comes.
func (l *loop) writeCompressed(c *netio.Conn, o *owed, compressed []byte) {
	o.sent += int64(len(compressed))
	if o.framed {
		c.Commit(http1.AppendChunk(c.Reserve(len(compressed)+16), compressed))
	} else {
		c.Commit(append(c.Reserve(len(compressed)), compressed...))
	}
}

// ticket keeps a copy of t, whose memory goes to the next request.
func (t *owedTable) ticket(of *guard.Ticket) *guard.Ticket {
	if n := len(t.tickets); n > 0 {
		kept := t.tickets[n-1]
		t.tickets = t.tickets[:n-1]
		*kept, *of = *of, *kept
		return kept
	}
	kept := *of
	*of = guard.Ticket{}
	return &kept
}
