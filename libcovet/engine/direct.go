package engine

import (
	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// directFrom is how long a body is, in bytes, for it to be worth ending the
// receive that is armed: the kernel then writes the rest into blocks of the
// worker's.
const directFrom = 2 * pieceBytes

// Room is where the next bytes of a large body go.
func (l *loop) Room(c *netio.Conn) ([]byte, uint64) {
	s := l.session(c)
	if s.phase != phaseBody || s.bodyID == 0 {
		return nil, 0
	}
	if !l.bodyWanted(s) {
		s.bodyID = 0
		return nil, 0
	}
	if !l.port.Lookup(s.bodyID).BodyRoom() {
		l.hold(s, c, holdBody)
		return nil, 0
	}
	most := int64(pieceBytes)
	if s.chunked == nil {
		most = min(s.bodyLeft, most)
	}
	room, token, ok := l.port.Room(int(most))
	if !ok {
		l.starve(s, c)
	}
	return room, token
}

// Filled passes on a part of a body that lies where the worker takes it.
func (l *loop) Filled(c *netio.Conn, token uint64, n int) {
	s := l.session(c)
	s.active = l.now
	if s.phase != phaseBody {
		l.port.FreeSent(token) // the request was refused meanwhile
		return
	}
	piece := bodyPiece{filled: n, direct: true}
	if s.bodyID != 0 && l.bodyWanted(s) {
		piece.block, piece.room = l.port.Adopt(token, s.bodyID)
	} else {
		s.bodyID = 0
		defer l.port.FreeSent(token)
	}
	if s.chunked != nil {
		piece.filled = 0
		l.decodeChunks(s, c, &piece, l.port.Bytes(bridge.Block(token))[:n])
		return
	}
	s.bodyGot += int64(n)
	s.bodyLeft -= int64(n)
	l.closePiece(s, &piece)
	if s.bodyLeft == 0 {
		l.endBody(s, c)
	}
}
