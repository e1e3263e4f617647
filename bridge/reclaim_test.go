package bridge

import (
	"sync/atomic"
	"testing"
)

func TestReclaimFindsAllThatADeadWorkerHeld(t *testing.T) {
	c := heapChannel(small)
	p, dead, other := c.Port(0), newGoWorker(c, 0), newGoWorker(c, 1)
	begun, s := post(t, p, 0)
	dead.take()
	b, _, _ := c.Alloc(1, begun) // taken and not handed over
	s.respond(b, 1)
	hidden, _, _ := c.Alloc(1, begun)

	finished, _ := post(t, p, 0)
	dead.take()
	dead.tell(finished, WorkerHead|WorkerEnd|WorkerDone) // and never published

	left, _ := post(t, p, 0)
	dead.take()
	dead.tell(left, WorkerDone)
	p.Release(left)

	lost, _ := post(t, p, 0)
	dead.inbox.pop() // died before it could say that it had begun
	waiting, _ := post(t, p, 0)
	foreign, _ := post(t, p, 1)
	other.take()
	unposted, _ := begin(t, p)

	want := map[ID]bool{begun: true, finished: true, lost: false, waiting: false}
	p.Reclaim(0, func(id ID, s *Slot, wasBegun bool) {
		expected, ok := want[id]
		if !ok || expected != wasBegun {
			t.Errorf("visited %x, begun %v", id, wasBegun)
		}
		delete(want, id)
		flags := s.WorkerFlags()
		switch {
		case id == begun && flags != WorkerAbort|WorkerDone, id == finished && flags != WorkerHead|WorkerEnd|WorkerDone:
			t.Errorf("%x has flags %x", id, flags)
		case wasBegun:
			p.Release(id)
		case !p.Post(1, id):
			t.Errorf("%x cannot be posted to another worker", id)
		}
	})
	if len(want) != 0 {
		t.Errorf("not visited: %v", want)
	}
	for range 2 {
		if id, ok := other.take(); !ok || id != lost && id != waiting {
			t.Errorf("the other worker took %x", id)
		}
	}
	if n := c.Sweep(); n != 1 || c.Free(hidden, begun) {
		t.Errorf("swept %d blocks", n)
	}
	if p.Lookup(foreign) == nil || p.Lookup(unposted) == nil {
		t.Error("exchanges that were not the dead worker's are gone")
	}
	if slots, blocks := c.InUse(); slots != 4 || blocks != 0 {
		t.Errorf("%d slots and %d blocks in use", slots, blocks)
	}
}

func TestRenewedPlaceWorks(t *testing.T) {
	c := heapChannel(small)
	p, dead := c.Port(0), newGoWorker(c, 0)
	for range 5 {
		id, s := post(t, p, 0)
		dead.take()
		p.Notify(id, s)
		dead.tell(id, WorkerHead)
	}
	dead.publish()
	// Killed in the middle of a pop: its cell never becomes free.
	atomic.AddUint64(dead.inbox.head, 1)
	atomic.AddUint64(dead.inbox.tail, 1)
	p.Reclaim(0, func(id ID, _ *Slot, _ bool) { p.Release(id) })
	c.Renew(0)
	if slots, _ := c.InUse(); slots != 0 {
		t.Fatalf("%d slots in use", slots)
	}
	next := newGoWorker(c, 0)
	next.tails[0] = *word(&p.outbox[0].marks.tail) // as attaching does
	for range 100 {
		id, s := post(t, p, 0)
		if got, ok := next.take(); !ok || got != id {
			t.Fatalf("took %x, not %x", got, id)
		}
		p.Notify(id, s)
		if got, ok := next.notice(); !ok || got != id {
			t.Fatalf("noticed %x, not %x", got, id)
		}
		next.tell(id, WorkerDone)
		next.publish()
		if got, _, ok := p.Next(); !ok || got != id {
			t.Fatalf("news of %x, not %x", got, id)
		}
		p.Release(id)
	}
}

func TestSweepSparesTheLivingAndTheSent(t *testing.T) {
	c := heapChannel(small)
	id, _ := begin(t, c.Port(1))
	held, _, _ := c.Alloc(1, id)
	sent, _, _ := c.Alloc(1, id)
	token := c.Port(1).Lend(id, sent)
	c.Alloc(1, ID(1<<32|1000)) // no such slot
	if n := c.Sweep(); n != 1 {
		t.Errorf("swept %d blocks", n)
	}
	if !c.Free(held, id) {
		t.Error("swept a block of a live exchange")
	}
	c.Port(1).FreeSent(token)
	if _, blocks := c.InUse(); blocks != 0 {
		t.Errorf("%d blocks in use", blocks)
	}
}
