package engine

import (
	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/native"
	"github.com/covetpy/covetpy/libcovet/netio"
)

const (
	// pieceBytes is the most body bytes that one piece carries to a worker.
	pieceBytes = 64 << 10
	// discardLimit is how many bytes of an unwanted body are read before the
	// connection is closed instead.
	discardLimit = 1 << 20
)

// readBody takes body bytes and returns how many bytes of p it used: none if
// the worker has to take some first, or if the body just ended.
func (l *loop) readBody(s *session, c *netio.Conn, p []byte) int {
	if s.bodyID != 0 && !l.bodyWanted(s) {
		s.bodyID = 0
	}
	if s.chunked != nil {
		return l.readChunks(s, c, p)
	}
	data := p[:min(int64(len(p)), s.bodyLeft)]
	n := l.passBody(s, c, data)
	s.bodyLeft -= int64(n)
	if s.phase == phaseBody && s.bodyLeft == 0 {
		l.endBody(s, c)
	}
	return n
}

// readChunks decodes a chunked body straight into one piece: small chunks
// share it, and nothing decoded is ever left without a place.
func (l *loop) readChunks(s *session, c *netio.Conn, p []byte) int {
	p = p[:min(len(p), pieceBytes)]
	var piece bodyPiece
	if s.bodyID != 0 && !l.openPiece(s, c, &piece, len(p)) {
		return 0
	}
	if s.bodyID != 0 && s.bodyGot >= directFrom {
		c.ReceiveDirectly()
	}
	return l.decodeChunks(s, c, &piece, p)
}

// decodeChunks decodes p into a piece, which it passes on. The piece may lie
// where p does: decoded bytes never overtake those to be decoded.
func (l *loop) decodeChunks(s *session, c *netio.Conn, piece *bodyPiece, p []byte) int {
	used := 0
	for {
		data, n, done, err := s.chunked.Next(p[used:])
		used += n
		s.bodyGot += int64(len(data))
		piece.filled += copy(piece.room[min(piece.filled, len(piece.room)):], data)
		if err == nil && !done && n > 0 && !l.bodyTooLarge(s) {
			continue
		}
		if piece.direct && done {
			c.Unread(p[used:]) // before the worker has the block
		}
		l.closePiece(s, piece)
		switch {
		case err != nil:
			l.breakBody(s, 0)
			l.bodyFailed(s, c, 400, protocolReason(err, "Malformed chunked body"))
			return len(p)
		case l.bodyTooLarge(s):
			l.bodyOverflow(s, c)
			return len(p)
		case done:
			l.endBody(s, c)
		}
		return used
	}
}

// bodyPiece is a block being filled for an exchange.
type bodyPiece struct {
	block  bridge.Block
	room   []byte
	filled int
	direct bool // the room is where the input lies
}

// openPiece reserves a block; if there is none, reading waits.
func (l *loop) openPiece(s *session, c *netio.Conn, piece *bodyPiece, n int) bool {
	if slot := l.port.Lookup(s.bodyID); !slot.BodyRoom() {
		l.hold(s, c, holdBody)
		return false
	}
	block, room, ok := l.port.Alloc(n, s.bodyID)
	if !ok {
		l.starve(s, c)
		return false
	}
	piece.block, piece.room = block, room
	return true
}

// closePiece passes a filled block on, or gives an empty one back.
func (l *loop) closePiece(s *session, piece *bodyPiece) {
	if piece.room == nil {
		return
	}
	if piece.filled == 0 {
		l.port.Free(piece.block, s.bodyID)
		return
	}
	slot := l.port.Lookup(s.bodyID)
	l.port.PushBody(slot, piece.block, piece.filled)
	l.port.Notify(s.bodyID, slot)
}

// bodyTooLarge reports whether the body has passed its limit: the
// application's for a wanted one, a small one for a body to be thrown away.
func (l *loop) bodyTooLarge(s *session) bool {
	if s.bodyID == 0 {
		return s.bodyGot > discardLimit
	}
	return s.bodyGot > l.engine.maxBody
}

