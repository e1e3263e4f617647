package engine

import (
	"bytes"
	"time"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/guard"
	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/netio"
	"github.com/covetpy/covetpy/libcovet/websocket"
)

// Close codes that the engine gives (RFC 6455, section 7.4.1, and the IANA
// registry).
const (
	closeNormal   = 1000
	closeNoStatus = 1005
	closeAbnormal = 1006
	closeTooBig   = 1009
	closeInternal = 1011
	closeRestart  = 1012
	closeTryLater = 1013
)

// endLimit is how long a worker may take to answer the last messages.
const endLimit = int64(time.Second)

// closeLimit is how long a client may take to answer a closing frame.
const closeLimit = int64(10 * time.Second)

// socketState is how far a WebSocket has come.
type socketState uint8

const (
	socketOpening socketState = iota // its worker has not answered yet
	socketOpen
	socketEnding  // no message follows: its worker may answer those before
	socketClosing // our closing frame is sent; the client's is to come
	socketClosed  // nothing more is sent or read
)

// socketLimits are what the configuration says of WebSockets. Times are in
// nanoseconds; 0 is never.
type socketLimits struct {
	pieces, inPiece   int // pieces on their way to a worker at a time, and messages in each
	interval, timeout int64
	codec             websocket.Options
	origins           *[]string
}

func newSocketLimits(c *Config) socketLimits {
	const ring = 8 // pieces that the channel has
	pieces := min(c.WSMaxQueue, ring)
	return socketLimits{
		pieces: pieces, inPiece: max(1, c.WSMaxQueue/ring),
		interval: ms(c.WSPingIntervalMS), timeout: ms(c.WSPingTimeoutMS),
		codec:   websocket.Options{MaxSize: c.WSMaxSize, Deflate: c.WSPerMessage, Takeover: c.WSTakeover},
		origins: c.WSOrigins,
	}
}

// socket is the state of one WebSocket. It lives as long as its connection.
type socket struct {
	conn  *netio.Conn
	id    bridge.ID // its exchange; 0 when that is over
	codec websocket.Conn
	state socketState

	midway  bool   // a message of several frames is being sent
	heard   int64  // when something last came from the client
	pinged  int64  // when it was last pinged
	closeBy int64  // when it must have ended, or closed
	final   bool   // the client sends nothing more that counts
	code    uint16 // of our closing frame, while it is ending
	reason  []byte
	pending []byte // of a message that was compressed: what the worker has had no room for
	passed  int    // bytes of it that are with the worker
	op      websocket.Opcode
	topics  []membership  // what it has subscribed to
	ticket  *guard.Ticket // has its identifier, until it is accepted; nil if it gets none
	behind  []*broadcast  // what is to be sent after the present message
}

// acceptSocket sends the answer to the opening request, if its worker accepts
// it; false if it does not and there is nothing to do yet.
func (l *loop) acceptSocket(s *session, c *netio.Conn, o *owed, slot *bridge.Slot) bool {
	if slot.Status() != 101 {
		o.socket, o.keepAlive = false, false
		return true
	}
	fields, _, ok := l.port.ResponseParts(slot)
	w := s.socket
	if !ok || w == nil {
		l.giveUp(s, c, o)
		return false
	}
	l.socketBegun(o, slot)
	l.fields = append(w.codec.AppendFields(l.fields[:0]), fields...)
	r := &l.response
	*r = exchange.Response{Status: 101, Length: -1, Fields: l.fields}
	if w.ticket != nil {
		o.routes.guards.Identify(w.ticket, r, &l.reply)
		w.ticket = nil
	}
	c.Commit(http1.AppendHead(c.Reserve(512+len(r.Fields)), r, o.minor, true, &l.stamp))
	o.started, o.status, o.keepAlive, o.left = true, 101, true, -1
	w.state, w.heard = socketOpen, l.now
	c.SetDeadline(0)
	switch {
	case s.ended:
		l.socketEnded(s, c)
		c.CloseAfterFlush()
	case l.draining || l.crew.isRetired(slot):
		l.letEnd(s, c, closeRestart, nil)
	default:
		if due := l.socketDue(s, c); due != 0 {
			l.lookBy(c, due)
		}
		c.ResumeRead() // what came early
	}
	return true
}

// closeSocket ends a WebSocket from this side, at once: the worker is told
// that no message follows, and why, and the client gets a closing frame.
func (l *loop) closeSocket(s *session, c *netio.Conn, code uint16, reason string) {
	w := s.socket
	if w.state != socketOpen && w.state != socketEnding {
		return
	}
	l.endMessages(w, code, []byte(reason), bridge.EngineCancelled)
	l.sendClose(s, c, code, []byte(reason))
}

