package engine

import (
	"math"
	"slices"
	"time"

	"github.com/covetpy/covetpy/bridge"
)

const (
	// wakeCost is what it is worth to wait for a worker that is awake rather
	// than to wake another one.
	wakeCost = int64(200 * time.Microsecond)
	// staleAfter is how long an awake worker may begin nothing before it is
	// taken for busy.
	staleAfter = int64(500 * time.Microsecond)
	// staleCost is what a worker is worth less that seems busy.
	staleCost = int64(20 * time.Millisecond)

	firstPace = int64(5 * time.Microsecond)
	leastPace = int64(time.Microsecond)
	mostPace  = int64(time.Millisecond)

	shortLook = int64(time.Millisecond)
	longLook  = int64(250 * time.Millisecond)
	// blockedAfter is how long an event loop may be busy without a look at its
	// inbox before that is reported.
	blockedAfter = int64(time.Second)
)

// nobody is no place of a worker.
const nobody = -1

// inboxes is what a loop sees of the workers through its port.
type inboxes interface {
	Waiting(place int) int  // requests in its inbox
	Begun(place int) uint64 // requests that it has taken
	Beat(place int) int64   // when it last came for requests
	Sleeps(place int) bool  // it waits for its doorbell
	Rings(place int) bool   // which will ring at the end of the turn
	Nudge(place int) bool   // rings it now; false if it was awake
}

// member is what a loop knows of a worker that it may post to.
type member struct {
	place   int
	table   uint32
	retired bool // gets nothing more; what waits for it may still be taken by others

	begun  uint64 // requests, when last looked at
	at     int64  // when that was
	seen   int64  // when it last began something, or slept
	pace   int64  // nanoseconds that a request takes it, while some wait
	behind bool   // requests were waiting when last looked at

	beat       int64 // when it had last come for requests, at the last watch
	awakeSince int64 // since when that has not changed although it is awake
	watched    uint64
	blocked    bool
}

// crew is the workers that a loop may post to. It belongs to the loop's
// thread, so each loop has its own.
type crew struct {
	port    inboxes
	members []member
	lookAt  int64 // when to watch next; 0 is not at all
	pause   int64
	report  func(place int, blocked bool, since, now int64)
	queued  func(now int64) // requests wait for workers
}

func (c *crew) admit(place int, table uint32, now int64) {
	c.forget(place)
	c.members = append(c.members, member{
		place: place, table: table, begun: c.port.Begun(place), at: now, seen: now, pace: firstPace, awakeSince: now,
	})
}

func (c *crew) retire(place int) {
	for i := range c.members {
		if c.members[i].place == place {
			c.members[i].retired = true
		}
	}
}

// isRetired reports whether the worker of an exchange gets nothing more.
func (c *crew) isRetired(slot *bridge.Slot) bool {
	for i := range c.members {
		if slot.BegunBy(c.members[i].place) {
			return c.members[i].retired
		}
	}
	return true
}

func (c *crew) forget(place int) {
	c.members = slices.DeleteFunc(c.members, func(m member) bool { return m.place == place })
}

// look takes notice, once a turn, of how far the workers have come. One
// worker alone is always the one to take, however far it is.
func (c *crew) look(now int64) {
	if len(c.members) < 2 {
		return
	}
	for i := range c.members {
		m := &c.members[i]
		begun, behind := c.port.Begun(m.place), c.port.Waiting(m.place) > 0
		if n := begun - m.begun; n > 0 {
			pace := (now - m.at) / int64(n)
			switch {
			case m.behind && behind:
				m.pace += (pace - m.pace) / 8
			case m.behind:
				m.pace = min(m.pace, pace)
			}
			m.pace = min(max(m.pace, leastPace), mostPace)
		}
		if begun != m.begun || c.port.Sleeps(m.place) {
			m.seen = now
		}
		m.begun, m.at, m.behind = begun, now, behind
	}
}

// pick chooses the worker for a request: the one that is likely to begin it
// first. Workers that are awake and quick come before those that must be
// woken, for that costs both sides.
func (c *crew) pick(table uint32, now int64) int {
	if len(c.members) == 1 && c.members[0].table == table && !c.members[0].retired {
		return c.members[0].place
	}
	best, least := nobody, int64(math.MaxInt64)
	for i := range c.members {
		m := &c.members[i]
		if m.table != table || m.retired {
			continue
		}
		if cost := c.cost(m, now); cost < least {
			best, least = m.place, cost
		}
	}
	return best
}

// cost is about how long a request would wait for a worker, in nanoseconds.
func (c *crew) cost(m *member, now int64) int64 {
	cost := int64(c.port.Waiting(m.place)) * m.pace
	switch sleeps := c.port.Sleeps(m.place); {
	case sleeps && !c.port.Rings(m.place):
		cost += wakeCost
	case !sleeps && now-m.seen > staleAfter:
		cost += staleCost
	}
	return cost
}

// due is when the loop has to watch the workers: only while one is awake, as
// one that sleeps has nothing to do and keeps nothing waiting.
func (c *crew) due(now int64) int64 {
	awake, waiting := false, false
	for i := range c.members {
		m := &c.members[i]
		awake = awake || m.blocked || !c.port.Sleeps(m.place)
		waiting = waiting || c.port.Waiting(m.place) > 0
	}
	switch {
	case !awake:
		c.lookAt, c.pause = 0, 0
	case waiting:
		if soon := now + max(c.pause, shortLook); c.lookAt == 0 || c.lookAt > soon {
			c.lookAt = soon
		}
	case c.lookAt == 0:
		c.lookAt = now + max(c.pause, longLook/16)
	}
	return c.lookAt
}

// watch wakes workers that sleep while others keep requests waiting, and
// notes whose event loop is blocked.
func (c *crew) watch(now int64) {
	if c.lookAt == 0 || now < c.lookAt {
		return
	}
	c.lookAt = 0
	c.pause = min(max(2*c.pause, shortLook), longLook)
	waiting := 0
	for i := range c.members {
		m := &c.members[i]
		begun, n := c.port.Begun(m.place), c.port.Waiting(m.place)
		if begun != m.watched {
			m.watched, c.pause = begun, 0
		} else if n > 0 && !c.port.Sleeps(m.place) {
			c.nudge(m.table, n)
		}
		waiting += n
		c.mindBlocked(m, now)
	}
	if waiting > 0 {
		c.queued(now)
	}
}

// nudge wakes up to n workers, which then look for requests to take.
func (c *crew) nudge(table uint32, n int) {
	for i := range c.members {
		m := &c.members[i]
		if n > 0 && m.table == table && !m.retired && c.port.Nudge(m.place) {
			n--
		}
	}
}

func (c *crew) mindBlocked(m *member, now int64) {
	beat := c.port.Beat(m.place)
	if beat != m.beat || c.port.Sleeps(m.place) {
		if m.blocked {
			m.blocked = false
			c.report(m.place, false, m.awakeSince, now)
		}
		m.beat, m.awakeSince = beat, now
		return
	}
	if !m.blocked && now-m.awakeSince >= blockedAfter {
		m.blocked = true
		c.report(m.place, true, m.awakeSince, now)
	}
}
