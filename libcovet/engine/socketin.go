package engine

import (
	"bytes"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/netio"
	"github.com/covetpy/covetpy/libcovet/websocket"
)

// dispatchSocket hands the opening request of a WebSocket to a worker. n is
// the length of its head.
func (l *loop) dispatchSocket(s *session, c *netio.Conn, n int, keepAlive bool) int {
	r, m := &l.request, &l.match
	w := &socket{conn: c}
	status, reason := w.codec.Open(r, l.engine.ws.codec)
	if status == 0 && !l.originAllowed(r) {
		status, reason = 403, "The origin is not allowed"
	}
	if status == 0 {
		l.routes.sockets.Lookup(r.Head, r.Path, exchange.MethodGet, nil, r.Has(exchange.Escaped), m)
		switch {
		case m.Status == 404 && l.routes.forwardSockets:
		case m.Status == 400:
			status, reason = 400, "Malformed percent-encoding in the path"
		case m.Status != 0:
			status, reason = 404, "Not Found"
		}
	}
	if status != 0 {
		return l.refuseSocket(s, c, n, status, reason)
	}
	return l.socketToWorker(s, c, w, n)
}

// refuseSocket answers an opening request that gets no WebSocket.
func (l *loop) refuseSocket(s *session, c *netio.Conn, n, status int, reason string) int {
	s.headDone()
	add(&l.count.requests, 1)
	var fields []byte
	if status == 426 {
		l.fields = exchange.AppendField(l.fields[:0], []byte("sec-websocket-version"), []byte("13"))
		fields = l.fields
	}
	l.answerRefusal(s, c, status, reason, fields, false)
	l.endSession(s, c)
	return n
}

// originAllowed protects users against other sites that connect from their
// browsers (RFC 6455, section 10.2). What is no browser sends no origin.
func (l *loop) originAllowed(r *exchange.Request) bool {
	allowed := l.engine.ws.origins
	if allowed == nil {
		return true
	}
	for _, h := range r.Fields() {
		if h.Name.Len != 6 || !exchange.EqualName(h.Name.Of(r.Head), "origin") {
			continue
		}
		found := false
		for _, origin := range *allowed {
			found = found || origin == "*" || bytes.EqualFold(h.Value.Of(r.Head), []byte(origin))
		}
		return found
	}
	return true
}

// socketToWorker is toWorker for an opening request.
func (l *loop) socketToWorker(s *session, c *netio.Conn, w *socket, n int) int {
	place := l.crew.pickHolder(l.routes.version, l.held, l.now)
	if place == nobody {
		return l.noWorker(s, c, n)
	}
	if limit := l.engine.config.LimitConcurrency; limit > 0 && l.engine.inFlight() >= uint64(limit) {
		return l.unavailable(s, c, n)
	}
	id, slot, ok := l.port.Begin()
	if !ok {
		return l.noRoom(s, c, n)
	}
	if !l.fill(id, slot, c, nil, 0, bridge.KindSocket) {
		l.port.Release(id)
		return l.noRoom(s, c, n)
	}
	i, o := l.owed.take()
	o.id, o.minor, o.since, o.routes, o.arrived = id, l.request.Minor, l.now, l.routes, l.arrived
	o.socket, o.wasSocket = true, true
	if !l.port.Post(place, id) {
		l.port.Release(id)
		l.owed.give(i)
		return l.noRoom(s, c, n)
	}
	l.sockets++
	l.holdBy(o, place)
	l.bySlot[l.local(id)] = i
	l.enqueue(s, c, i, o)
	add(&l.count.inFlight, 1)
	add(&l.count.requests, 1)
	s.headDone()
	w.id = id
	if l.routes.guards.Identifies() {
		w.ticket = l.owed.ticket(&l.ticket)
	}
	s.socket, s.phase = w, phaseSocket
	c.SetDeadline(0)
	if l.engine.timing.request > 0 {
		c.SetDeadline(l.now + l.engine.timing.request)
	}
	return n
}

// incoming is a piece that is being filled with a WebSocket's messages.
type incoming struct {
	bodyPiece
	messages int
}

// readSocket takes frames and returns how many bytes of p it used: not all if
// the worker has to take messages first.
func (l *loop) readSocket(s *session, c *netio.Conn, p []byte) int {
	w := s.socket
	if w.state == socketOpening || w.pending != nil {
		return 0 // it is kept
	}
	w.heard = l.now
	n := 0
	var piece incoming
	for n < len(p) && s.phase == phaseSocket {
		window := p[n:]
		if w.state == socketOpen {
			room, ok := l.socketRoom(s, c, &piece, len(window))
			if !ok {
				break
			}
			window = window[:min(len(window), room)]
		}
		e, used, err := w.codec.Next(window)
		n += used
		if err != nil {
			l.passPiece(w, &piece)
			l.socketFailed(s, c, err)
			return len(p)
		}
		if !l.socketEvent(s, c, &piece, &e) {
			break
		}
	}
	l.passPiece(w, &piece)
	if s.phase != phaseSocket {
		return len(p)
	}
	return n
}

