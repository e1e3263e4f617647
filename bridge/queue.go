package bridge

// #include "channel.h"
import "C"

import (
	"slices"
	"sync/atomic"
	"time"
	"unsafe"
)

// queue is a bounded many-producer many-consumer queue in shared memory
// (D. Vyukov, "Bounded MPMC queue", 1024cores.net).
type queue struct {
	cells []C.covet_cell
	mask  uint64
	tail  *uint64
	head  *uint64
}

func word(p *C.uint64_t) *uint64 { return (*uint64)(unsafe.Pointer(p)) }
func half(p *C.uint32_t) *uint32 { return (*uint32)(unsafe.Pointer(p)) }
func signed(p *C.int64_t) *int64 { return (*int64)(unsafe.Pointer(p)) }

func (c *Channel) worker(w int) *C.covet_worker {
	return (*C.covet_worker)(c.at(c.layout.workers + uint64(w)*C.sizeof_covet_worker))
}

func (c *Channel) inboxOf(w int) queue {
	r, n := c.worker(w), c.config.InboxCells
	cells := c.cells(c.layout.inboxes, w, n)
	return queue{cells: cells, mask: uint64(n - 1), tail: word(&r.inbox_tail), head: word(&r.inbox_head)}
}

func (c *Channel) noticesOf(w int) queue {
	r, n := c.worker(w), int(c.layout.noticeCells)
	cells := c.cells(c.layout.notices, w, n)
	return queue{cells: cells, mask: uint64(n - 1), tail: word(&r.notice_tail), head: word(&r.notice_head)}
}

// reset empties a queue that nobody uses meanwhile.
func (q *queue) reset() {
	for i := range q.cells {
		atomic.StoreUint64(word(&q.cells[i].sequence), uint64(i))
	}
	atomic.StoreUint64(q.tail, 0)
	atomic.StoreUint64(q.head, 0)
}

// torn finds the cells that a killed consumer has taken and not given back,
// each of which would stop the queue at its next lap.
func (q *queue) torn(found []uint64) []uint64 {
	head, cells := atomic.LoadUint64(q.head), q.mask+1
	for at := head - min(head, cells); at < head; at++ {
		if int64(atomic.LoadUint64(word(&q.cells[at&q.mask].sequence))-(at+cells)) < 0 {
			found = append(found, at)
		}
	}
	return found
}

// mend gives torn cells back. One that is found torn twice has nobody left who
// would: a consumer that lives needs a few instructions for it.
func (q *queue) mend(pause time.Duration) {
	first := q.torn(nil)
	if len(first) == 0 {
		return
	}
	time.Sleep(pause)
	for _, at := range q.torn(nil) {
		if slices.Contains(first, at) {
			atomic.StoreUint64(word(&q.cells[at&q.mask].sequence), at+q.mask+1)
		}
	}
}

// holds reports whether an id waits in the queue.
func (q *queue) holds(id ID) bool {
	for at, tail := atomic.LoadUint64(q.head), atomic.LoadUint64(q.tail); at < tail; at++ {
		if ID(q.cells[at&q.mask].id) == id {
			return true
		}
	}
	return false
}

// push reports false when the queue is full.
func (q *queue) push(id ID) bool {
	at := atomic.LoadUint64(q.tail)
	for {
		cell := &q.cells[at&q.mask]
		switch lead := int64(atomic.LoadUint64(word(&cell.sequence)) - at); {
		case lead == 0:
			if atomic.CompareAndSwapUint64(q.tail, at, at+1) {
				cell.id = C.covet_id(id)
				atomic.StoreUint64(word(&cell.sequence), at+1)
				return true
			}
			at = atomic.LoadUint64(q.tail)
		case lead < 0:
			return false
		default:
			at = atomic.LoadUint64(q.tail)
		}
	}
}

// pop reports false when the queue is empty.
func (q *queue) pop() (ID, bool) {
	at := atomic.LoadUint64(q.head)
	for {
		cell := &q.cells[at&q.mask]
		switch lead := int64(atomic.LoadUint64(word(&cell.sequence)) - (at + 1)); {
		case lead == 0:
			if atomic.CompareAndSwapUint64(q.head, at, at+1) {
				id := ID(cell.id)
				atomic.StoreUint64(word(&cell.sequence), at+q.mask+1)
				return id, true
			}
			at = atomic.LoadUint64(q.head)
		case lead < 0:
			return 0, false
		default:
			at = atomic.LoadUint64(q.head)
		}
	}
}

// outbox is the engine's end of a single-producer single-consumer ring.
type outbox struct {
	ids   []C.covet_id
	mask  uint64
	marks *C.covet_marks
	head  uint64 // taken; published with the next call of publish
	seen  uint64 // the tail when last looked at
}

func (o *outbox) pop() (ID, bool) {
	if o.head == o.seen {
		tail := atomic.LoadUint64(word(&o.marks.tail))
		if tail-o.head-1 > o.mask { // empty, or an impossible tail
			return 0, false
		}
		o.seen = tail
	}
	id := ID(o.ids[o.head&o.mask])
	o.head++
	return id, true
}

func (o *outbox) empty() bool {
	return atomic.LoadUint64(word(&o.marks.tail))-o.head-1 > o.mask
}

// skip drops everything that waits.
func (o *outbox) skip() {
	o.head = atomic.LoadUint64(word(&o.marks.tail))
	o.seen = o.head
	o.publish()
}

// publish gives the taken places back to the worker.
func (o *outbox) publish() {
	if uint64(o.marks.head) != o.head {
		atomic.StoreUint64(word(&o.marks.head), o.head)
	}
}
