// Package netio keeps connections: their table, lifecycle, timers, limits and memory, on one thread per loop.
//
// A Loop belongs to the thread that runs it. All methods of Loop and Conn must be called there, in the handler's calls or
// before Run; the only door for other threads and processes is Options.Doorbell.
package netio

import (
	"fmt"
	"log/slog"
	"math/bits"
)

// Kind names an event backend.
type Kind uint8

// The backends. Auto takes io_uring, and epoll where the kernel or a seccomp filter refuses it.
const (
	Auto Kind = iota
	IOUring
	Epoll
)

// Defaults of the options that are left at zero.
const (
	DefaultMaxConns   = 1 << 16
	DefaultBuffers    = 256
	DefaultBufferSize = 16 << 10
	DefaultHighWater  = 1 << 20
	DefaultLowWater   = 256 << 10
	DefaultMaxInput   = 256 << 10
)

const (
	maxBuffers    = 2048
	minBufferSize = 64
	maxBufferSize = 1 << 20
	maxMaxConns   = 1 << 24
)

// Options configure a loop; a zero field takes its default.
type Options struct {
	Backend Kind

	// Doorbell is an eventfd that other threads and processes write to wake the loop; 0 means none. It is never read.
	Doorbell int

	MaxConns   int // open connections; further ones wait in the listener's backlog
	PoolConns  int // connections whose memory is made at the start and kept while they are closed, in steps of 256
	Buffers    int // receive buffers of the loop: a power of two up to 2,048
	BufferSize int // bytes of one receive buffer
	HighWater  int // bytes of pending output above which AboveHighWater holds
	LowWater   int // bytes of pending output below which Drained is called
	MaxInput   int // unconsumed bytes of a connection at which reading pauses by itself

	// CPU is the processor that the loop's thread is pinned to; a negative one doesn't pin.
	CPU int

	// BriefWaits hides waits of up to a millisecond from Go's scheduler, which saves CPU time on a busy loop. A loop then
	// keeps its P while it waits: set it only if GOMAXPROCS is greater than the number of loops in the process, or the other
	// goroutines starve.
	BriefWaits bool

	// Log receives rare events of the loop; nil discards them.
	Log func(level slog.Level, message string)
}

func (o *Options) setDefaults() error {
	setDefault(&o.MaxConns, DefaultMaxConns)
	setDefault(&o.Buffers, DefaultBuffers)
	setDefault(&o.BufferSize, DefaultBufferSize)
	setDefault(&o.HighWater, DefaultHighWater)
	setDefault(&o.LowWater, min(DefaultLowWater, o.HighWater/2))
	setDefault(&o.MaxInput, DefaultMaxInput)
	if o.Log == nil {
		o.Log = func(slog.Level, string) {}
	}
	switch {
	case o.Backend > Epoll:
		return fmt.Errorf("netio: unknown backend %d", o.Backend)
	case o.MaxConns < 1 || o.MaxConns > maxMaxConns:
		return fmt.Errorf("netio: MaxConns is %d; want 1 to %d", o.MaxConns, maxMaxConns)
	case o.Buffers < 1 || o.Buffers > maxBuffers || bits.OnesCount(uint(o.Buffers)) != 1:
		return fmt.Errorf("netio: Buffers is %d; want a power of two up to %d", o.Buffers, maxBuffers)
	case o.BufferSize < minBufferSize || o.BufferSize > maxBufferSize:
		return fmt.Errorf("netio: BufferSize is %d; want %d to %d", o.BufferSize, minBufferSize, maxBufferSize)
	case o.LowWater < 0 || o.LowWater >= o.HighWater:
		return fmt.Errorf("netio: LowWater is %d; want less than HighWater, %d", o.LowWater, o.HighWater)
	case o.MaxInput < 1:
		return fmt.Errorf("netio: MaxInput is %d; want at least 1", o.MaxInput)
	}
	return nil
}

func setDefault(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

// Handler is what a loop calls; the engine implements it, one per loop. Every call is on the loop's thread, and none is made
// from inside a method of Conn or of Loop other than Run.
type Handler interface {
	// Opened announces a new connection.
	Opened(c *Conn)

	// Received offers the input: what was kept, followed by new bytes. It returns how many bytes were consumed. The rest is
	// kept and offered again in front of the next bytes, or after ResumeRead. p is valid until the call returns.
	Received(c *Conn, p []byte) (consumed int)

	// Room gives memory outside of the Go heap for the next bytes of a connection that receives directly. It belongs to the
	// loop until Filled is called with its token, or Released if nothing comes. Without room the connection receives as
	// before, or waits if the handler has paused it.
	Room(c *Conn) (p []byte, token uint64)

	// Filled tells that the first n bytes of what Room gave are the next input.
	Filled(c *Conn, token uint64, n int)

	// Ended tells that the peer has sent its FIN, after all kept bytes were offered. Output may still be sent.
	Ended(c *Conn)

	// Drained tells that the pending output, which had passed the high-water mark, has fallen below the low-water mark.
	Drained(c *Conn)

	// Released gives back memory that was lent by SendBorrowed: it was sent, or dropped with the connection.
	Released(token uint64)

	// Expired tells that the deadline set by SetDeadline has passed. The deadline is cleared before.
	Expired(c *Conn)

	// Closed is called exactly once per Opened, when the connection is gone. c is recycled afterwards.
	Closed(c *Conn)

	// Awake begins a turn of the loop in which the handler is called. now is Loop.Now. Turns that only take notice of
	// finished sends pass the handler by; after Sleep it then still counts as asleep.
	Awake(now int64)

	// Work follows the events of a turn that began with Awake: queues are drained and answers written. If more is true, the loop doesn't sleep this turn.
	Work() (more bool)

	// Sleep announces that the loop is about to block. ok false means that there is work after all.
	Sleep() (ok bool)
}
