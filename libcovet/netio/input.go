package netio

import (
	"log/slog"
	"syscall"
	"unsafe"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const maxDiscarded = 1 << 20 // input bytes read and thrown away while a connection closes

// onReceive handles the completion of a receive and arms the next one if it was the last of its multishot.
func (l *Loop) onReceive(e *proactor.Event) {
	c := l.lookup(e.Token)
	buffer, held := e.Buffer()
	if held {
		l.used = append(l.used, buffer)
	}
	if c == nil {
		return
	}
	if !e.More() {
		c.receiving, c.recvCancel = false, false
	}
	switch {
	case e.Res > 0 && held:
		l.received(c, l.buffers.Bytes(buffer, int(e.Res)))
	case e.Res == 0:
		c.ended = true
		l.tellEnded(c)
	case e.Res < 0:
		l.receiveFailed(c, syscall.Errno(-e.Res))
	}
	l.receive(c)
}

func (l *Loop) receiveFailed(c *Conn, errno syscall.Errno) {
	switch errno {
	case syscall.ECANCELED, syscall.EAGAIN, syscall.EINTR:
	case syscall.ENOBUFS:
		c.starved = true
		l.starved = append(l.starved, c)
	default:
		c.die()
	}
}

// receive arms a receive if the connection wants one, and lets a dying one go on ending.
func (l *Loop) receive(c *Conn) {
	switch {
	case c.receiving || c.state == stateFree:
		return
	case c.state == stateDying:
		l.finishLater(c)
		return
	case c.ended || c.starved || c.paused || c.full:
		return
	}
	if c.direct && c.kept == nil && c.state == stateOpen {
		if l.receiveDirectly(c); c.receiving || c.paused {
			return
		}
	}
	c.receiving = true
	l.backend.Recv(c.fd, c.token(opRecv))
}

// receiveDirectly arms a receive into memory of the handler's, once.
func (l *Loop) receiveDirectly(c *Conn) {
	l.awake()
	p, room := l.handler.Room(c)
	if len(p) == 0 {
		c.direct = c.paused
		return
	}
	c.receiving, c.filling, c.room = true, true, room
	l.backend.RecvInto(c.fd, c.token(opFill), unsafe.Pointer(&p[0]), len(p))
}

// onFill handles the completion of such a receive.
func (l *Loop) onFill(e *proactor.Event) {
	c := l.lookup(e.Token)
	if c == nil {
		return
	}
	c.receiving, c.recvCancel, c.filling = false, false, false
	if e.Res > 0 && c.state == stateOpen {
		l.awake()
		l.handler.Filled(c, c.room, int(e.Res))
	} else {
		l.released = append(l.released, c.room)
	}
	switch {
	case e.Res == 0:
		c.ended = true
		l.tellEnded(c)
	case e.Res < 0:
		l.receiveFailed(c, syscall.Errno(-e.Res))
	}
	l.receive(c)
}

func (l *Loop) received(c *Conn, data []byte) {
	switch c.state {
	case stateOpen:
	case stateFlushing: // the last answer comes first, however much arrives before it is sent; flushLimit bounds this
		return
	case stateLingering:
		if c.discarded += len(data); c.discarded > maxDiscarded {
			c.die()
		}
		return
	default:
		return
	}
	if c.ReadPaused() {
		l.keep(c, data)
		return
	}
	if c.kept != nil {
		l.keep(c, data)
		l.offer(c)
		return
	}
	l.awake()
	n := l.handler.Received(c, data)
	if n < len(data) && c.state == stateOpen {
		l.keep(c, data[n:])
	}
}

// offer shows the kept input to the handler. It is taken off the connection meanwhile, as the handler may close that.
func (l *Loop) offer(c *Conn) {
	s := c.kept
	if s == nil || c.state != stateOpen {
		return
	}
	c.kept = nil
	l.awake()
	s.start += l.handler.Received(c, s.data())
	if c.state != stateOpen || s.start >= s.end {
		l.pool.put(s)
		return
	}
	c.kept = s
	l.limitInput(c)
}

// keep copies data behind what is kept already.
func (l *Loop) keep(c *Conn, data []byte) {
	s := c.kept
	held := c.Kept()
	if s == nil || s.size-s.end < len(data) {
		if s != nil && s.size-held >= len(data) && held <= s.size/2 {
			s.end = copy(s.whole(), s.data())
			s.start = 0
		} else if s = l.growKept(c, held+len(data)); s == nil {
			return
		}
	}
	s.end += copy(s.room()[:len(data)], data)
	l.limitInput(c)
}

// growKept replaces the kept input's slab by one with room for need bytes.
func (l *Loop) growKept(c *Conn, need int) *slab {
	old := c.kept
	if old != nil {
		need = max(need, 2*old.size)
	}
	s, err := l.pool.get(need)
	if err != nil {
		l.options.Log(slog.LevelError, err.Error())
		c.Abort()
		return nil
	}
	if old != nil {
		s.end = copy(s.whole(), old.data())
		l.pool.put(old)
	}
	c.kept = s
	return s
}

// limitInput pauses reading once MaxInput bytes are kept.
func (l *Loop) limitInput(c *Conn) {
	if !c.full && c.Kept() >= l.options.MaxInput {
		c.full = true
		c.stopReceiving()
	}
}

// tellEnded reports the peer's FIN, but not before the input that came in front of it.
func (l *Loop) tellEnded(c *Conn) {
	switch c.state {
	case stateOpen:
		if c.ended && !c.endedTold && !c.paused {
			c.endedTold = true
			l.awake()
			l.handler.Ended(c)
		}
	case stateLingering:
		c.die()
	}
}

// resume offers kept input again. A connection that is resumed meanwhile has its turn in the next round.
func (l *Loop) resume() {
	count := len(l.resuming)
	for _, c := range l.resuming[:count] {
		if !c.resuming {
			continue
		}
		c.resuming = false
		if c.paused || c.state != stateOpen {
			continue
		}
		l.again = true
		l.offer(c)
		l.tellEnded(c)
		l.receive(c)
	}
	l.resuming = l.resuming[:copy(l.resuming, l.resuming[count:])]
	l.again = l.again || len(l.resuming) > 0
}

// recycle gives this turn's receive buffers back and arms the receives that had found none.
func (l *Loop) recycle() {
	if len(l.used) > 0 {
		l.backend.Recycle(l.used)
		l.used = l.used[:0]
	}
	for _, c := range l.starved {
		if c.starved {
			c.starved = false
			l.receive(c)
		}
	}
	l.starved = l.starved[:0]
}
