package bridge

// #include "channel.h"
import "C"

import (
	"sync/atomic"
	"time"
)

// mendPause is how long a worker that lives may take between two instructions.
const mendPause = 20 * time.Millisecond

// After a worker's process has ended, the engine finds what it held in three
// steps: each loop calls Reclaim, then one calls Renew, and once the
// exchanges that were begun are released, Sweep frees the blocks that the
// worker had taken for them and not yet handed over.

// Reclaim visits this loop's exchanges that a dead worker had begun, and those
// that nobody will find any more: they waited in its inbox, or it died while
// it took them from another one's. The worker's process must have ended, and
// the loop must not post to it until Renew.
//
// An exchange that was begun is done when it is visited: as the worker
// left it if that had finished it, otherwise aborted. One that was not is
// untouched and may be posted to another worker. visit may release either.
func (p *Port) Reclaim(worker int, visit func(id ID, s *Slot, begun bool)) {
	if worker >= len(p.outbox) { // closed
		return
	}
	p.outbox[worker].skip()
	for i := range p.fresh {
		s, at := &p.slots[i], p.places[i]
		id := ID(uint64(at.generation)<<32 | uint64(p.base+i))
		switch {
		case at.use == useLeaving && s.begunBy() == uint32(worker):
			p.vacate(i)
		case at.use != useLive:
		case s.begunBy() == uint32(worker):
			p.Conclude(s)
			visit(id, s, true)
		case p.isLost(id, s, worker) && s.pass(at.generation, C.COVET_NO_WORKER, C.COVET_THE_ENGINE):
			s.inbox = C.COVET_NO_WORKER
			visit(id, s, false)
		}
	}
}

// isLost reports whether an exchange that nobody has begun waited for a dead
// worker, or waits in no inbox at all. To find one lost that is just being
// taken does no harm: who claims it first has it.
func (p *Port) isLost(id ID, s *Slot, dead int) bool {
	inbox := int(s.inbox)
	if s.begunBy() != C.COVET_NO_WORKER || inbox >= len(p.inbox) {
		return false
	}
	return inbox == dead || !p.inbox[inbox].holds(id)
}

// Conclude makes an exchange look as if its worker had ended it.
func (p *Port) Conclude(s *Slot) {
	flags := half(&s.worker_flags)
	atomic.AndUint32(flags, ^uint32(workerNoticed))
	if atomic.LoadUint32(flags)&C.COVET_W_DONE == 0 {
		atomic.OrUint32(flags, C.COVET_W_ABORT|C.COVET_W_DONE)
	}
}

// Renew makes a dead worker's place ready for another process. Every loop
// must have called Reclaim, and none may post to the worker meanwhile. Others
// may be taking from its inbox this very moment, so nothing is set back: what
// waits is dropped.
func (c *Channel) Renew(worker int) {
	if c.header == nil || !c.open[worker] {
		return
	}
	r := c.worker(worker)
	atomic.StoreUint32(half(&r.state), C.COVET_WORKER_DEAD)
	atomic.StoreUint32(half(&r.table), 0)
	atomic.StoreUint64(word(&r.control), 0)
	for _, q := range []queue{c.inboxOf(worker), c.noticesOf(worker)} {
		for _, ok := q.pop(); ok; _, ok = q.pop() {
		}
	}
	notices := c.noticesOf(worker)
	notices.mend(0)
	for w, open := range c.open {
		if open {
			inbox := c.inboxOf(w)
			inbox.mend(mendPause)
		}
	}
	for _, n := range []*uint32{half(&r.sleeping), half(&r.pid), half(&r.state)} {
		atomic.StoreUint32(n, 0)
	}
	for _, n := range []*uint64{word(&r.begun), word(&r.finished), word(&r.beat), word(&r.blocked_since)} {
		atomic.StoreUint64(n, 0)
	}
}

// Sweep frees the blocks that belong to exchanges which are over, and returns
// how many. Of a worker that was killed just while it took or freed a block,
// that one block stays lost.
func (c *Channel) Sweep() int {
	freed := 0
	if c.header == nil {
		return 0
	}
	for class := range uint32(C.COVET_CLASSES) {
		fresh := atomic.LoadUint32(half(&c.header.classes[class].fresh))
		for index := range min(fresh, c.layout.classes[class].count) {
			owner := ID(atomic.LoadUint64(c.owner(class, index)))
			if owner != 0 && owner != engineOwner && c.over(owner) && c.Free(blockOf(class, index), owner) {
				freed++
			}
		}
	}
	return freed
}

// over reports whether an id is stale, whichever loop's it is.
func (c *Channel) over(id ID) bool {
	loop := int(id.Index()) / c.config.SlotsPerLoop
	if loop >= len(c.ports) {
		return true
	}
	s := &c.ports[loop].slots[int(id.Index())%c.config.SlotsPerLoop]
	return atomic.LoadUint32(half(&s.generation)) != id.Generation()
}
