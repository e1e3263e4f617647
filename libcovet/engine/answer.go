package engine

import (
	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/coding"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/native"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// borrowFrom is the body size in bytes from which a block is lent to the
// kernel instead of being copied into the output.
const borrowFrom = 16 << 10

// constantImage is a constant response as bytes, stamped in a given second.
type constantImage struct {
	answer *native.Constant
	stamp  int64
	bytes  []byte
	coded  map[*coding.Coding][]byte // its body, compressed
}

// answerConstant writes a constant response in its turn.
func (l *loop) answerConstant(s *session, c *netio.Conn, k *constantImage, keepAlive bool) {
	head := l.request.Method == exchange.MethodHead
	l.logRequest(c, &k.answer.Response, head)
	if !keepAlive || head || l.request.Minor == 0 || l.guarded {
		l.response, l.image = k.answer.Response, k
		l.answerNow(s, c, head, keepAlive)
		l.image = nil
		return
	}
	if k.stamp != l.stamp.Second() {
		k.stamp = l.stamp.Second()
		k.bytes = http1.AppendHead(k.bytes[:0], &k.answer.Response, 1, true, &l.stamp)
		k.bytes = append(k.bytes, k.answer.Response.Body...)
	}
	if s.count > 0 {
		l.queueBytes(s, c, append([]byte(nil), k.bytes...))
		return
	}
	c.Commit(append(c.Reserve(len(k.bytes)), k.bytes...))
}

// answerRefusal writes an error response in its turn.
func (l *loop) answerRefusal(s *session, c *netio.Conn, status int, reason string, extra []byte, keepAlive bool) {
	native.Refusal(&l.response, status, reason, extra, l.scratch)
	l.scratch = l.response.Body
	head := l.request.Method == exchange.MethodHead
	l.logRequest(c, &l.response, head)
	l.answerNow(s, c, head, keepAlive)
}

// answerNow writes l.response at once, or queues it behind the answers that
// come first.
func (l *loop) answerNow(s *session, c *netio.Conn, head, keepAlive bool) {
	r := &l.response
	if l.guarded {
		l.routes.guards.Decorate(&l.ticket, l.now, r, &l.reply)
		if by := l.reply.Coding; by != nil {
			l.compressNow(by)
		}
	}
	if head {
		r.Flags |= exchange.NoBody
	}
	if !keepAlive {
		r.Flags |= exchange.CloseAfter
	}
	if s.count > 0 {
		l.queueBytes(s, c, appendResponse(nil, r, l.request.Minor, keepAlive, &l.stamp))
		return
	}
	c.Commit(appendResponse(c.Reserve(512+len(r.Fields)+len(r.Body)), r, l.request.Minor, keepAlive, &l.stamp))
}

func appendResponse(dst []byte, r *exchange.Response, minor uint8, keepAlive bool, stamp *http1.Stamp) []byte {
	dst = http1.AppendHead(dst, r, minor, keepAlive, stamp)
	if r.Flags&exchange.NoBody == 0 {
		dst = append(dst, r.Body...)
	}
	return dst
}

func (l *loop) queueBytes(s *session, c *netio.Conn, b []byte) {
	i, o := l.owed.take()
	o.bytes = b
	l.enqueue(s, c, i, o)
}

// enqueue puts an owed answer at the end of the connection's pipeline.
func (l *loop) enqueue(s *session, c *netio.Conn, i uint32, o *owed) {
	o.conn, o.generation = c.Index, c.Generation
	if s.count == 0 {
		s.first = i
	} else {
		l.owed.at(s.last).next = i
	}
	s.last = i
	s.count++
}

// flush writes the answers at the front of the pipeline as far as they are
// ready and the client takes them.
func (l *loop) flush(s *session, c *netio.Conn) {
	defer l.flushed(s, c)
	for s.count > 0 {
		i := s.first
		o := l.owed.at(i)
		if !o.started && c.AboveHighWater() {
			return // Drained goes on
		}
		if o.id == 0 {
			c.Commit(append(c.Reserve(len(o.bytes)), o.bytes...))
			l.advance(s, o)
			l.owed.give(i)
			continue
		}
		slot := l.port.Lookup(o.id)
		if !o.ended && !l.write(s, c, o, slot) {
			if t := l.engine.timing.request; t > 0 && !o.started {
				c.SetDeadline(o.since + t)
			}
			return
		}
		if l.mustDrain(c) {
			return
		}
		l.logOwed(o, slot, int(o.status), o.sent, nil)
		last := !o.keepAlive
		l.advance(s, o)
		o.gone = true
		if slot.WorkerFlags()&bridge.WorkerDone != 0 {
			l.release(i, o)
		}
		if last {
			l.lastAnswered(s, c)
			return
		}
	}
	if s.count == 0 {
		l.pipelineEmpty(s, c)
	}
}

// flushed lets a pipeline that has room be read again, and a client that does
// not read be noticed.
func (l *loop) flushed(s *session, c *netio.Conn) {
	l.mindReader(c)
	if s.held&holdPipeline != 0 && s.count < resumeBelow {
		l.resume(s, c, holdPipeline)
	}
}

func (l *loop) advance(s *session, o *owed) {
	s.first = o.next
	s.count--
}

// lastAnswered ends a connection after the answer that says so; later ones
// are no longer owed.
func (l *loop) lastAnswered(s *session, c *netio.Conn) {
	for s.count > 0 {
		i := s.first
		o := l.owed.at(i)
		l.advance(s, o)
		l.logUnanswered(c, o)
		l.abandon(i, o)
	}
	s.phase, s.closing = phaseOver, true
	c.CloseAfterFlush()
}

func (l *loop) pipelineEmpty(s *session, c *netio.Conn) {
	s.active = l.now
	if l.draining && s.idle() {
		s.phase, s.closing = phaseOver, true
	}
	if s.closing {
		c.CloseAfterFlush()
		return
	}
	if s.phase == phaseHead && s.headSince == 0 {
		c.SetDeadline(l.engine.timing.idleUntil(l.now))
		l.mindReader(c)
	}
}

// write puts what is ready of one worker's answer into the output. It
// reports whether the answer is complete.
func (l *loop) write(s *session, c *netio.Conn, o *owed, slot *bridge.Slot) bool {
	flags := slot.WorkerFlags()
	if !o.started {
		if o.refusal != 0 {
			l.refuseOwed(s, c, o)
			return true
		}
		if flags&bridge.WorkerHead == 0 {
			return l.notStarted(s, c, o, slot, flags)
		}
		if o.socket && !l.acceptSocket(s, c, o, slot) {
			return false
		}
		if !o.started && !l.writeHead(s, c, o, slot, flags) {
			return false
		}
		if o.ended {
			return true
		}
	}
	if o.socket {
		return l.writeMessages(s, c, o, slot)
	}
	if !l.writePieces(c, o, slot) {
		return false
	}
	if flags&bridge.WorkerAbort != 0 || flags&bridge.WorkerEnd != 0 && o.left > 0 {
		l.giveUp(s, c, o)
		return false
	}
	if flags&bridge.WorkerEnd == 0 {
		return false
	}
	if o.encoder != nil {
		l.writeCompressed(c, o, o.encoder.End(nil))
	}
	if o.framed {
		c.Commit(http1.AppendLastChunk(c.Reserve(8), nil))
	}
	o.ended = true
	return true
}

// notStarted handles news of an exchange whose worker has no answer yet.
func (l *loop) notStarted(s *session, c *netio.Conn, o *owed, slot *bridge.Slot, flags uint32) bool {
	if flags&(bridge.WorkerDone|bridge.WorkerAbort) != 0 {
		native.Refusal(&l.response, 502, "The worker ended without an answer", nil, l.scratch)
		l.scratch = l.response.Body
		o.keepAlive = false
		l.answerOwed(c, o)
		return true
	}
	if flags&bridge.WorkerContinue != 0 && o.expect {
		o.expect = false
		c.Commit(append(c.Reserve(32), "HTTP/1.1 100 Continue\r\n\r\n"...))
	}
	return false
}

// writeHead writes the response head and, for whole answers, the body.
func (l *loop) writeHead(s *session, c *netio.Conn, o *owed, slot *bridge.Slot, flags uint32) bool {
	r := &l.response
	fields, body, ok := l.port.ResponseParts(slot)
	if !ok {
		l.giveUp(s, c, o)
		return false
	}
	*r = exchange.Response{
		Status: slot.Status(), Type: slot.MediaType(), Flags: slot.ResponseFlags(),
		Length: slot.Length(), Fields: fields,
	}
	by := l.decorate(o)
	if o.head {
		r.Flags |= exchange.NoBody
	}
	// An unread body, or a client that was never told to send it, would be
	// taken for the next request.
	if o.expect || r.Flags&exchange.CloseAfter != 0 || (l.draining || s.ended) && s.count == 1 {
		o.keepAlive = false
	}
	whole := flags&bridge.WorkerEnd != 0 && !slot.HasPieces()
	if whole && r.Length < 0 && r.Flags&exchange.NoBody == 0 {
		r.Length = int64(len(body))
	}
	noBody := r.Flags&exchange.NoBody != 0 || r.Status == 204 || r.Status == 304
	o.framed = r.Length < 0 && o.minor > 0 && !noBody
	if r.Length < 0 && o.minor == 0 && !noBody {
		o.keepAlive = false
	}
	o.left = r.Length
	if by != nil {
		if whole && !noBody && r.Length == int64(len(body)) {
			o.started, o.status = true, http1.SentStatus(r.Status)
			l.compressWhole(c, o, by, body)
			return true
		}
		// What it will come to is not known.
		r.Length = -1
		o.framed = o.minor > 0 && !noBody
		if !noBody {
			o.encoder = by.Encoder()
			o.keepAlive = o.keepAlive && o.minor > 0
		}
	}
	o.started, o.status = true, http1.SentStatus(r.Status)
	room := 512 + len(r.Fields)
	if len(body) < borrowFrom {
		room += len(body)
	}
	dst := http1.AppendHead(c.Reserve(room), r, o.minor, o.keepAlive, &l.stamp)
	if noBody {
		c.Commit(dst)
		o.left, o.framed = -1, false
		o.ended = whole
		o.head = true
		return true
	}
	o.ended = whole && o.left == int64(len(body)) && !o.framed && o.encoder == nil
	l.writeBody(c, o, slot, dst, body)
	return true
}

// writeBody appends the part of the body that came with the head.
func (l *loop) writeBody(c *netio.Conn, o *owed, slot *bridge.Slot, dst, body []byte) {
	if o.left >= 0 {
		body = body[:min(int64(len(body)), o.left)]
		o.left -= int64(len(body))
	}
	if o.encoder != nil {
		c.Commit(dst)
		if len(body) > 0 {
			l.writeCompressed(c, o, o.encoder.Piece(body))
		}
		return
	}
	o.sent += int64(len(body))
	if len(body) < borrowFrom {
		if o.framed && len(body) > 0 {
			dst = http1.AppendChunk(dst, body)
		} else {
			dst = append(dst, body...)
		}
		c.Commit(dst)
		return
	}
	if o.framed {
		dst = http1.AppendChunkHead(dst, len(body))
	}
	c.Commit(dst)
	c.SendBorrowed(body, l.port.LendResponse(o.id, slot))
	if o.framed {
		c.Commit(append(c.Reserve(2), '\r', '\n'))
	}
}

// pieceWater is up to how many bytes of pieces are sent at once, whatever the
// high-water mark: a system call for so much costs less than for its parts.
const pieceWater = 512 << 10

// writePieces moves body pieces from the slot to the output until the ring is
// empty or the client reads too slowly. It reports whether the ring is empty.
func (l *loop) writePieces(c *netio.Conn, o *owed, slot *bridge.Slot) bool {
	took := false
	for deep := c.AboveHighWater(); !deep; deep = c.Buffered() > pieceWater {
		if slot.NextIsFile() {
			took = true
			l.writeFile(c, o, slot)
			continue
		}
		block, n, ok := l.port.TakePiece(slot)
		if !ok {
			break
		}
		took = true
		l.writePiece(c, o, block, n)
	}
	if took {
		l.port.Notify(o.id, slot)
	}
	return !slot.HasPieces()
}

func (l *loop) writePiece(c *netio.Conn, o *owed, block bridge.Block, n int) {
	data := l.port.Bytes(block)[:n]
	if o.left >= 0 {
		data = data[:min(int64(len(data)), o.left)]
		o.left -= int64(len(data))
	}
	if o.head || len(data) == 0 {
		l.port.Free(block, o.id)
		return
	}
	if o.encoder != nil {
		l.writeCompressed(c, o, o.encoder.Piece(data))
		l.port.Free(block, o.id)
		return
	}
	o.sent += int64(len(data))
	if len(data) < borrowFrom {
		if o.framed {
			c.Commit(http1.AppendChunk(c.Reserve(len(data)+16), data))
		} else {
			c.Commit(append(c.Reserve(len(data)), data...))
		}
		l.port.Free(block, o.id)
		return
	}
	if o.framed {
		c.Commit(http1.AppendChunkHead(c.Reserve(16), len(data)))
	}
	c.SendBorrowed(data, l.port.Lend(o.id, block))
	if o.framed {
		c.Commit(append(c.Reserve(2), '\r', '\n'))
	}
}

// giveUp ends a connection whose answer cannot be completed. The client gets
// what there is and must see that it is cut short: where neither chunks nor a
// length tell, only a reset does (RFC 9112 section 8).
func (l *loop) giveUp(s *session, c *netio.Conn, o *owed) {
	s.phase, s.closing = phaseOver, true
	if o.started && (o.framed || o.left > 0) {
		c.CloseAfterFlush()
		return
	}
	c.Abort()
}
