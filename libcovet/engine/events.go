package engine

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxEvents is how many events wait for a supervisor that does not look.
	maxEvents = 256
	// queuedPause is the least time between two events that say that requests
	// wait.
	queuedPause = int64(time.Second)
)

// Event is something that a supervisor wants to know.
type Event struct {
	Event   string  `json:"event"`            // "blocked", "unblocked", "queued" or "failed"
	Place   int     `json:"place"`            // the worker's; 0 with "queued" and "failed"
	Seconds float64 `json:"seconds"`          // how long it has been, or was, blocked
	Reason  string  `json:"reason,omitempty"` // with "failed"
}

// events holds what the loops have noticed until the supervisor asks.
type events struct {
	mu      sync.Mutex
	fd      int // an eventfd; -1 when nobody listens
	list    []Event
	blocked map[int]time.Time
	quiet   int64                        // until then nothing more is said of requests that wait
	show    func(place int, since int64) // tells the workers
}

func (v *events) open(show func(place int, since int64)) {
	v.fd, v.blocked, v.show = -1, map[int]time.Time{}, show
}

// descriptor is readable while there are events.
func (v *events) descriptor() (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fd < 0 {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return -1, err
		}
		v.fd = fd
	}
	return v.fd, nil
}

// note is called by the loops; several may notice the same.
func (v *events) note(place int, blocked bool, since, now int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, was := v.blocked[place]
	if was == blocked {
		return
	}
	seconds := float64(now-since) / float64(time.Second)
	name := "unblocked"
	if blocked {
		name = "blocked"
		v.blocked[place] = time.Now().Add(-time.Duration(now - since))
	} else {
		delete(v.blocked, place)
		since = 0
	}
	v.show(place, since)
	v.add(Event{Event: name, Place: place, Seconds: seconds})
}

// queued is called by the loops while requests wait that no worker has begun.
func (v *events) queued(now int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now >= v.quiet {
		v.quiet = now + queuedPause
		v.add(Event{Event: "queued"})
	}
}

// failed is called by a loop that ends because of an error.
func (v *events) failed(reason string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.list = v.list[:min(len(v.list), maxEvents-1)] // the last thing to leave out
	v.add(Event{Event: "failed", Reason: reason})
}

// add is called with the lock held.
func (v *events) add(event Event) {
	if v.fd < 0 || len(v.list) == maxEvents {
		return
	}
	v.list = append(v.list, event)
	_, _ = unix.Write(v.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // a full counter is readable too
}

func (v *events) forget(place int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.blocked, place)
}

// take returns the events so far.
func (v *events) take() []Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fd >= 0 {
		_, _ = unix.Read(v.fd, make([]byte, 8)) // nothing to read: there was no event
	}
	list := v.list
	v.list = nil
	if list == nil {
		list = []Event{}
	}
	return list
}

func (v *events) blockedFor(place int) float64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	since, is := v.blocked[place]
	if !is {
		return 0
	}
	return time.Since(since).Seconds()
}

func (v *events) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.fd >= 0 {
		_ = unix.Close(v.fd)
		v.fd = -1
	}
}
