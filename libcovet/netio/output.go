package netio

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const (
	flushLimit     = int64(30 * time.Second) // without progress while the last output is sent
	lingerLimit    = int64(2 * time.Second)
	maxSend        = 1 << 30 // bytes; a result has 31 bits
	maxVector      = 64      // segments of one send
	vectorSegments = 4096    // segments of all vectored sends of a turn
)

// flush starts one send per connection that was written to in this turn.
func (l *Loop) flush() {
	for _, c := range l.postponed {
		if c.state != stateFree {
			c.markDirty()
		}
	}
	l.postponed = l.postponed[:0]
	for i := 0; i < len(l.dirty); i++ {
		c := l.dirty[i]
		if !c.dirty {
			continue
		}
		c.dirty = false
		if !c.sending {
			l.send(c)
		}
	}
	l.dirty = l.dirty[:0]
}

// send starts a send of all pending output; a backend that completes it at once is asked again until nothing is left.
func (l *Loop) send(c *Conn) {
	left := fileTurn
	for c.state != stateDying && c.state != stateFree {
		for c.head != nil && c.head.start == c.head.end {
			l.pop(c)
		}
		if c.head == nil {
			l.flushed(c)
			return
		}
		if c.head.class == classFile && !l.inMemory(c) {
			if !l.read(c) {
				return
			}
			continue
		}
		sent, done := l.startSend(c)
		if !done {
			c.sending = true
			return
		}
		l.sent(c, sent)
		if left -= int(sent); left <= 0 && c.head != nil && c.head.class == classFile {
			l.postpone(c)
			return
		}
	}
}

func (l *Loop) startSend(c *Conn) (sent int32, done bool) {
	if c.head.class == classFile {
		return l.startFile(c)
	}
	if c.head.next != nil {
		if vector := l.gather(c); len(vector) > 1 {
			return l.backend.SendVector(c.fd, c.token(opSend), vector)
		}
	}
	data := c.head.data()
	data = data[:min(len(data), maxSend)]
	return l.backend.Send(c.fd, c.token(opSend), address(data), len(data))
}

func address(data []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(data)) }

// gather lists the pending output in the turn's scratch vector, which the kernel reads no longer after the next Turn.
func (l *Loop) gather(c *Conn) []proactor.Segment {
	free := l.vectors[l.vectorUsed:]
	free = free[:min(len(free), maxVector)]
	count := 0
	for s := c.head; s != nil && s.class != classFile && count < len(free); s = s.next {
		if s.start < s.end {
			data := s.data()
			free[count] = proactor.Segment{Base: address(data), Len: uint64(len(data))}
			count++
		}
	}
	l.vectorUsed += count
	return free[:count]
}

// onSend handles the completion of a send; what is left goes with this turn's flush.
func (l *Loop) onSend(e *proactor.Event) {
	c := l.lookup(e.Token)
	if c == nil {
		return
	}
	c.sending, c.sendCancel = false, false
	if c.head != nil && c.head.class == classFile {
		e.Res = min(e.Res, 0) // there is room, or the peer is gone, which the next try says too
	}
	l.sent(c, e.Res)
	if c.state == stateDying {
		l.finishLater(c)
	} else if c.head != nil || c.state == stateFlushing {
		c.markDirty()
	}
}

// sent accounts for a send's result.
func (l *Loop) sent(c *Conn, result int32) {
	if result < 0 {
		switch errno := syscall.Errno(-result); errno {
		case syscall.ECANCELED, syscall.EAGAIN, syscall.EINTR:
		default:
			if c.state != stateDying {
				c.die()
			}
		}
		return
	}
	left := int(result)
	c.buffered -= left
	for left > 0 && c.head != nil {
		s := c.head
		size := s.end - s.start
		if left < size {
			s.start += left
			break
		}
		left -= size
		l.pop(c)
	}
	if c.state == stateFlushing {
		c.setDeadline(l.now + flushLimit)
	}
	if c.aboveHigh && c.buffered <= l.options.LowWater {
		c.aboveHigh = false
		if !c.drainPending {
			c.drainPending = true
			l.drained = append(l.drained, c)
			l.again = true
		}
	}
}

// pop drops the first segment of the pending output.
func (l *Loop) pop(c *Conn) {
	s := c.head
	c.head = s.next
	if c.head == nil {
		c.tail = nil
	}
	if s.class == classBorrowed {
		l.released = append(l.released, s.token)
		l.again = true
	}
	l.pool.put(s)
}

// flushed goes on with closing once everything is sent.
func (l *Loop) flushed(c *Conn) {
	if c.state != stateFlushing {
		return
	}
	if c.ended {
		c.die()
		return
	}
	if err := unix.Shutdown(c.fd, unix.SHUT_WR); err != nil {
		c.die()
		return
	}
	c.state = stateLingering
	c.setDeadline(l.now + lingerLimit)
	l.receive(c)
}

// tellSent calls the handler for output that left or was dropped since the last call.
func (l *Loop) tellSent() {
	for i := 0; i < len(l.released); i++ {
		l.awake()
		l.handler.Released(l.released[i])
	}
	l.released = l.released[:0]
	for i := 0; i < len(l.drained); i++ {
		c := l.drained[i]
		if !c.drainPending {
			continue
		}
		c.drainPending = false
		if c.state == stateOpen {
			l.awake()
			l.handler.Drained(c)
		}
	}
	l.drained = l.drained[:0]
}