// socketEvent acts on what has come; false if reading has to wait.
func (l *loop) socketEvent(s *session, c *netio.Conn, piece *incoming, e *websocket.Event) bool {
	w := s.socket
	switch e.Kind {
	case websocket.MessagePart:
		return l.messagePart(s, c, piece, e)
	case websocket.GotPing:
		if w.state == socketOpen {
			c.Commit(websocket.AppendPong(c.Reserve(websocket.MaxControl), e.Data))
		}
		if c.AboveHighWater() { // it asks without reading the answers
			l.mindReader(c)
			l.hold(s, c, holdOutput)
			return false
		}
	case websocket.GotClose:
		l.passPiece(w, piece)
		l.clientCloses(s, c, e)
	}
	return true
}

// clientCloses handles a closing frame: our own answers it, if it does not come
// first.
func (l *loop) clientCloses(s *session, c *netio.Conn, e *websocket.Event) {
	w := s.socket
	s.phase, w.final = phaseOver, true
	switch w.state {
	case socketOpen:
		l.endMessages(w, e.Code, e.Data, 0)
		l.letEnd(s, c, e.Code, nil)
	case socketEnding:
		w.code, w.reason = e.Code, nil
	default:
		l.endSocket(s, c)
	}
}

// messagePart passes a part of a message on; false if reading has to wait.
func (l *loop) messagePart(s *session, c *netio.Conn, piece *incoming, e *websocket.Event) bool {
	w := s.socket
	switch {
	case w.state != socketOpen:
		if e.Pooled {
			websocket.Recycle(e.Data)
		}
	case e.Pooled:
		w.pending, w.passed, w.op = e.Data, 0, e.Op
		return l.passPending(s, c, piece)
	case len(e.Data) > 0 || e.Last:
		piece.put(e.Op, !e.Last, e.Data)
	}
	return true
}

// put appends a record. Without an exchange that takes it, it is dropped.
func (p *incoming) put(op websocket.Opcode, more bool, data []byte) {
	if p.room == nil {
		return
	}
	kind := bridge.RecordBinary
	if op == websocket.Text {
		kind = bridge.RecordText
	}
	to := p.room[p.filled:]
	bridge.PutRecordHeader(to, kind, more, len(data))
	p.filled += bridge.RecordHeader + copy(to[bridge.RecordHeader:], data)
	if !more {
		p.messages++
	}
}

// passPending gives the worker what is left of a message that was compressed;
// false if there is not room for all of it.
func (l *loop) passPending(s *session, c *netio.Conn, piece *incoming) bool {
	w := s.socket
	for {
		rest := w.pending[w.passed:]
		room, ok := l.socketRoom(s, c, piece, len(rest))
		if !ok {
			return false
		}
		n := min(len(rest), room)
		w.passed += n
		last := w.passed == len(w.pending)
		piece.put(w.op, !last, rest[:n])
		if last {
			websocket.Recycle(w.pending)
			w.pending = nil
			return true
		}
	}
}

// goOn passes on what had to wait when reading goes on.
func (l *loop) goOn(s *session, c *netio.Conn) {
	w := s.socket
	if slot := l.port.Lookup(w.id); slot != nil {
		slot.BodyGoesOn()
	}
	if w.pending == nil {
		return
	}
	var piece incoming
	if w.state == socketOpen {
		l.passPending(s, c, &piece)
	} else {
		websocket.Recycle(w.pending)
		w.pending = nil
	}
	l.passPiece(w, &piece)
}

// socketRoom is how many bytes of a message fit into the piece, which it
// changes for another one when it is full. It reports false if reading has to
// wait.
func (l *loop) socketRoom(s *session, c *netio.Conn, piece *incoming, want int) (int, bool) {
	w := s.socket
	if free := len(piece.room) - piece.filled - bridge.RecordHeader; free > 0 && piece.messages < l.engine.ws.inPiece {
		return free, true
	}
	l.passPiece(w, piece)
	slot := l.port.Lookup(w.id)
	if slot == nil {
		return want, true // nobody wants it
	}
	if slot.BodyWaiting() >= l.engine.ws.pieces {
		slot.RaiseEngine(bridge.EngineWaits)
		if slot.BodyWaiting() >= l.engine.ws.pieces { // it might have taken some just then
			l.hold(s, c, holdBody)
			return 0, false
		}
		slot.BodyGoesOn()
	}
	block, _, ok := l.port.Alloc(min(want+bridge.RecordHeader, pieceBytes), w.id)
	if !ok {
		l.starve(s, c)
		return 0, false
	}
	*piece = incoming{bodyPiece: bodyPiece{block: block, room: l.port.Bytes(block)}}
	return len(piece.room) - bridge.RecordHeader, true
}

// passPiece hands a piece with messages to the worker.
func (l *loop) passPiece(w *socket, piece *incoming) {
	if piece.room == nil {
		return
	}
	slot := l.port.Lookup(w.id)
	if slot == nil || piece.filled == 0 {
		l.port.Free(piece.block, w.id)
	} else {
		l.port.PushBody(slot, piece.block, piece.filled)
		l.port.Notify(w.id, slot)
	}
	*piece = incoming{}
}

// socketFailed closes a connection whose client breaks the protocol.
func (l *loop) socketFailed(s *session, c *netio.Conn, err *websocket.Error) {
	w := s.socket
	s.phase, w.final = phaseOver, true
	if w.state != socketOpen {
		l.closeSocket(s, c, err.Code, err.Reason)
		l.endSocket(s, c)
		return
	}
	l.letEnd(s, c, err.Code, []byte(err.Reason))
}
