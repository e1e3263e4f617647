package netio

import (
	"golang.org/x/sys/unix"
)

const (
	chunkShift = 8
	chunkConns = 1 << chunkShift
)

// table holds the connections in chunks that never move.
type table struct {
	chunks [][]Conn
	unused []uint32 // the most recently closed last
	open   int
}

func (t *table) at(index uint32) *Conn {
	return &t.chunks[index>>chunkShift][index&(chunkConns-1)]
}

// take returns a free connection of the table.
func (t *table) take(l *Loop) *Conn {
	if len(t.unused) == 0 {
		first := uint32(len(t.chunks)) << chunkShift
		chunk := make([]Conn, chunkConns)
		t.chunks = append(t.chunks, chunk)
		for i := range chunk {
			chunk[i].Index, chunk[i].loop = first+uint32(i), l
		}
		for i := chunkConns - 1; i >= 0; i-- {
			t.unused = append(t.unused, first+uint32(i))
		}
	}
	last := len(t.unused) - 1
	c := t.at(t.unused[last])
	t.unused = t.unused[:last]
	t.open++
	return c
}

// give takes c back; whoever still names it by index and generation finds nothing.
func (t *table) give(c *Conn) {
	*c = Conn{Index: c.Index, Generation: (c.Generation + 1) & generationMask, loop: c.loop}
	t.unused = append(t.unused, c.Index)
	t.open--
}

// Conn returns the connection of that index and generation, or nil if it is gone.
func (t *table) Conn(index, generation uint32) *Conn {
	if int(index>>chunkShift) >= len(t.chunks) {
		return nil
	}
	c := t.at(index)
	if c.Generation != generation || c.state == stateFree {
		return nil
	}
	return c
}

func (t *table) lookup(token uint64) *Conn {
	return t.Conn(uint32(token), uint32(token>>32)&generationMask)
}

// Each calls f for every connection that is open or closing.
func (t *table) Each(f func(*Conn)) {
	for _, chunk := range t.chunks {
		for i := range chunk {
			if chunk[i].state != stateFree {
				f(&chunk[i])
			}
		}
	}
}

// Len returns the number of connections that are open or closing.
func (t *table) Len() int { return t.open }

// admit makes a connection of an accepted descriptor.
func (l *Loop) admit(fd, tag int) {
	c := l.take(l)
	c.fd, c.Tag, c.state = fd, tag, stateOpen
	l.awake()
	l.handler.Opened(c)
	l.receive(c)
}

func (l *Loop) finishLater(c *Conn) {
	if !c.dying {
		c.dying = true
		l.dying = append(l.dying, c)
	}
}

// finish closes dying connections that have no operation under way, and asks the operations of the others to end.
func (l *Loop) finish() {
	if len(l.dying) == 0 {
		return
	}
	for i := 0; i < len(l.dying); i++ {
		c := l.dying[i]
		if !c.dying || c.state != stateDying {
			continue
		}
		c.dying = false
		c.stopReceiving()
		if c.sending && !c.sendCancel {
			c.sendCancel = true
			l.backend.Cancel(c.fd, c.token(opSend))
		}
		if !c.receiving && !c.sending {
			l.remove(c)
		}
	}
	l.dying = l.dying[:0]
	l.admitParked()
	l.adjustAccept()
}

func (l *Loop) remove(c *Conn) {
	c.dropInput()
	for c.head != nil {
		l.pop(c)
	}
	if c.armed != 0 {
		l.wheel.Cancel(c.Index)
	}
	if c.reset {
		// Fails on a unix socket, where there is no RST.
		_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	l.backend.Close(c.fd)
	l.again = true
	l.awake()
	l.handler.Closed(c)
	l.give(c)
	l.acceptRetryAt = 0
}
