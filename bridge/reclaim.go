package bridge

// #include "channel.h"
import "C"

import "sync/atomic"

// After a worker's process has ended, the engine finds what it held in three
// steps: each loop calls Reclaim, then one calls Renew, and once the
// exchanges that were begun are released, Sweep frees the blocks that the
// worker had taken for them and not yet handed over.

// Reclaim visits this loop's exchanges that a dead worker had begun, and those
// that waited in its inbox. The worker's process must have ended, and the
// loop must not post to it until Renew.
//
// An exchange that was begun is done when it is visited: as the worker
// left it if that had finished it, otherwise aborted. One that waited is
// untouched and may be posted to another worker. visit may release either.
func (p *Port) Reclaim(worker int, visit func(id ID, s *Slot, begun bool)) {
	if worker >= len(p.outbox) { // closed
		return
	}
	p.outbox[worker].skip()
	for i := range p.fresh {
		s, at := &p.slots[i], p.places[i]
		begun := uint32(s.worker) == uint32(worker)
		waits := uint32(s.worker) == C.COVET_NO_WORKER && uint32(s.inbox) == uint32(worker)
		switch {
		case at.use == useLeaving && begun:
			p.vacate(i)
		case at.use != useLive:
		case begun:
			p.conclude(s)
			visit(ID(uint64(at.generation)<<32|uint64(p.base+i)), s, true)
		case waits:
			s.inbox = C.COVET_NO_WORKER
			visit(ID(uint64(at.generation)<<32|uint64(p.base+i)), s, false)
		}
	}
}

// conclude makes an exchange look as if its worker had ended it.
func (p *Port) conclude(s *Slot) {
	flags := half(&s.worker_flags)
	atomic.AndUint32(flags, ^uint32(workerNoticed))
	if atomic.LoadUint32(flags)&C.COVET_W_DONE == 0 {
		atomic.OrUint32(flags, C.COVET_W_ABORT|C.COVET_W_DONE)
	}
}

// Renew makes a dead worker's place ready for another process. Every loop
// must have called Reclaim, and none may post to the worker meanwhile.
func (c *Channel) Renew(worker int) {
	if c.header == nil {
		return
	}
	r := c.worker(worker)
	atomic.StoreUint32(half(&r.state), C.COVET_WORKER_DEAD)
	for _, q := range []queue{c.inboxOf(worker), c.noticesOf(worker)} {
		q.reset()
	}
	*r = C.covet_worker{}
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
