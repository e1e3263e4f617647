package engine

import "github.com/covetpy/covetpy/libcovet/netio"

// directFrom is how long a body is, in bytes, for it to be worth ending the
// receive that is armed: the kernel then writes the rest into blocks of the
// worker's.
const directFrom = 2 * pieceBytes

// Room is where the next bytes of a large body go.
func (l *loop) Room(c *netio.Conn) ([]byte, uint64) {
	s := l.session(c)
	if s.phase != phaseBody || s.chunked != nil || s.bodyID == 0 {
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
	room, token, ok := l.port.Room(int(min(s.bodyLeft, pieceBytes)))
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
	s.bodyGot += int64(n)
	s.bodyLeft -= int64(n)
	if s.bodyID != 0 && l.bodyWanted(s) {
		slot := l.port.Lookup(s.bodyID)
		l.port.PushRoom(s.bodyID, slot, token, n)
		l.port.Notify(s.bodyID, slot)
	} else {
		s.bodyID = 0
		l.port.FreeSent(token)
	}
	if s.bodyLeft == 0 {
		l.endBody(s, c)
	}
}
