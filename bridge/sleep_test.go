package bridge

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func rings(t testing.TB, doorbell int) bool {
	t.Helper()
	var count [8]byte
	n, err := unix.Read(doorbell, count[:])
	if err != nil && err != unix.EAGAIN {
		t.Fatal(err)
	}
	return n == 8
}

func TestDoorbellsRingForSleepersOnly(t *testing.T) {
	c := newChannel(t, small)
	p, w := c.Port(0), newGoWorker(c, 1)
	id, s := post(t, p, 1)
	p.Ring()
	if rings(t, c.WorkerDoorbell(1)) {
		t.Error("rang for a worker that is awake")
	}
	if w.sleep() {
		t.Fatal("fell asleep over a full inbox")
	}
	w.take()
	if !w.sleep() {
		t.Fatal("does not sleep")
	}
	p.Ring()
	if rings(t, c.WorkerDoorbell(1)) {
		t.Error("rang without news")
	}
	p.Notify(id, s)
	p.Notify(id, s)
	p.Ring()
	p.Ring()
	if !rings(t, c.WorkerDoorbell(1)) || rings(t, c.WorkerDoorbell(1)) || rings(t, c.WorkerDoorbell(0)) {
		t.Error("did not ring the sleeping worker once")
	}
	w.tell(id, WorkerHead)
	if w.publish() {
		t.Error("rang a loop that is awake")
	}
	if p.Sleep() {
		t.Fatal("the loop fell asleep over news")
	}
	p.Next()
	if !p.Sleep() {
		t.Fatal("the loop does not sleep")
	}
	w.tell(id, WorkerEnd)
	if !w.publish() || !rings(t, c.LoopDoorbell(0)) || rings(t, c.LoopDoorbell(1)) {
		t.Error("did not ring the sleeping loop")
	}
	w.tell(id, WorkerDone)
	if w.publish() {
		t.Error("rang the loop twice")
	}
}

func TestSleepRingsFirst(t *testing.T) {
	c := newChannel(t, small)
	p, w := c.Port(0), newGoWorker(c, 0)
	if !w.sleep() {
		t.Fatal("does not sleep")
	}
	post(t, p, 0)
	if !p.Sleep() || !rings(t, c.WorkerDoorbell(0)) {
		t.Error("the loop sleeps, and the worker was not told of its work")
	}
}

// Both sides sleep whenever they find nothing. One lost wake-up ends it.
func TestNoWakeUpIsLost(t *testing.T) {
	rounds := 200_000
	if testing.Short() {
		rounds = 20_000
	}
	c := newChannel(t, Config{Workers: 1, Loops: 1, SlotsPerLoop: 4, InboxCells: 4, PoolBytes: 1 << 20})
	p, w := c.Port(0), newGoWorker(c, 0)
	var stop atomic.Bool
	defer within(5*time.Minute, &stop)()
	over := make(chan bool, 1)
	go func() { over <- answerAll(c, w, rounds, &stop) }()
	started, ended, slept := 0, 0, 0
	for ended < rounds && !stop.Load() {
		for n := 1 + started%3; n > 0 && started < rounds; n-- {
			if id, _, ok := p.Begin(); ok && p.Post(0, id) {
				started++
			}
		}
		p.Ring()
		before := ended
		for id, _, ok := p.Next(); ok; id, _, ok = p.Next() {
			p.Release(id)
			ended++
		}
		if ended == before && p.Sleep() {
			slept++
			if !awaitDoorbell(c.LoopDoorbell(0), 60_000, &stop) {
				break
			}
			p.Awake()
		}
	}
	if ended < rounds {
		stop.Store(true)
		t.Errorf("stuck after %d of %d", ended, rounds)
	}
	if !<-over {
		t.Error("the worker was stuck")
	}
	t.Logf("the loop slept %d times", slept)
}

func answerAll(c *Channel, w *goWorker, rounds int, stop *atomic.Bool) bool {
	for done := 0; done < rounds; {
		if id, ok := w.take(); ok {
			w.tell(id, WorkerHead|WorkerEnd|WorkerDone)
			done++
			continue
		}
		w.publish()
		if w.sleep() {
			if !awaitDoorbell(c.WorkerDoorbell(0), 60_000, stop) {
				return false
			}
		}
	}
	w.publish()
	return true
}
