package bridge

// #include "channel.h"
import "C"

import (
	"encoding/binary"
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
	base    uint32  // the loop's first slot
	slots   []Slot  // the loop's own
	places  []place // what the engine knows of each slot, where no worker can write
	free    []uint32
	fresh   uint32 // slots from here on have never been used
	used    atomic.Int64
	inbox   []queue
	notice  []queue
	outbox  []outbox
	ring    []bool // workers that got something since the last Ring
	record  *C.covet_loop
	next    int // the outbox to look at first
	records []C.covet_worker
	knock   [8]byte // what is written to a doorbell
}

// place is the use that a slot is in.
type place struct {
	generation uint32
	use        use
}

type use uint8

const (
	useFree use = iota
	useLive
	// useLeaving is over, but its id is still on the way to the loop. The slot
	// is not used again before, so each has at most one id in the outboxes.
	useLeaving
)

func newPort(c *Channel, loop int) *Port {
	l, n := &c.layout, c.config.SlotsPerLoop
	p := &Port{Channel: c, loop: loop, base: uint32(loop * n)}
	p.slots = unsafe.Slice((*Slot)(c.at(l.slots+uint64(loop*n)*C.COVET_SLOT_BYTES)), n)
	p.places = make([]place, n)
	p.records = unsafe.Slice((*C.covet_worker)(c.at(l.workers)), c.config.Workers)
	p.record = &unsafe.Slice((*C.covet_loop)(c.at(l.loops)), c.config.Loops)[loop]
	p.ring = make([]bool, c.config.Workers)
	binary.NativeEndian.PutUint64(p.knock[:], 1)
	for w := range c.config.Workers {
		p.inbox = append(p.inbox, c.inboxOf(w))
		p.notice = append(p.notice, c.noticesOf(w))
		pair := uint64(loop*c.config.Workers + w)
		ids := c.at(l.outboxes + pair*uint64(l.outboxCells)*8)
		p.outbox = append(p.outbox, outbox{
			ids:   unsafe.Slice((*C.covet_id)(ids), l.outboxCells),
			mask:  uint64(l.outboxCells - 1),
			marks: (*C.covet_marks)(c.at(l.marks + pair*C.sizeof_covet_marks)),
		})
	}
	return p
}

// close leaves a port that finds nothing and takes nothing.
func (p *Port) close() {
	*p = Port{Channel: p.Channel, loop: p.loop, record: new(C.covet_loop)}
}

// Begin takes a free slot for a new exchange; false if there is none.
func (p *Port) Begin() (ID, *Slot, bool) {
	var index uint32
	switch n := len(p.free); {
	case n > 0:
		index = p.free[n-1]
		p.free = p.free[:n-1]
	case int(p.fresh) < len(p.places):
		index = p.fresh
		p.fresh++
		p.places[index].generation = 1
		atomic.StoreUint32(half(&p.slots[index].generation), 1)
	default:
		return 0, nil, false
	}
	at := &p.places[index]
	at.use = useLive
	p.used.Store(p.used.Load() + 1)
	s := &p.slots[index]
	s.loop = C.uint32_t(p.loop)
	s.setClaim(at.generation, C.COVET_NO_WORKER)
	s.inbox = C.COVET_NO_WORKER
	s.engine_flags, s.worker_flags, s.worker_noticed = 0, 0, 0
	s.in.head, s.in.tail, s.out.head, s.out.tail = 0, 0, 0, 0
	s.request_block, s.response_block = 0, 0
	s.close_code, s.close_len = 0, 0
	s.response_fields, s.response_body = 0, 0
	return ID(uint64(at.generation)<<32 | uint64(p.base+index)), s, true
}

// Lookup returns the slot of one of this loop's exchanges, or nil if it is
// over.
func (p *Port) Lookup(id ID) *Slot {
	i := id.Index() - p.base
	if i >= uint32(len(p.places)) || p.places[i] != (place{id.Generation(), useLive}) {
		return nil
	}
	return &p.slots[i]
}

