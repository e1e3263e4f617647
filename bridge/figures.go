package bridge

// #include "channel.h"
import "C"

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Figures are a loop's totals, as workers can see them.
type Figures struct{ Connections, Accepted, Requests, InFlight, Refused, Held uint64 }

// Publish shows a loop's figures to the workers.
func (p *Port) Publish(f Figures) {
	r := p.record
	for _, one := range [...]struct {
		at    *C.uint64_t
		value uint64
	}{
		{&r.connections, f.Connections}, {&r.accepted, f.Accepted}, {&r.requests, f.Requests},
		{&r.in_flight, f.InFlight}, {&r.refused, f.Refused}, {&r.held, f.Held},
	} {
		if uint64(*one.at) != one.value {
			atomic.StoreUint64(word(one.at), one.value)
		}
	}
}

// Started shows the workers that the engine begins to run now.
func (c *Channel) Started() error {
	if c.header == nil {
		return nil
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("reading the clock: %w", err)
	}
	atomic.StoreUint64(word(&c.header.started_at), uint64(now.Nano()))
	return nil
}

// SetBlocked shows the workers since when the event loop of one of them is
// blocked, in nanoseconds of CLOCK_MONOTONIC; 0 is not at all.
func (c *Channel) SetBlocked(worker int, since int64) {
	if c.header != nil {
		atomic.StoreUint64(word(&c.worker(worker).blocked_since), uint64(since))
	}
}

// Waiting is how many requests wait in a worker's inbox.
func (p *Port) Waiting(worker int) int {
	q := &p.inbox[worker]
	return int(int64(atomic.LoadUint64(q.tail) - atomic.LoadUint64(q.head)))
}

// Begun is how many requests a worker has begun since it attached.
func (p *Port) Begun(worker int) uint64 { return atomic.LoadUint64(word(&p.records[worker].begun)) }

// Sleeps reports whether a worker waits for its doorbell.
func (p *Port) Sleeps(worker int) bool {
	return atomic.LoadUint32(half(&p.records[worker].sleeping)) != 0
}

// Rings reports whether a worker's doorbell is to be rung at the end of the turn.
func (p *Port) Rings(worker int) bool { return p.ring[worker] }

// Beat is when a worker last came to look for requests, in nanoseconds of
// CLOCK_MONOTONIC.
func (p *Port) Beat(worker int) int64 {
	return int64(atomic.LoadUint64(word(&p.records[worker].beat)))
}

// Nudge wakes a worker that sleeps, so that it takes what waits for others.
func (p *Port) Nudge(worker int) bool {
	sleeping := half(&p.records[worker].sleeping)
	if atomic.LoadUint32(sleeping) == 0 || atomic.SwapUint32(sleeping, 0) == 0 {
		return false
	}
	p.wake(p.workers[worker])
	return true
}

// WorkerFigures is what is known of one worker.
type WorkerFigures struct {
	PID                      uint32
	Attached, Sleeping       bool
	Table                    uint32
	Waiting, Begun, Finished uint64
	Beat                     int64 // nanoseconds of CLOCK_MONOTONIC
}

// Worker reads a worker's record; zeros after Close.
func (c *Channel) Worker(worker int) WorkerFigures {
	if c.header == nil {
		return WorkerFigures{}
	}
	r, q := c.worker(worker), c.inboxOf(worker)
	return WorkerFigures{
		PID:      atomic.LoadUint32(half(&r.pid)),
		Attached: atomic.LoadUint32(half(&r.state)) == C.COVET_WORKER_READY,
		Sleeping: atomic.LoadUint32(half(&r.sleeping)) != 0,
		Table:    atomic.LoadUint32(half(&r.table)),
		Waiting:  uint64(max(0, int64(atomic.LoadUint64(q.tail)-atomic.LoadUint64(q.head)))),
		Begun:    atomic.LoadUint64(word(&r.begun)),
		Finished: atomic.LoadUint64(word(&r.finished)),
		Beat:     int64(atomic.LoadUint64(word(&r.beat))),
	}
}
