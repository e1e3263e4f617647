package netio

import (
	"golang.org/x/sys/unix"
)

const (
	chunkShift = 8
	chunkConns = 1 << chunkShift
)

// table holds the connections in chunks that never move. Chunks beyond the pool are given back when nothing in them is
// open; their generations live on, so that what still names an old connection never meets a new one.
type table struct {
	chunks []chunk
	unused []uint32 // the most recently closed last
	open   int
	pool   int // connections whose memory is kept
	kept   int // connections that have memory
}

type chunk struct {
	conns      []Conn
	open       int
	generation uint32 // above that of every connection which the chunk has had
}

// prepare makes the pool.
func (t *table) prepare(l *Loop) {
	for t.kept < t.pool {
		t.grow(l)
	}
}

// grow makes a chunk in the first place that has none.
func (t *table) grow(l *Loop) {
	place := 0
	for place < len(t.chunks) && t.chunks[place].conns != nil {
		place++
	}
	if place == len(t.chunks) {
		t.chunks = append(t.chunks, chunk{})
	}
	k := &t.chunks[place]
	k.conns = make([]Conn, chunkConns)
	first := uint32(place) << chunkShift
	for i := range k.conns {
		k.conns[i].Index, k.conns[i].Generation, k.conns[i].loop = first+uint32(i), k.generation, l
	}
	for i := chunkConns - 1; i >= 0; i-- {
		t.unused = append(t.unused, first+uint32(i))
	}
	t.kept += chunkConns
}

// shrink gives the chunk back that a connection of has just closed, if it is empty and beyond the pool.
func (t *table) shrink(place uint32) {
	k := &t.chunks[place]
	if k.open > 0 || t.kept-chunkConns < t.pool {
		return
	}
	for i := range k.conns {
		k.generation = max(k.generation, k.conns[i].Generation)
	}
	k.generation = (k.generation + 1) & generationMask
	k.conns = nil
	t.kept -= chunkConns
	left := t.unused[:0]
	for _, index := range t.unused {
		if index>>chunkShift != place {
			left = append(left, index)
		}
	}
	t.unused = left
}

func (t *table) at(index uint32) *Conn {
	return &t.chunks[index>>chunkShift].conns[index&(chunkConns-1)]
}

// has reports whether the connection of an index has memory.
func (t *table) has(index uint32) bool {
	return int(index>>chunkShift) < len(t.chunks) && t.chunks[index>>chunkShift].conns != nil
}

// take returns a free connection of the table.
func (t *table) take(l *Loop) *Conn {
	if len(t.unused) == 0 {
		t.grow(l)
	}
	last := len(t.unused) - 1
	c := t.at(t.unused[last])
	t.unused = t.unused[:last]
	t.open++
	t.chunks[c.Index>>chunkShift].open++
	return c
}

// give takes c back; whoever still names it by index and generation finds nothing.
func (t *table) give(c *Conn) {
	*c = Conn{Index: c.Index, Generation: (c.Generation + 1) & generationMask, loop: c.loop}
	t.unused = append(t.unused, c.Index)
	t.open--
	place := c.Index >> chunkShift
	t.chunks[place].open--
	t.shrink(place)
}

// Conn returns the connection of that index and generation, or nil if it is gone.
func (t *table) Conn(index, generation uint32) *Conn {
	if !t.has(index) {
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
	for k := range t.chunks {
		conns := t.chunks[k].conns
		for i := range conns {
			if conns[i].state != stateFree {
				f(&conns[i])
			}
		}
	}
}

// Len returns the number of connections that are open or closing.
func (t *table) Len() int { return t.open }

// Kept returns the number of connections that have memory, open or not.
func (t *table) Kept() int { return t.kept }

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
