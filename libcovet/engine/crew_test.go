package engine

import (
	"fmt"
	"testing"
	"time"
)

// fakeWorker takes requests in a simulation, in virtual time.
type fakeWorker struct {
	waiting  int
	begun    uint64
	beat     int64
	sleeping bool
	rung     bool
	service  int64 // nanoseconds for a request
	busyTill int64
}

type fakeInboxes []*fakeWorker

func (f fakeInboxes) Waiting(w int) int  { return f[w].waiting }
func (f fakeInboxes) Begun(w int) uint64 { return f[w].begun }
func (f fakeInboxes) Beat(w int) int64   { return f[w].beat }
func (f fakeInboxes) Sleeps(w int) bool  { return f[w].sleeping }
func (f fakeInboxes) Rings(w int) bool   { return f[w].rung }
func (f fakeInboxes) Nudge(w int) bool {
	was := f[w].sleeping
	f[w].sleeping = false
	return was
}

func (f fakeInboxes) post(w int) {
	f[w].waiting++
	f[w].rung = true
}

// run lets the workers work until now, each on its own inbox, then on others'.
func (f fakeInboxes) run(now int64) {
	for _, w := range f {
		if w.rung && w.sleeping {
			w.sleeping, w.busyTill = false, now
		}
		w.rung = false
	}
	for _, w := range f {
		for !w.sleeping && w.busyTill <= now {
			from := f.next(w)
			if from == nil {
				w.sleeping = true
				break
			}
			from.waiting--
			w.begun++
			w.beat = w.busyTill
			w.busyTill += w.service
		}
	}
}

func (f fakeInboxes) next(w *fakeWorker) *fakeWorker {
	if w.waiting > 0 {
		return w
	}
	for _, other := range f {
		if other.waiting > 0 && !other.sleeping {
			return other
		}
	}
	return nil
}

type report struct {
	place   int
	blocked bool
	seconds int64
}

func newCrew(count int, service time.Duration) (*crew, fakeInboxes, *[]report) {
	var f fakeInboxes
	var reports []report
	for range count {
		f = append(f, &fakeWorker{sleeping: true, service: int64(service)})
	}
	c := &crew{port: f, report: func(place int, blocked bool, since, now int64) {
		reports = append(reports, report{place, blocked, (now - since + int64(time.Second)/2) / int64(time.Second)})
	}, queued: func(int64) {}}
	for i := range count {
		c.admit(i, 1, 1)
	}
	return c, f, &reports
}

// simulate posts `each` requests in every turn.
func simulate(c *crew, f fakeInboxes, turns, each int, turn time.Duration) (now int64) {
	now = 1
	for range turns {
		now += int64(turn)
		c.look(now)
		c.watch(now)
		for range each {
			f.post(c.pick(1, now))
		}
		c.due(now)
		f.run(now)
	}
	return now
}

func TestQuickRequestsGather(t *testing.T) {
	c, f, _ := newCrew(4, 2*time.Microsecond)
	simulate(c, f, 2000, 20, 100*time.Microsecond)
	if total := f[0].begun + f[1].begun + f[2].begun + f[3].begun; f[0].begun < total*9/10 {
		t.Errorf("the first of four workers took %d of %d", f[0].begun, total)
	}
}

func TestSlowRequestsSpread(t *testing.T) {
	c, f, _ := newCrew(4, time.Millisecond)
	simulate(c, f, 4000, 1, 300*time.Microsecond)
	for i, w := range f {
		if w.begun < 300 || w.waiting > 20 {
			t.Errorf("worker %d took %d, and %d wait", i, w.begun, w.waiting)
		}
	}
}

func TestABusyWorkerIsAvoided(t *testing.T) {
	c, f, _ := newCrew(2, 2*time.Microsecond)
	now := simulate(c, f, 100, 2, 100*time.Microsecond)
	f[0].sleeping, f[0].busyTill = false, now+int64(time.Minute)
	for range 100 {
		now += int64(100 * time.Microsecond)
		c.look(now)
		c.watch(now)
		f.post(c.pick(1, now))
		c.due(now)
		f.run(now)
	}
	// What it got before it was found out is taken by the other one.
	if f[0].waiting != 0 {
		t.Errorf("%d wait for a worker that is busy", f[0].waiting)
	}
}

func TestASleeperIsWokenForWhatOthersKeepWaiting(t *testing.T) {
	c, f, _ := newCrew(2, 2*time.Microsecond)
	now := int64(1)
	f[0].sleeping, f[0].busyTill, f[0].waiting = false, int64(time.Hour), 3
	for due, looks := c.due(now), 0; f[0].waiting > 0; due, looks = c.due(now), looks+1 {
		if due == 0 || due > now+longLook || looks > 3 {
			t.Fatalf("the next look is due at %d, now is %d, %d looks", due, now, looks)
		}
		now = due
		c.look(now)
		c.watch(now)
		f.run(now)
	}
	if now > int64(5*time.Millisecond) {
		t.Errorf("they waited for %v", time.Duration(now))
	}
}

func TestNothingIsDueWhileAllSleep(t *testing.T) {
	c, f, _ := newCrew(3, time.Microsecond)
	if due := c.due(5); due != 0 {
		t.Errorf("a look is due at %d", due)
	}
	f[2].sleeping = false
	if c.due(5) == 0 {
		t.Error("nobody looks at a worker that is awake")
	}
}

func TestABlockedEventLoopIsReportedOnce(t *testing.T) {
	c, f, reports := newCrew(2, time.Microsecond)
	f[1].sleeping, f[1].beat = false, 1
	now := int64(1)
	looks := 0
	for ; now < int64(10*time.Second); looks++ {
		due := c.due(now)
		if due == 0 {
			t.Fatal("no look is due")
		}
		now = due
		c.watch(now)
	}
	if looks > 200 {
		t.Errorf("%d looks in ten seconds", looks)
	}
	f[1].sleeping = true
	now = c.due(now)
	c.watch(now)
	if got, want := fmt.Sprint(*reports), "[{1 true 1} {1 false 10}]"; got != want {
		t.Errorf("reports are %s, not %s", got, want)
	}
}

func TestPickKeepsToTheRoutes(t *testing.T) {
	c, _, _ := newCrew(2, time.Microsecond)
	c.admit(1, 2, 1)
	c.retire(1)
	if c.pick(1, 1) != 0 || c.pick(2, 1) != nobody || c.pick(3, 1) != nobody {
		t.Errorf("picked %d, %d, %d", c.pick(1, 1), c.pick(2, 1), c.pick(3, 1))
	}
	c.forget(1)
	c.retire(0)
	if c.pick(1, 1) != nobody {
		t.Error("picked a worker that is retired")
	}
}

func TestSocketsAreSpread(t *testing.T) {
	c, f, _ := newCrew(4, 2*time.Microsecond)
	var held holders
	now := int64(1)
	for range 400 {
		now += int64(time.Millisecond)
		c.look(now)
		place := c.pickHolder(1, held, now)
		f.post(place)
		held.add(place, 1)
		f.run(now)
	}
	for place := range f {
		if held.at(place) != 100 {
			t.Errorf("worker %d has %d of 400", place, held.at(place))
		}
	}
	f[0].sleeping, f[0].busyTill = false, now+int64(time.Minute)
	held.add(0, -50)
	now += int64(time.Second)
	if place := c.pickHolder(1, held, now); place == 0 {
		t.Error("a busy worker got a WebSocket for having few")
	}
	if place := c.pickHolder(2, held, now); place != nobody {
		t.Errorf("worker %d of other routes got a WebSocket", place)
	}
}
