package engine

import (
	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// statusUnanswered is logged for a request whose connection ended before there
// was an answer, as nginx does.
const statusUnanswered = 499

// logRequest logs the present request, which the engine answers by itself.
func (l *loop) logRequest(c *netio.Conn, reply *exchange.Response, head bool) {
	r := &l.request
	if l.access == nil || r.Head == nil {
		return
	}
	e := &l.access.entry
	e.View = bridge.View{
		Head: r.Head, Verb: r.Verb, Target: r.Target, Path: r.WholePath(), Query: r.Query,
		Fields: r.Fields(), Minor: r.Minor, Secure: l.origin.secure, Peer: l.peer(c),
	}
	e.status, e.reply, e.sent = int(reply.Status), reply, 0
	if !head && reply.Flags&exchange.NoBody == 0 {
		e.sent = int64(len(reply.Body))
	}
	l.access.note(l.net, l.arrived)
}

// logOwed logs a request that a worker got, once. The reply is the engine's,
// or nil if it is the worker's or there is none.
func (l *loop) logOwed(o *owed, slot *bridge.Slot, status int, sent int64, reply *exchange.Response) {
	if l.access == nil || o.logged {
		return
	}
	o.logged = true
	e := &l.access.entry
	l.port.Recall(slot, &e.View)
	e.status, e.sent, e.reply = status, sent, reply
	if reply == nil && o.started && l.access.format.answer {
		l.response = exchange.Response{Status: slot.Status(), Type: slot.MediaType(), Length: slot.Length()}
		l.response.Fields, _, _ = l.port.ResponseParts(slot)
		e.reply = &l.response
	}
	l.access.note(l.net, o.arrived)
}

// logUnanswered logs a request whose answer did not reach its end: with the
// status that was sent, if one was.
func (l *loop) logUnanswered(c *netio.Conn, o *owed) {
	if l.access == nil || o.logged || o.id == 0 {
		return
	}
	slot := l.port.Lookup(o.id)
	switch {
	case slot == nil:
	case o.started:
		l.logOwed(o, slot, int(o.status), max(o.sent-int64(c.Buffered()), 0), nil)
	default:
		l.logOwed(o, slot, statusUnanswered, 0, nil)
	}
}

// mustDrain reports whether the access line of a finished answer has to wait
// until the client has taken it: what is logged as sent should have been.
func (l *loop) mustDrain(c *netio.Conn) bool { return l.access != nil && c.AboveHighWater() }