func (l *loop) bodyOverflow(s *session, c *netio.Conn) {
	if s.bodyID == 0 {
		l.leaveBody(s)
		l.endSession(s, c)
		return
	}
	l.breakBody(s, bridge.EngineTooLarge)
	l.bodyFailed(s, c, 413, "Request body too large")
}

func protocolReason(err error, otherwise string) string {
	if e, ok := err.(*http1.Error); ok {
		return e.Reason
	}
	return otherwise
}

// bodyWanted reports whether the exchange still takes body bytes.
func (l *loop) bodyWanted(s *session) bool {
	slot := l.port.Lookup(s.bodyID)
	if slot == nil {
		return false
	}
	return slot.WorkerFlags()&bridge.WorkerDone == 0
}

// passBody gives data to the exchange and returns how many bytes it took.
func (l *loop) passBody(s *session, c *netio.Conn, data []byte) int {
	if s.bodyID == 0 {
		s.bodyGot += int64(len(data))
		if l.bodyTooLarge(s) {
			l.bodyOverflow(s, c)
		}
		return len(data)
	}
	taken := 0
	for taken < len(data) {
		var piece bodyPiece
		n := min(len(data)-taken, pieceBytes)
		if !l.openPiece(s, c, &piece, n) {
			break
		}
		piece.filled = copy(piece.room, data[taken:taken+n])
		l.closePiece(s, &piece)
		taken += n
	}
	s.bodyGot += int64(taken)
	return taken
}

// endBody ends the body of the current request.
func (l *loop) endBody(s *session, c *netio.Conn) {
	if s.bodyID != 0 {
		if slot := l.port.Lookup(s.bodyID); slot != nil {
			slot.RaiseEngine(bridge.EngineBodyEnd)
			l.port.Notify(s.bodyID, slot)
			// A client that sent its body without waiting needs no 100 any more.
			l.owed.at(l.bySlot[l.local(s.bodyID)]).expect = false
		}
	}
	l.leaveBody(s)
	s.phase = phaseHead
	if s.final {
		s.phase = phaseOver
	}
	if s.count == 0 {
		l.pipelineEmpty(s, c)
	}
}

// leaveBody forgets the body being read.
func (l *loop) leaveBody(s *session) {
	s.bodyID, s.bodyLeft = 0, 0
	if s.chunked != nil {
		l.engine.chunked.put(s.chunked)
		s.chunked = nil
	}
}

// breakBody tells the worker that the rest of the body will not come.
func (l *loop) breakBody(s *session, why uint32) {
	if s.bodyID == 0 {
		return
	}
	if slot := l.port.Lookup(s.bodyID); slot != nil {
		slot.RaiseEngine(bridge.EngineBodyBroken | bridge.EngineBodyEnd | why)
		l.port.Notify(s.bodyID, slot)
	}
}

// bodyFailed ends a connection whose body cannot be read on: the request
// being read is answered with an error in place of the worker's answer,
// unless that has begun or is not next in turn.
func (l *loop) bodyFailed(s *session, c *netio.Conn, status int, reason string) {
	id := s.bodyID
	l.leaveBody(s)
	if id != 0 && s.count > 0 {
		i := s.last
		o := l.owed.at(i)
		if o.id == id && !o.started {
			if slot := l.port.Lookup(id); slot != nil {
				native.Refusal(&l.response, status, reason, nil, l.scratch)
				l.scratch = l.response.Body
				l.logOwed(o, slot, status, int64(len(l.response.Body)), &l.response)
			}
			l.dropLast(s)
			l.abandon(i, o)
		} else {
			l.endSession(s, c)
			return
		}
	}
	l.refuse(s, c, status, reason)
}

// dropLast takes the newest owed answer out of the pipeline.
func (l *loop) dropLast(s *session) {
	s.count--
	if s.count == 0 {
		s.first, s.last = 0, 0
		return
	}
	i := s.first
	for l.owed.at(i).next != s.last {
		i = l.owed.at(i).next
	}
	l.owed.at(i).next, s.last = 0, i
}