// Release ends an exchange that no worker touches any more: its blocks are
// free again and its id is stale from now on. Its slot is free too, at once
// or when what the worker told last has been taken with Next.
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
	i := id.Index() - p.base
	at := &p.places[i]
	at.generation = following(at.generation)
	atomic.StoreUint32(half(&s.generation), at.generation)
	if atomic.LoadUint32(half(&s.worker_flags))&workerNoticed != 0 {
		at.use = useLeaving
		return
	}
	p.vacate(i)
}

// following is the generation after one: 0 is left out, so no id is 0.
func following(generation uint32) uint32 { return max(generation+1, 1) }

func (p *Port) vacate(index uint32) {
	p.places[index].use = useFree
	p.free = append(p.free, index)
	p.used.Store(p.used.Load() - 1)
}

// Post puts a new exchange into a worker's inbox; false if that is full.
func (p *Port) Post(worker int, id ID) bool {
	s := p.Lookup(id)
	if s == nil || worker >= len(p.inbox) {
		return false
	}
	s.inbox = C.uint32_t(worker)
	// One that Reclaim has found is free to be begun from here on.
	s.pass(id.Generation(), C.COVET_THE_ENGINE, C.COVET_NO_WORKER)
	if !p.inbox[worker].push(id) {
		s.pass(id.Generation(), C.COVET_NO_WORKER, C.COVET_THE_ENGINE)
		s.inbox = C.COVET_NO_WORKER
		return false
	}
	p.ring[worker] = true
	return true
}

// Notify tells the worker that has begun the exchange that there is news of
// it. One that has not been begun is looked at when it is.
func (p *Port) Notify(id ID, s *Slot) {
	worker := s.begunBy()
	if worker >= uint32(len(p.notice)) {
		return
	}
	if atomic.SwapUint32(half(&s.worker_noticed), id.Generation()) == id.Generation() {
		return
	}
	if !p.notice[worker].push(id) { // only a worker that takes too much lets it fill
		atomic.StoreUint32(half(&s.worker_noticed), 0)
	}
	p.ring[worker] = true
}

// Ring wakes the workers that got something since the last call and sleep,
// and gives the places of taken ids back to them.
func (p *Port) Ring() {
	for w := range p.ring {
		if !p.ring[w] {
			continue
		}
		p.ring[w] = false
		sleeping := half(&p.records[w].sleeping)
		if atomic.LoadUint32(sleeping) != 0 && atomic.SwapUint32(sleeping, 0) != 0 {
			p.wake(p.workers[w])
		}
	}
	for w := range p.outbox {
		p.outbox[w].publish()
	}
}

// wake rings a doorbell. It never blocks, so the scheduler need not know; a
// full counter means that the other side is being woken already.
func (p *Port) wake(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p.knock)), uintptr(len(p.knock)))
}

// Next returns an exchange that a worker has told something about.
func (p *Port) Next() (ID, *Slot, bool) {
	for range p.outbox {
		o := &p.outbox[p.next]
		for id, ok := o.pop(); ok; id, ok = o.pop() {
			s := p.Lookup(id)
			if s == nil {
				p.left(id)
				continue
			}
			atomic.AndUint32(half(&s.worker_flags), ^uint32(workerNoticed))
			return id, s, true
		}
		if p.next++; p.next == len(p.outbox) {
			p.next = 0
		}
	}
	return 0, nil, false
}

// left frees the slot of a released exchange whose last id has come in.
func (p *Port) left(id ID) {
	i := id.Index() - p.base
	if i < uint32(len(p.places)) && p.places[i] == (place{following(id.Generation()), useLeaving}) {
		p.vacate(i)
	}
}

// Sleep announces that the loop is about to wait and looks again: false means
// that there is something to take after all.
func (p *Port) Sleep() bool {
	p.Ring() // for what was posted after the turn's own
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
