package engine

import (
	"encoding/binary"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/netio"
	"github.com/covetpy/covetpy/libcovet/websocket"
)

// writeMessages sends what a WebSocket's worker has written, as far as the
// client reads. It reports whether the worker has ended the exchange.
func (l *loop) writeMessages(s *session, c *netio.Conn, o *owed, slot *bridge.Slot) bool {
	flags := slot.WorkerFlags()
	took := false
	for !c.AboveHighWater() {
		block, n, ok := l.port.TakePiece(slot)
		if !ok {
			break
		}
		took = true
		l.writeRecords(s, c, o, block, n)
	}
	if took {
		l.port.Notify(o.id, slot)
	}
	if slot.HasPieces() {
		return false
	}
	switch {
	case flags&(bridge.WorkerTold|bridge.WorkerEnd|bridge.WorkerAbort) != 0 && s.socket.state == socketEnding:
		l.finishEnd(s, c)
	case flags&bridge.WorkerAbort != 0: // its worker has ended
		l.closeSocket(s, c, closeRestart, "")
	}
	if flags&(bridge.WorkerAbort|bridge.WorkerEnd) == 0 {
		return false
	}
	s.socket.id, o.ended = 0, true
	return true
}

// writeRecords sends the messages of one piece, and frees it.
func (l *loop) writeRecords(s *session, c *netio.Conn, o *owed, block bridge.Block, n int) {
	rest := l.port.Bytes(block)[:n]
	alone := true
	for len(rest) > 0 && (s.socket.state == socketOpen || s.socket.state == socketEnding) {
		record, after, ok := bridge.NextRecord(rest)
		if !ok {
			break
		}
		if alone && len(after) == 0 && l.lend(s, c, o, block, &record) {
			return
		}
		alone, rest = false, after
		l.writeRecord(s, c, o, &record)
	}
	l.port.Free(block, o.id)
}

func (l *loop) writeRecord(s *session, c *netio.Conn, o *owed, r *bridge.Record) {
	w := s.socket
	switch r.Kind {
	case bridge.RecordText, bridge.RecordBinary:
		o.sent += int64(len(r.Data))
		if !w.midway && !r.More {
			c.Commit(w.codec.AppendMessage(c.Reserve(len(r.Data)+websocket.MaxHeader), opcodeOf(r.Kind), r.Data))
			return
		}
		c.Commit(append(l.partHeader(w, c, r), r.Data...))
		l.partSent(s, c, r)
	case bridge.RecordClose:
		if w.state == socketEnding { // the client was first
			l.finishEnd(s, c)
			return
		}
		code, reason := uint16(closeNormal), []byte(nil)
		if len(r.Data) >= 2 {
			code, reason = binary.BigEndian.Uint16(r.Data), r.Data[2:]
		}
		l.endMessages(w, code, reason, 0)
		l.sendClose(s, c, code, reason)
	case bridge.RecordSubscribe:
		l.subscribe(w, string(r.Data))
	case bridge.RecordUnsubscribe:
		l.unsubscribe(w, string(r.Data))
	}
}

// partHeader begins the frame of a part of a message that is too large for
// one piece: it goes out in fragments, and not compressed.
func (l *loop) partHeader(w *socket, c *netio.Conn, r *bridge.Record) []byte {
	opcode := opcodeOf(r.Kind)
	if w.midway {
		opcode = websocket.Continuation
	}
	w.midway = r.More
	return websocket.AppendHeader(c.Reserve(websocket.MaxHeader+len(r.Data)), opcode, !r.More, len(r.Data))
}

// partSent sends what had to wait for the end of a message.
func (l *loop) partSent(s *session, c *netio.Conn, r *bridge.Record) {
	w := s.socket
	if r.More || len(w.behind) == 0 {
		return
	}
	behind := w.behind
	w.behind = nil
	for _, b := range behind {
		l.sendBroadcast(s, w, b)
	}
}

// lend sends a large message without a copy: its block is the kernel's until
// it is sent. It reports false for what has to be copied.
func (l *loop) lend(s *session, c *netio.Conn, o *owed, block bridge.Block, r *bridge.Record) bool {
	w := s.socket
	if r.Kind > bridge.RecordBinary || len(r.Data) < borrowFrom || (!w.midway && !r.More && w.codec.Deflates(len(r.Data))) {
		return false
	}
	o.sent += int64(len(r.Data))
	c.Commit(l.partHeader(w, c, r))
	c.SendBorrowed(r.Data, l.port.Lend(o.id, block))
	l.partSent(s, c, r)
	return true
}

func opcodeOf(kind bridge.RecordKind) websocket.Opcode {
	if kind == bridge.RecordText || kind == bridge.RecordPublishText {
		return websocket.Text
	}
	return websocket.Binary
}
