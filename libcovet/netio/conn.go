package netio

import (
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"
)

type connState uint8

const (
	stateFree      connState = iota
	stateOpen                // the handler is told of everything
	stateFlushing            // CloseAfterFlush: output is being sent, input discarded
	stateLingering           // our FIN is sent; input is discarded until the peer's comes
	stateDying               // waits for operations to end, then is closed
)

// Conn is one connection. It is valid from Opened until Closed returns; afterwards it is recycled with a higher Generation.
type Conn struct {
	Index      uint32 // place in the table: below the greatest number of connections there ever were
	Generation uint32 // 28 bits
	User       uint64 // the engine's own; 0 when the connection opens
	Tag        int    // of the listener that accepted it

	loop  *Loop
	fd    int
	state connState

	receiving    bool // a receive is armed, or its cancelling is under way
	recvCancel   bool // the armed receive was asked to end
	direct       bool // receives go to memory of the handler's
	filling      bool // the armed receive is of that kind
	sending      bool // a send is under way
	sendCancel   bool
	paused       bool // by PauseRead
	full         bool // paused by itself: MaxInput bytes are kept
	ended        bool // the peer's FIN has come
	endedTold    bool
	starved      bool // waits for a receive buffer
	dirty        bool // is on the loop's list of connections to flush
	resuming     bool // is on the loop's list of connections whose input is offered again
	dying        bool // is on the loop's list of connections to finish
	aboveHigh    bool
	drainPending bool
	reset        bool // close with RST

	deadline int64 // what SetDeadline said
	armed    int64 // what the wheel knows: never later than deadline, so that moving a deadline back costs nothing

	head, tail *slab // pending output
	buffered   int
	kept       *slab  // input that was not consumed
	into       *slab  // what a part of a file is being read into; sending is set meanwhile
	discarded  int    // bytes read and thrown away while closing
	room       uint64 // the token of the memory that is being filled

	remote, local           netip.AddrPort
	remoteKnown, localKnown bool
}

// Reserve returns an empty slice of capacity n or more at the tail of the pending output. Append to it and call Commit
// before anything else is written. What is committed to a closing connection is dropped.
func (c *Conn) Reserve(n int) []byte {
	if c.state != stateOpen {
		return make([]byte, 0, n)
	}
	if t := c.tail; t != nil && t.open() && t.size-t.end >= n {
		return t.room()
	}
	size := n
	if c.head != nil && size < largeSlab {
		size = largeSlab
	}
	s, err := c.loop.pool.get(size)
	if err != nil {
		c.loop.options.Log(slog.LevelError, err.Error())
		c.Abort()
		return make([]byte, 0, n)
	}
	c.push(s)
	return s.room()
}

// Commit takes b, the extended slice of Reserve, as output. If append has moved b it is copied.
func (c *Conn) Commit(b []byte) {
	if len(b) == 0 || c.state != stateOpen {
		return
	}
	if t := c.tail; t != nil && t.open() && t.end < t.size && &t.room()[:1][0] == &b[0] {
		t.end += len(b)
		c.wrote(len(b))
		return
	}
	for len(b) > 0 && c.state == stateOpen {
		room := c.Reserve(min(len(b), largeSlab))
		chunk := room[:min(len(b), cap(room))]
		b = b[copy(chunk, b):]
		if c.state == stateOpen {
			c.tail.end += len(chunk)
			c.wrote(len(chunk))
		}
	}
}

// SendBorrowed queues p behind what was written, without a copy. p must lie outside of the Go heap and stay unchanged until
// Handler.Released is called with token, exactly once.
func (c *Conn) SendBorrowed(p []byte, token uint64) {
	s := c.loop.pool.borrow(p, token)
	if c.state != stateOpen {
		c.loop.released = append(c.loop.released, token)
		c.loop.pool.put(s)
		return
	}
	c.push(s)
	c.wrote(len(p))
}

func (c *Conn) push(s *slab) {
	if c.tail == nil {
		c.head = s
	} else {
		c.tail.next = s
	}
	c.tail = s
}

func (c *Conn) wrote(n int) {
	c.buffered += n
	if c.buffered > c.loop.options.HighWater {
		c.aboveHigh = true
	}
	c.markDirty()
}

