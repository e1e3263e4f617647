// Package wheel keeps the timers of a loop's connections in a hierarchical
// timing wheel (Varghese and Lauck, 1987): setting, moving and cancelling a
// timer is O(1), and none of them allocates or asks the kernel for the time.
package wheel

import (
	"math"
	"math/bits"
	"time"
)

const (
	digitBits  = 6 // a level is one base-64 digit of the tick number
	slotsPer   = 1 << digitBits
	levelCount = (63 + digitBits - 1) / digitBits // every tick number that fits in an int64
)

// timer has no pointers, so the garbage collector never looks at the array.
// The zero value is a timer that is not set.
type timer struct {
	deadline   int64  // ns
	lazyAfter  int64  // ns; a deadline after this is found in time from where the timer is filed
	next, prev uint32 // ids + 1 of the neighbours in the slot's list; 0 is none
	slot       uint32 // level*slotsPer + digit + 1; 0 is not set
}

// Wheel is a set of timers named by small dense numbers. Its owner is one
// goroutine: nothing in it is locked.
type Wheel struct {
	tick     int64 // ns
	current  int64 // tick number that Advance has reached
	base     int64 // tick number that slots are relative to; current, except during Advance
	tickEnds int64 // ns; until then Advance has nothing to do
	count    int
	levels   uint16             // levels that have a timer
	occupied [levelCount]uint64 // slots that have a timer
	heads    [levelCount * slotsPer]uint32
	timers   []timer
}

// New returns an empty wheel. A timer fires up to one tick after its
// deadline; a tick below 1 ns counts as 1 ns. The time now is a monotonic
// clock in nanoseconds, 0 or more, and the same clock as in the other calls.
// The wheel has room for the ids below capacity and grows when one is passed.
func New(tick time.Duration, now int64, capacity int) *Wheel {
	w := &Wheel{tick: max(int64(tick), 1), timers: make([]timer, max(capacity, 0))}
	w.reach(max(now, 0) / w.tick)
	w.base = w.current
	return w
}

// Len returns how many timers are set.
func (w *Wheel) Len() int { return w.count }

// Set makes the timer id fire at the deadline in nanoseconds, whether or not
// it was set before. A deadline that is past fires at the next tick. Memory
// is proportional to the largest id ever set.
func (w *Wheel) Set(id uint32, deadline int64) {
	if int64(id) < int64(len(w.timers)) {
		if t := &w.timers[id]; t.slot != 0 && deadline > t.lazyAfter {
			t.deadline = deadline
			return
		}
	}
	w.move(id, deadline)
}

// move is the part of Set that has to file the timer.
func (w *Wheel) move(id uint32, deadline int64) {
	if int64(id) >= int64(len(w.timers)) {
		w.grow(id)
	}
	t := &w.timers[id]
	t.deadline = deadline
	if t.slot != 0 {
		w.unlink(t)
	}
	w.file(id, t)
}

func (w *Wheel) grow(id uint32) {
	timers := make([]timer, max(int(id)+1, 2*len(w.timers)))
	copy(timers, w.timers)
	w.timers = timers
}

// Cancel forgets the timer id; it may be one that is not set.
func (w *Wheel) Cancel(id uint32) {
	if int64(id) < int64(len(w.timers)) && w.timers[id].slot != 0 {
		w.unlink(&w.timers[id])
	}
}

// Next returns the earliest moment, in nanoseconds and not before now, at
// which Advance has something to do: to fire a timer or to look again at one
// whose deadline was moved or is far off. It is false when no timer is set.
func (w *Wheel) Next(now int64) (deadline int64, ok bool) {
	if w.levels == 0 {
		return 0, false
	}
	level := bits.TrailingZeros16(w.levels)
	start := w.start(level, bits.TrailingZeros64(w.occupied[level]))
	if start > math.MaxInt64/w.tick {
		return math.MaxInt64, true
	}
	return max(start*w.tick, now), true
}

// Advance calls expired for every timer whose deadline is not after now, in
// nanoseconds, as far as ticks have ended; the timer is no longer set then.
// The order is that of the deadlines only roughly. The callback may call Set
// and Cancel for any timer; one set in it fires in a later Advance. It must
// not call Advance.
func (w *Wheel) Advance(now int64, expired func(id uint32)) {
	if now < w.tickEnds {
		return
	}
	w.reach(now / w.tick)
	for w.levels != 0 {
		level := bits.TrailingZeros16(w.levels)
		digit := bits.TrailingZeros64(w.occupied[level])
		start := w.start(level, digit)
		if start > w.current {
			break
		}
		w.base = start
		w.empty(level*slotsPer+digit, now, expired)
	}
	w.base = w.current
}

// empty takes every timer out of a slot that has come due. Nothing is filed
// into it meanwhile: ticks inside its range now belong to lower levels.
func (w *Wheel) empty(slot int, now int64, expired func(id uint32)) {
	for w.heads[slot] != 0 {
		id := w.heads[slot] - 1
		t := &w.timers[id]
		w.unlink(t)
		if t.deadline <= now {
			expired(id)
		} else {
			w.file(id, t)
		}
	}
}

// reach moves the present to a tick. During Advance the base follows slot by
// slot, so that slots filled earlier keep their meaning.
func (w *Wheel) reach(tick int64) {
	w.current = tick
	w.tickEnds = math.MaxInt64
	if tick < math.MaxInt64/w.tick {
		w.tickEnds = (tick + 1) * w.tick
	}
}

// start returns the first tick of a slot. Slots are never behind the base,
// and share with it every digit above their own.
func (w *Wheel) start(level, digit int) int64 {
	shift := uint(level * digitBits)
	return w.base>>shift>>digitBits<<digitBits<<shift | int64(digit)<<shift
}

// file puts a timer that is not set into the slot of its deadline: the level
// is the highest digit in which its tick differs from the base.
func (w *Wheel) file(id uint32, t *timer) {
	tick := t.deadline / w.tick
	if t.deadline%w.tick > 0 {
		tick++
	}
	tick = max(tick, w.current+1)
	level := (bits.Len64(uint64(tick^w.base)) - 1) / digitBits
	digit := int(tick>>uint(level*digitBits)) & (slotsPer - 1)
	slot := level*slotsPer + digit
	t.lazyAfter = (w.start(level, digit) - 1) * w.tick
	t.slot, t.prev, t.next = uint32(slot+1), 0, w.heads[slot]
	if t.next != 0 {
		w.timers[t.next-1].prev = id + 1
	}
	w.heads[slot] = id + 1
	w.occupied[level] |= 1 << digit
	w.levels |= 1 << level
	w.count++
}

func (w *Wheel) unlink(t *timer) {
	slot := int(t.slot - 1)
	if t.next != 0 {
		w.timers[t.next-1].prev = t.prev
	}
	if t.prev != 0 {
		w.timers[t.prev-1].next = t.next
	} else if w.heads[slot] = t.next; t.next == 0 {
		level := slot / slotsPer
		w.occupied[level] &^= 1 << (slot % slotsPer)
		if w.occupied[level] == 0 {
			w.levels &^= 1 << level
		}
	}
	t.slot = 0
	w.count--
}
