package engine

import (
	"math"

	"github.com/covetpy/covetpy/bridge"
)

// holders counts the WebSockets of this loop by their worker's place: they
// stay for long, so who has begun the fewest gets the next.
type holders []int

func (h *holders) add(place, n int) {
	for len(*h) <= place {
		*h = append(*h, 0)
	}
	(*h)[place] += n
}

func (h holders) at(place int) int {
	if place < len(h) {
		return h[place]
	}
	return 0
}

// pickHolder chooses the worker for a WebSocket: the one that has the fewest,
// unless it seems to be busy, and of several of those the quickest.
func (c *crew) pickHolder(table uint32, held holders, now int64) int {
	best, fewest, least := nobody, math.MaxInt, int64(math.MaxInt64)
	for i := range c.members {
		m := &c.members[i]
		if m.table != table || m.retired {
			continue
		}
		n, cost := held.at(m.place), c.cost(m, now)
		if cost >= staleCost {
			n = math.MaxInt - 1
		}
		if n < fewest || n == fewest && cost < least {
			best, fewest, least = m.place, n, cost
		}
	}
	return best
}

// holdBy notes which worker has a WebSocket, or will probably have it.
func (l *loop) holdBy(o *owed, place int) {
	l.letGo(o)
	l.held.add(place, 1)
	o.holder = uint16(place) + 1
}

// letGo forgets it again.
func (l *loop) letGo(o *owed) {
	if o.holder != 0 {
		l.held.add(int(o.holder)-1, -1)
		o.holder = 0
	}
}

// socketBegun corrects what was noted: another worker may have been quicker.
func (l *loop) socketBegun(o *owed, slot *bridge.Slot) {
	if o.holder != 0 && slot.BegunBy(int(o.holder)-1) {
		return
	}
	for i := range l.crew.members {
		if place := l.crew.members[i].place; slot.BegunBy(place) {
			l.holdBy(o, place)
			return
		}
	}
}
