package wheel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const tick = int64(100 * time.Millisecond)

// model is a wheel that looks at every timer at every step.
type model map[uint32]int64

// harness runs a wheel beside the model and compares them.
type harness struct {
	t     testing.TB
	wheel *Wheel
	model model
	now   int64
	tick  int64
	since map[uint32]int64 // when each timer was last set
}

func newHarness(t testing.TB, tick, now int64, capacity int) *harness {
	return &harness{t, New(time.Duration(tick), now, capacity), model{}, now, tick, map[uint32]int64{}}
}

func (h *harness) set(id uint32, deadline int64) {
	h.wheel.Set(id, deadline)
	h.model[id], h.since[id] = deadline, h.now
}

func (h *harness) cancel(id uint32) {
	h.wheel.Cancel(id)
	delete(h.model, id)
}

// advance moves the time and checks that nothing fires early or twice, and
// that nothing whose tick is over stays behind.
func (h *harness) advance(now int64, then func(id uint32)) (fired []uint32) {
	h.now = now
	h.wheel.Advance(now, func(id uint32) {
		deadline, ok := h.model[id]
		if !ok {
			h.t.Fatalf("timer %d fires but is not set", id)
		}
		if deadline > now {
			h.t.Fatalf("timer %d fires %d ns early", id, deadline-now)
		}
		delete(h.model, id)
		fired = append(fired, id)
		if then != nil {
			then(id)
		}
	})
	for id, deadline := range h.model {
		if late := now - max(deadline, h.since[id]); late > h.tick {
			h.t.Fatalf("timer %d is %d ns late", id, late)
		}
	}
	h.check()
	return fired
}

func (h *harness) check() {
	if h.wheel.Len() != len(h.model) {
		h.t.Fatalf("%d timers are set, want %d", h.wheel.Len(), len(h.model))
	}
	next, ok := h.wheel.Next(h.now)
	if ok != (len(h.model) > 0) {
		h.t.Fatalf("Next says %v with %d timers", ok, len(h.model))
	}
	for id, deadline := range h.model {
		if latest := max(deadline, h.now); next > latest && next-latest > h.tick {
			h.t.Fatalf("Next is %d ns after the deadline of timer %d", next-latest, id)
		}
	}
	if ok && next < h.now {
		h.t.Fatalf("Next is %d ns in the past", h.now-next)
	}
}

func TestAgainstModel(t *testing.T) {
	spans := []int64{1, 1000, tick - 1, tick, 3 * tick, 64 * tick, 500 * tick, int64(time.Minute), int64(7 * time.Hour), int64(400 * 24 * time.Hour)}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		span := func() int64 { return random.Int64N(spans[random.IntN(len(spans))]) }
		h := newHarness(t, []int64{1, 7, tick, int64(time.Second)}[seed%4], random.Int64N(1<<random.IntN(60)), int(seed%3)*20)
		id := func() uint32 { return random.Uint32N(50) }
		change := func(uint32) {
			switch random.IntN(4) {
			case 0:
				h.cancel(id())
			case 1:
				h.set(id(), h.now-span())
			default:
				h.set(id(), h.now+span())
			}
		}
		for range 3000 {
			switch random.IntN(6) {
			case 0:
				h.advance(h.now+span(), nil)
			case 1:
				h.advance(h.now+span(), change)
			case 2:
				if next, ok := h.wheel.Next(h.now); ok {
					h.advance(next, change)
				}
			default:
				change(0)
				h.check()
			}
		}
	}
}

// TestSleeper only wakes when Next says so, as a loop does.
func TestSleeper(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	h := newHarness(t, tick, 12345, 0)
	for id := range uint32(300) {
		h.set(id, h.now+random.Int64N(int64(30*24*time.Hour)))
	}
	fired, wakes := 0, 0
	for {
		next, ok := h.wheel.Next(h.now)
		if !ok {
			break
		}
		fired += len(h.advance(next, nil))
		wakes++
	}
	if fired != 300 || wakes > 300*levelCount {
		t.Errorf("%d timers fired in %d wake-ups", fired, wakes)
	}
}

func TestKeepAliveIsLazy(t *testing.T) {
	const timeout = int64(5 * time.Second)
	h := newHarness(t, tick, 0, 1)
	wakes := 0
	for step := range int64(6000) { // a request each 10 ms for a minute
		h.set(0, h.now+timeout)
		before := *h.wheel
		if step > 0 {
			h.set(0, h.now+timeout+1)
			if before.heads != h.wheel.heads {
				t.Fatal("moving a deadline later files the timer anew")
			}
		}
		if next, _ := h.wheel.Next(h.now); next <= h.now+int64(10*time.Millisecond) {
			wakes++
		}
		if fired := h.advance(h.now+int64(10*time.Millisecond), nil); fired != nil {
			t.Fatal("a timer that keeps moving fired")
		}
	}
	if wakes > 60*2 {
		t.Errorf("%d wake-ups in a minute", wakes)
	}
	if fired := h.advance(h.now+timeout+2*tick, nil); len(fired) != 1 {
		t.Error("the timer does not fire once it rests")
	}
}