func (c *Conn) markDirty() {
	if !c.dirty {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// Buffered returns the output bytes that the kernel has not taken yet.
func (c *Conn) Buffered() int { return c.buffered }

// AboveHighWater reports whether the pending output has passed the high-water mark and not yet fallen below the low one.
func (c *Conn) AboveHighWater() bool { return c.aboveHigh }

// PauseRead stops reading. What still arrives, at most what was in flight, is kept and not offered until ResumeRead.
func (c *Conn) PauseRead() {
	if c.state == stateOpen {
		c.paused = true
		c.stopReceiving()
	}
}

// ResumeRead reads again. Kept input is offered later in the same turn, also if reading was not paused.
func (c *Conn) ResumeRead() {
	c.paused, c.full = false, false
	if c.state == stateOpen && !c.resuming {
		c.resuming = true
		c.loop.resuming = append(c.loop.resuming, c)
	}
}

// ReadPaused reports whether reading is paused, by PauseRead or because MaxInput bytes are kept.
func (c *Conn) ReadPaused() bool { return c.paused || c.full }

// Kept returns the number of input bytes that are kept because they were not consumed.
func (c *Conn) Kept() int {
	if c.kept == nil {
		return 0
	}
	return c.kept.end - c.kept.start
}

func (c *Conn) stopReceiving() {
	if c.receiving && !c.recvCancel {
		c.recvCancel = true
		op := opRecv
		if c.filling {
			op = opFill
		}
		c.loop.backend.Cancel(c.fd, c.token(op))
	}
}

// ReceiveDirectly has what follows the input at hand put into memory that Handler.Room gives, without a copy.
func (c *Conn) ReceiveDirectly() {
	if c.state == stateOpen && !c.filling {
		c.direct = true
		c.stopReceiving()
	}
}

// Unread gives input back that came directly and was not consumed: it is offered later in the same turn, with Received.
func (c *Conn) Unread(p []byte) {
	if c.state == stateOpen && len(p) > 0 {
		c.loop.keep(c, p)
		c.ResumeRead()
	}
}

// SetDeadline makes Handler.Expired be called at a time of Loop.Now, in nanoseconds, or up to 10 ms later; 0 means never.
func (c *Conn) SetDeadline(at int64) {
	if c.state == stateOpen {
		c.setDeadline(at)
	}
}

// Deadline is what SetDeadline was last told, or 0.
func (c *Conn) Deadline() int64 { return c.deadline }

func (c *Conn) setDeadline(at int64) {
	c.deadline = at
	if at != 0 && (c.armed == 0 || at < c.armed) {
		c.loop.arm(c, at)
	}
}

// CloseAfterFlush sends all output and then closes in a way that lets the peer read it (RFC 9112 section 9.6): after our
// FIN the peer's input is discarded for up to 2 s and 1 MB. A peer that takes no output for 30 s is cut off. Of the
// handler, only Released and Closed are called from here on.
func (c *Conn) CloseAfterFlush() {
	if c.state != stateOpen {
		return
	}
	c.state = stateFlushing
	c.dropInput()
	c.paused, c.full = false, false
	c.setDeadline(c.loop.now + flushLimit)
	c.markDirty()
	// A peer that doesn't read before it has sent everything would never let the output go.
	c.loop.receive(c)
}

// Abort closes at once and discards output; a TCP peer gets a RST. Only Released and Closed are called from here on, later.
func (c *Conn) Abort() {
	if c.state == stateFree || c.state == stateDying {
		return
	}
	c.reset = true
	c.die()
}

// Close closes at once, as a peer expects of an idle connection: output is discarded, but the peer sees an ordinary end.
// Of the handler, only Released and Closed are called from here on, later.
func (c *Conn) Close() {
	if c.state != stateFree && c.state != stateDying {
		c.die()
	}
}

// die ends the connection as soon as no operation of it is under way.
func (c *Conn) die() {
	c.state = stateDying
	c.deadline = 0
	if !c.dying {
		c.dying = true
		c.loop.dying = append(c.loop.dying, c)
	}
}

func (c *Conn) dropInput() {
	if c.kept != nil {
		c.loop.pool.put(c.kept)
		c.kept = nil
	}
}

func (c *Conn) token(op operation) uint64 { return token(op, c.Index, c.Generation) }

// Descriptor returns the socket, for options that netio doesn't know. It must not be read, written or closed.
func (c *Conn) Descriptor() int { return c.fd }

// Remote returns the peer's address; it is invalid for a unix socket or if the peer has gone already.
func (c *Conn) Remote() netip.AddrPort {
	if !c.remoteKnown {
		address, err := unix.Getpeername(c.fd)
		c.remote, c.remoteKnown = addrPort(address, err), true
	}
	return c.remote
}

// Local returns the address that the peer connected to; it is invalid for a unix socket.
func (c *Conn) Local() netip.AddrPort {
	if !c.localKnown {
		address, err := unix.Getsockname(c.fd)
		c.local, c.localKnown = addrPort(address, err), true
	}
	return c.local
}

func addrPort(address unix.Sockaddr, err error) netip.AddrPort {
	if err != nil {
		return netip.AddrPort{}
	}
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
