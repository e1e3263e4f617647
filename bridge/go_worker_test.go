package bridge

import "sync/atomic"

// goWorker is the worker's side of the channel in Go, as pybind/port.c has
// it, for tests and benchmarks that need no second process.
type goWorker struct {
	c       *Channel
	number  int
	inbox   queue
	notices queue
	tails   []uint64 // one for each loop; published by publish
	told    []bool
}

func newGoWorker(c *Channel, number int) *goWorker {
	return &goWorker{
		c: c, number: number, inbox: c.inboxOf(number), notices: c.noticesOf(number),
		tails: make([]uint64, len(c.ports)), told: make([]bool, len(c.ports)),
	}
}

func (w *goWorker) slot(id ID) *Slot {
	per := w.c.config.SlotsPerLoop
	return &w.c.ports[int(id.Index())/per].slots[int(id.Index())%per]
}

func (w *goWorker) take() (ID, bool) {
	for {
		id, ok := w.inbox.pop()
		if !ok || w.slot(id).pass(id.Generation(), noWorker, uint32(w.number)) {
			return id, ok
		}
	}
}

func (w *goWorker) notice() (ID, bool) {
	for {
		id, ok := w.notices.pop()
		if !ok || atomic.CompareAndSwapUint32(half(&w.slot(id).worker_noticed), id.Generation(), 0) {
			return id, ok
		}
	}
}

func (w *goWorker) tell(id ID, flags uint32) {
	loop := int(id.Index()) / w.c.config.SlotsPerLoop
	o := &w.c.ports[loop].outbox[w.number]
	if atomic.OrUint32(half(&w.slot(id).worker_flags), flags|workerNoticed)&workerNoticed == 0 {
		*word(&o.ids[w.tails[loop]&o.mask]) = uint64(id)
		w.tails[loop]++
		w.told[loop] = true
	}
}

// publish reports whether it found a loop asleep, which it then rings.
func (w *goWorker) publish() (rang bool) {
	for loop, p := range w.c.ports {
		if !w.told[loop] {
			continue
		}
		w.told[loop] = false
		atomic.StoreUint64(word(&p.outbox[w.number].marks.tail), w.tails[loop])
		if atomic.SwapUint32(half(&p.record.sleeping), 0) != 0 {
			p.wake(w.c.loops[loop])
			rang = true
		}
	}
	return rang
}

func (w *goWorker) sleep() bool {
	sleeping := half(&w.c.worker(w.number).sleeping)
	atomic.StoreUint32(sleeping, 1)
	if w.inbox.empty() && w.notices.empty() {
		return true
	}
	atomic.StoreUint32(sleeping, 0)
	return false
}

func (q *queue) empty() bool {
	at := atomic.LoadUint64(q.head)
	return int64(atomic.LoadUint64(word(&q.cells[at&q.mask].sequence))-(at+1)) < 0
}