func TestCallbackSetsPastTimer(t *testing.T) {
	h := newHarness(t, tick, 0, 4)
	for id := range uint32(4) {
		h.set(id, tick)
	}
	for now := 5 * tick; now < 8*tick; now += tick {
		if fired := h.advance(now, func(id uint32) { h.set(id, 0) }); len(fired) != 4 {
			t.Fatalf("%v fired, want each of four timers once", fired)
		}
	}
}

func TestCallbackCancelsDueTimers(t *testing.T) {
	h := newHarness(t, tick, 0, 4)
	for id := range uint32(4) {
		h.set(id, tick)
	}
	fired := h.advance(tick, func(uint32) {
		for id := range uint32(4) {
			h.cancel(id)
		}
	})
	if len(fired) != 1 {
		t.Errorf("%v fired, want one timer that cancels the others", fired)
	}
}

func TestOnTheTick(t *testing.T) {
	h := newHarness(t, tick, 0, 1)
	h.set(0, 3*tick)
	if next, _ := h.wheel.Next(0); next != 3*tick {
		t.Errorf("Next is %d, not the deadline", next)
	}
	if fired := h.advance(3*tick, nil); len(fired) != 1 {
		t.Error("a deadline on a tick does not fire at once")
	}
}

func TestExtremes(t *testing.T) {
	w := New(time.Duration(tick), -5, -1)
	if _, ok := w.Next(0); ok || w.Len() != 0 {
		t.Error("an empty wheel has a next timer")
	}
	w.Cancel(0)
	w.Cancel(math.MaxUint32)
	w.Set(0, math.MaxInt64)
	w.Set(1, math.MinInt64)
	w.Set(2, math.MaxInt64-2*tick)
	w.Set(1000, 1)
	var fired []uint32
	note := func(id uint32) { fired = append(fired, id) }
	w.Advance(-1, note)
	w.Advance(tick-1, note)
	if fired != nil {
		t.Errorf("%v fired before the first tick is over", fired)
	}
	w.Advance(tick, note)
	w.Advance(0, note) // a clock that goes back changes nothing
	if slices.Sort(fired); !slices.Equal(fired, []uint32{1, 1000}) {
		t.Errorf("%v fired, want 1 and 1000", fired)
	}
	w.Advance(math.MaxInt64-1, note)
	if !slices.Contains(fired, 2) || slices.Contains(fired, 0) {
		t.Errorf("%v fired at the end of time, want 2 and not 0, which is for ever", fired)
	}
	if next, ok := w.Next(0); !ok || next != math.MaxInt64 {
		t.Errorf("Next is %d, %v for a timer that is for ever", next, ok)
	}
	w.Set(3, 0)
	if next, ok := w.Next(0); !ok || next != math.MaxInt64 || w.Len() != 2 {
		t.Errorf("Next is %d, %v at the end of time", next, ok)
	}
}

func TestNothingAllocates(t *testing.T) {
	w := New(time.Duration(tick), 0, 1000)
	now := int64(0)
	expired := func(id uint32) { w.Set(id, now+int64(id)*tick) }
	n := testing.AllocsPerRun(50, func() {
		for id := range uint32(1000) {
			w.Set(id, now+int64(id)*tick/3)
			if id%7 == 0 {
				w.Cancel(id)
			}
		}
		now += 100 * tick
		w.Advance(now, expired)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSetLater(b *testing.B) {
	w := New(time.Duration(tick), 0, 10000)
	for id := range uint32(10000) {
		w.Set(id, 50*tick)
	}
	b.ReportAllocs()
	id, deadline := uint32(0), 50*tick
	for b.Loop() {
		w.Set(id, deadline)
		deadline++
		if id++; id == 10000 {
			id = 0
		}
	}
}

func BenchmarkSetCancel(b *testing.B) {
	w := New(time.Duration(tick), 0, 10000)
	b.ReportAllocs()
	id := uint32(0)
	for b.Loop() {
		w.Set(id, int64(id)*tick)
		w.Cancel(id)
		if id++; id == 10000 {
			id = 0
		}
	}
}

func BenchmarkAdvanceIdle(b *testing.B) {
	w := New(time.Duration(tick), 0, 1)
	w.Set(0, math.MaxInt64/2)
	now := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		now += 1000
		w.Advance(now, nil)
	}
}
