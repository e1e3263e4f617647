package bridge

// #include "channel.h"
import "C"

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Slot is the shared memory of one exchange.
type Slot C.covet_slot

// Port is the engine's side of the channel for one loop. Its methods are for
// that loop's thread alone.
type Port struct {
	*Channel
	loop    int
	base    uint32 // the loop's first slot
	slots   []Slot // all loops' slots
	free    []uint32
	fresh   uint32 // own slots from here on have never been used
	used    atomic.Int64
	inbox   []queue
	notice  []queue
	outbox  []outbox
	ring    []bool // workers that got something since the last Ring
	record  *C.covet_loop
	next    int // the outbox to look at first
	records []C.covet_worker
}

func newPort(c *Channel, loop int) *Port {
	h := c.header
	p := &Port{Channel: c, loop: loop, base: uint32(loop) * uint32(h.slots_per_loop)}
	p.slots = unsafe.Slice((*Slot)(c.at(uint64(h.slot_base))), int(h.slots))
	p.records = unsafe.Slice((*C.covet_worker)(c.at(uint64(h.worker_records))), int(h.workers))
	p.record = &unsafe.Slice((*C.covet_loop)(c.at(uint64(h.loop_records))), int(h.loops))[loop]
	p.ring = make([]bool, h.workers)
	for w := range int(h.workers) {
		r := &p.records[w]
		p.inbox = append(p.inbox, c.queue(h.inboxes, w, h.inbox_cells, &r.inbox_tail, &r.inbox_head))
		p.notice = append(p.notice, c.queue(h.notices, w, h.notice_cells, &r.notice_tail, &r.notice_head))
		place := uint64(loop*int(h.workers) + w)
		ids := c.at(uint64(h.outboxes) + place*uint64(h.outbox_cells)*8)
		p.outbox = append(p.outbox, outbox{
			ids:   unsafe.Slice((*C.covet_id)(ids), int(h.outbox_cells)),
			mask:  uint64(h.outbox_cells - 1),
			marks: (*C.covet_marks)(c.at(uint64(h.outbox_marks) + place*C.sizeof_covet_marks)),
		})
	}
	return p
}

// Begin takes a free slot for a new exchange; false if there is none.
func (p *Port) Begin() (ID, *Slot, bool) {
	var index uint32
	switch n := len(p.free); {
	case n > 0:
		index = p.free[n-1]
		p.free = p.free[:n-1]
	case p.fresh < uint32(p.config.SlotsPerLoop):
		index = p.base + p.fresh
		p.fresh++
	default:
		return 0, nil, false
	}
	s := &p.slots[index]
	if s.generation == 0 {
		atomic.StoreUint32(half(&s.generation), 1)
	}
	p.used.Store(p.used.Load() + 1)
	s.loop = C.uint32_t(p.loop)
	s.worker = C.COVET_NO_WORKER
	s.engine_flags, s.worker_flags = 0, 0
	s.worker_noticed = 0
	s.in.head, s.in.tail, s.out.head, s.out.tail = 0, 0, 0, 0
	s.request_block, s.response_block = 0, 0
	s.response_fields, s.response_body = 0, 0
	return ID(uint64(s.generation)<<32 | uint64(index)), s, true
}

// Lookup returns the slot of one of this loop's exchanges, or nil if it is
// over.
func (p *Port) Lookup(id ID) *Slot {
	i := id.Index()
	if i < p.base || i-p.base >= p.fresh {
		return nil
	}
	s := &p.slots[i]
	if uint32(s.generation) != id.Generation() {
		return nil
	}
	return s
}

// Release ends an exchange that no worker touches any more: its blocks and
// its slot are free again, and its id is stale from now on.
func (p *Port) Release(id ID) {
	s := p.Lookup(id)
	if s == nil {
		return
	}
	p.Free(Block(s.request_block), id)
	p.Free(Block(s.response_block), id)
	for b, _, ok := take(&s.in); ok; b, _, ok = take(&s.in) {
		p.Free(b, id)
	}
	for b, _, ok := take(&s.out); ok; b, _, ok = take(&s.out) {
		p.Free(b, id)
	}
	generation := id.Generation() + 1
	if generation == 0 {
		generation = 1
	}
	atomic.StoreUint32(half(&s.generation), generation)
	p.free = append(p.free, id.Index())
	p.used.Store(p.used.Load() - 1)
}

// Post puts a new exchange into a worker's inbox; false if that is full.
func (p *Port) Post(worker int, id ID) bool {
	if !p.inbox[worker].push(id) {
		return false
	}
	p.ring[worker] = true
	return true
}

// Notify tells the worker that has begun the exchange that there is news of
// it. One that has not been begun is looked at when it is.
func (p *Port) Notify(id ID, s *Slot) {
	worker := atomic.LoadUint32(half(&s.worker))
	if worker >= uint32(len(p.notice)) || atomic.SwapUint32(half(&s.worker_noticed), 1) != 0 {
		return
	}
	p.notice[worker].push(id) // cannot be full: one place for every slot, twice
	p.ring[worker] = true
}

// Ring wakes the workers that got something since the last call and sleep.
func (p *Port) Ring() {
	for w := range p.ring {
		if !p.ring[w] {
			continue
		}
		p.ring[w] = false
		sleeping := half(&p.records[w].sleeping)
		if atomic.LoadUint32(sleeping) != 0 && atomic.SwapUint32(sleeping, 0) != 0 {
			one := [8]byte{1}
			// The counter is only ever full when the worker is being woken.
			_, _ = unix.Write(p.workers[w], one[:])
		}
	}
	for w := range p.outbox {
		p.outbox[w].publish()
	}
}

// Next returns an exchange that a worker has told something about.
func (p *Port) Next() (ID, *Slot, bool) {
	for range p.outbox {
		o := &p.outbox[p.next]
		for id, ok := o.pop(); ok; id, ok = o.pop() {
			s := p.Lookup(id)
			if s == nil {
				continue
			}
			atomic.AndUint32(half(&s.worker_flags), ^uint32(C.COVET_W_NOTICED))
			return id, s, true
		}
		if p.next++; p.next == len(p.outbox) {
			p.next = 0
		}
	}
	return 0, nil, false
}

// Sleep announces that the loop is about to wait and looks again: false means
// that there is something to take after all.
func (p *Port) Sleep() bool {
	atomic.StoreUint32(half(&p.record.sleeping), 1)
	for w := range p.outbox {
		if !p.outbox[w].empty() {
			p.Awake()
			return false
		}
	}
	return true
}

// Awake withdraws the announcement of Sleep.
func (p *Port) Awake() {
	if sleeping := half(&p.record.sleeping); atomic.LoadUint32(sleeping) != 0 {
		atomic.StoreUint32(sleeping, 0)
	}
}

// FreeSent gives back a block that was lent by Lend.
func (p *Port) FreeSent(token uint64) { p.Free(Block(token), engineOwner) }

// Lend takes a block over from an exchange for as long as the kernel sends
// it, and returns the token for FreeSent.
func (p *Port) Lend(id ID, b Block) uint64 {
	p.reown(b, id, engineOwner)
	return uint64(b)
}