// letEnd ends a WebSocket as soon as its worker has answered the messages
// before: when its handler knows that no other follows, or a moment later.
func (l *loop) letEnd(s *session, c *netio.Conn, code uint16, reason []byte) {
	w := s.socket
	if w.state != socketOpen {
		return
	}
	l.leaveTopics(w)
	w.state, w.code, w.reason, w.closeBy = socketEnding, code, bytes.Clone(reason), l.now+endLimit
	l.resume(s, c, holdBody|holdMemory|holdOutput) // whatever else comes is thrown away
	if l.port.Lookup(w.id) == nil {
		l.finishEnd(s, c)
		return
	}
	l.endMessages(w, code, reason, 0)
	l.lookBy(c, w.closeBy)
}

// finishEnd sends the closing frame of a WebSocket that was ending.
func (l *loop) finishEnd(s *session, c *netio.Conn) {
	w := s.socket
	if w.state != socketEnding {
		return
	}
	l.endMessages(w, w.code, nil, bridge.EngineCancelled)
	if !w.final {
		l.sendClose(s, c, w.code, w.reason)
		return
	}
	c.Commit(websocket.AppendClose(c.Reserve(websocket.MaxControl), w.code, w.reason))
	l.endSocket(s, c)
}

// sendClose sends our closing frame, and waits for the client's.
func (l *loop) sendClose(s *session, c *netio.Conn, code uint16, reason []byte) {
	w := s.socket
	c.Commit(websocket.AppendClose(c.Reserve(websocket.MaxControl), code, reason))
	l.leaveTopics(w)
	w.state, w.closeBy = socketClosing, l.now+closeLimit
	l.resume(s, c, holdBody|holdMemory) // whatever else comes is thrown away
	l.lookBy(c, w.closeBy)
}

// endSocket ends the connection once its output is sent.
func (l *loop) endSocket(s *session, c *netio.Conn) {
	w := s.socket
	l.leaveTopics(w)
	w.state = socketClosed
	s.phase, s.closing = phaseOver, true
	c.CloseAfterFlush()
}

// endMessages tells the worker why no message follows.
func (l *loop) endMessages(w *socket, code uint16, reason []byte, flags uint32) {
	if slot := l.port.Lookup(w.id); slot != nil {
		slot.EndMessages(code, reason, flags)
		l.port.Notify(w.id, slot)
	}
}

// socketEnded handles a client that sends nothing more.
func (l *loop) socketEnded(s *session, c *netio.Conn) {
	w := s.socket
	if w.state == socketOpening || w.state == socketClosed || w.final {
		return
	}
	l.endMessages(w, closeAbnormal, nil, bridge.EngineCancelled)
	l.endSocket(s, c)
}

// dropSocket forgets a WebSocket whose connection is closed.
func (l *loop) dropSocket(w *socket) {
	l.leaveTopics(w)
	w.codec.Release()
	if w.state != socketOpening {
		l.endMessages(w, closeAbnormal, nil, bridge.EngineCancelled)
	}
	w.conn, w.behind, w.pending, w.state = nil, nil, nil, socketClosed
}

// retireSockets closes the WebSockets of a worker that is about to end.
func (l *loop) retireSockets(place int) {
	l.net.Each(func(c *netio.Conn) {
		s := l.session(c)
		if s.socket == nil {
			return
		}
		if slot := l.port.Lookup(s.socket.id); slot != nil && slot.BegunBy(place) {
			l.letEnd(s, c, closeRestart, nil)
		}
	})
}

// ---- time ----

// socketDue is when a WebSocket is to be looked at.
func (l *loop) socketDue(s *session, c *netio.Conn) int64 {
	if s.socket.state == socketEnding || s.socket.state == socketClosing {
		return s.socket.closeBy
	}
	due := l.pingDue(s)
	if c.Buffered() > 0 {
		unread := l.unreadDue(s, c)
		if due == 0 || unread < due {
			due = unread
		}
	}
	return due
}

// pingDue is when a WebSocket is to be pinged, or its client given up.
func (l *loop) pingDue(s *session) int64 {
	w, t := s.socket, &l.engine.ws
	switch {
	case w.state != socketOpen || t.interval == 0:
		return 0
	case s.held != 0: // its pong may be in what is not read
		return l.now + t.interval
	case w.pinged > w.heard && t.timeout > 0:
		return w.pinged + t.timeout
	}
	return max(w.pinged, w.heard) + t.interval
}

// socketTimeUp pings a client that has been quiet, or gives up one that has
// not answered.
func (l *loop) socketTimeUp(s *session, c *netio.Conn) {
	w := s.socket
	switch {
	case w.state == socketEnding:
		l.finishEnd(s, c)
	case w.state == socketClosing:
		w.state = socketClosed
		s.phase, s.closing = phaseOver, true
		c.Close()
	case c.Buffered() > 0 && l.unreadDue(s, c) <= l.now:
		c.Abort()
	case s.held != 0:
		c.SetDeadline(l.socketDue(s, c))
	case w.pinged > w.heard && l.engine.ws.timeout > 0:
		l.closeSocket(s, c, closeInternal, "keepalive ping timeout")
	default:
		w.pinged = l.now
		c.Commit(websocket.AppendPing(c.Reserve(websocket.MaxControl), nil))
		c.SetDeadline(l.socketDue(s, c))
	}
}
