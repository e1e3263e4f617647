package engine

import (
	"time"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/native"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// starvedRetry is how soon a connection that waits for memory tries again
// when nothing else wakes the loop.
const starvedRetry = int64(20 * time.Millisecond)

// timing holds the limits of a connection in nanoseconds; 0 is no limit.
type timing struct {
	keepAlive, header, body, request int64
}

// idleUntil is when a connection that is idle since then is closed; 0 is never.
func (t *timing) idleUntil(since int64) int64 {
	if t.keepAlive < 0 {
		return 0
	}
	return since + t.keepAlive
}

// Expired looks at why a connection waits. Deadlines are set where a wait
// begins and only looked at here, so a busy connection pays nothing for them.
func (l *loop) Expired(c *netio.Conn) {
	s := l.session(c)
	l.resume(s, c, holdMemory) // it is held again, with a new deadline, if there is still no room
	due := l.due(s, c)
	switch {
	case due == 0:
		c.SetDeadline(0)
	case due > l.now:
		c.SetDeadline(due)
	default:
		l.timeUp(s, c)
	}
}

// lookBy has Expired called at a time or before. A deadline that is near
// enough stays, as moving it costs something.
func (l *loop) lookBy(c *netio.Conn, at int64) {
	if d := c.Deadline(); d == 0 || d > at {
		c.SetDeadline(at)
	}
}

// mindReader has a client that does not read noticed.
func (l *loop) mindReader(c *netio.Conn) {
	if c.AboveHighWater() {
		l.lookBy(c, l.now+l.engine.timing.body)
	}
}

// due is when the connection's present wait ends; 0 is never.
func (l *loop) due(s *session, c *netio.Conn) int64 {
	t := &l.engine.timing
	if s.socket != nil && s.socket.state != socketOpening {
		return l.socketDue(s, c)
	}
	if c.Buffered() > 0 {
		return l.unreadDue(s, c)
	}
	switch {
	case s.phase == phaseBody && s.held == 0:
		return s.active + t.body
	case s.count > 0:
		o := l.owed.at(s.first)
		if t.request == 0 || o.id == 0 || o.started {
			return 0
		}
		return o.since + t.request
	case s.headSince != 0:
		return s.headSince + t.header
	case s.phase == phaseDetect:
		return s.active + t.header
	}
	return t.idleUntil(s.active)
}

// unreadDue is when a client is given up that does not read.
func (l *loop) unreadDue(s *session, c *netio.Conn) int64 {
	if n := c.Buffered(); n != s.unsent {
		s.unsent, s.active = n, l.now
	}
	return s.active + l.engine.timing.body
}

// timeUp ends a wait that has lasted too long.
func (l *loop) timeUp(s *session, c *netio.Conn) {
	switch {
	case s.socket != nil && s.socket.state != socketOpening:
		l.socketTimeUp(s, c)
	case c.Buffered() > 0:
		c.Abort()
	case s.phase == phaseBody && s.held == 0:
		l.breakBody(s, 0)
		l.bodyFailed(s, c, 408, "The request body did not arrive in time")
	case s.count > 0:
		l.requestTimeUp(s, c)
	case s.headSince != 0:
		l.refuse(s, c, 408, "The request head did not arrive in time")
	default:
		s.phase, s.closing = phaseOver, true
		c.CloseAfterFlush()
	}
}

// requestTimeUp answers for a worker that has not begun its answer in time.
func (l *loop) requestTimeUp(s *session, c *netio.Conn) {
	i := s.first
	o := l.owed.at(i)
	if slot := l.port.Lookup(o.id); slot != nil {
		slot.RaiseEngine(bridge.EngineCancelled)
	}
	native.Refusal(&l.response, 504, "The handler did not answer in time", nil, l.scratch)
	l.scratch = l.response.Body
	o.keepAlive = false
	l.answerOwed(c, o)
	if slot := l.port.Lookup(o.id); slot != nil {
		l.logOwed(o, slot, 504, o.sent, &l.response)
	}
	l.lastAnswered(s, c)
}
