package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/covetpy/covetpy/bridge"
)

// loopAnswers is how long a loop may take to do what it is told.
const loopAnswers = 5 * time.Second

// sweepAfter lets a loop end the exchanges of a dead worker first.
const sweepAfter = 50 * time.Millisecond

var errFailed = errors.New("a loop of the engine has failed")

// The states of a worker's place.
const (
	placeFree     = "free"
	placeAdmitted = "admitted"
	placeRetired  = "retired"
)

// place is what the engine knows of a worker's place.
type place struct {
	state string
	table uint32
}

// Fates counts what became of a dead worker's requests.
type Fates struct {
	Moved    int `json:"moved"`    // not begun, and given to another worker
	Repeated int `json:"repeated"` // begun, and given to another worker once more
	Failed   int `json:"failed"`   // answered with an error, or cut off
}

// Install makes routes for workers to come from the configuration that such a
// worker has sent, and returns their version.
func (e *Engine) Install(text []byte) (uint32, error) {
	c, err := parseConfig(text)
	if err != nil {
		return 0, err
	}
	e.placing.Lock()
	defer e.placing.Unlock()
	r, err := newRoutes(uint32(len(e.tables)+1), &c)
	if err != nil {
		return 0, err
	}
	e.tables = append(e.tables, r)
	return r.version, nil
}

// Admit lets the loops post requests to a worker that has attached. The newest
// routes of an admitted worker are the current ones.
func (e *Engine) Admit(number int, table uint32) error {
	e.placing.Lock()
	defer e.placing.Unlock()
	switch {
	case number < 0 || number >= len(e.places):
		return fmt.Errorf("there is no place %d", number)
	case e.places[number].state != placeFree:
		return fmt.Errorf("place %d is taken", number)
	case table < 1 || int(table) > len(e.tables):
		return fmt.Errorf("there are no routes %d", table)
	case !e.channel.Ready(number):
		return fmt.Errorf("no worker has attached to place %d", number)
	}
	e.places[number] = place{placeAdmitted, table}
	e.channel.SetTable(number, table)
	r := e.tables[table-1]
	return e.onLoops(func(l *loop) {
		l.crew.admit(number, table, l.net.Now())
		if r.version > l.routes.version {
			l.use(r)
		}
		l.unmanned = 0
		if r.sockets != nil && l.index == len(e.loops)-1 { // the last one that a worker publishes to
			l.port.OpenControl(number)
		}
	})
}

// Retire stops the loops from posting to a worker. What waits for it stays: it
// begins that itself, or others take it.
func (e *Engine) Retire(number int) error {
	e.placing.Lock()
	defer e.placing.Unlock()
	if number < 0 || number >= len(e.places) || e.places[number].state != placeAdmitted {
		return fmt.Errorf("no worker is admitted to place %d", number)
	}
	e.places[number].state = placeRetired
	e.channel.Retire(number)
	return e.onLoops(func(l *loop) {
		l.crew.retire(number)
		l.retireSockets(number)
	})
}

// Reclaim finds what a worker held whose process has ended, and frees its
// place.
func (e *Engine) Reclaim(number int) (Fates, error) {
	e.placing.Lock()
	defer e.placing.Unlock()
	if number < 0 || number >= len(e.places) {
		return Fates{}, fmt.Errorf("there is no place %d", number)
	}
	e.channel.SetTable(number, 0)
	each := make([]Fates, len(e.loops))
	err := e.onLoops(func(l *loop) {
		l.crew.forget(number)
		l.port.Reclaim(number, func(id bridge.ID, s *bridge.Slot, begun bool) {
			l.inherit(id, s, begun, &each[l.index])
		})
	})
	if err != nil {
		return Fates{}, err
	}
	e.channel.Renew(number)
	e.channel.Sweep()
	e.events.forget(number)
	e.places[number] = place{state: placeFree}
	var sum Fates
	for _, f := range each {
		sum.Moved += f.Moved
		sum.Repeated += f.Repeated
		sum.Failed += f.Failed
	}
	return sum, nil
}

// sweepSoon frees the blocks that a dead worker had taken for an exchange that
// outlived it a little, as its connection had to end first.
func (e *Engine) sweepSoon() {
	if !e.sweeping.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(sweepAfter, func() {
		e.placing.Lock()
		defer e.placing.Unlock()
		e.sweeping.Store(false)
		if e.channel != nil {
			e.channel.Sweep()
		}
	})
}

// Descriptors are those that a worker needs to attach to a place: the memory,
// its doorbell, the loops' doorbells.
func (e *Engine) Descriptors(number int) ([]int, error) {
	e.placing.Lock()
	defer e.placing.Unlock()
	if number < 0 || number >= len(e.places) {
		return nil, fmt.Errorf("there is no place %d", number)
	}
	e.channel.Open(number)
	all := []int{e.channel.FD(), e.channel.WorkerDoorbell(number)}
	for i := range e.loops {
		all = append(all, e.channel.LoopDoorbell(i))
	}
	return all, nil
}

// onLoops has every loop do something in its own thread, and waits for it.
// Before the loops run and after they have ended it is done here. Once a loop
// has failed nothing is done.
func (e *Engine) onLoops(do func(l *loop)) error {
	if !e.looping.Load() {
		for _, l := range e.loops {
			do(l)
		}
		return nil
	}
	if e.failure.Load() != nil {
		return errFailed
	}
	done := make(chan struct{}, len(e.loops))
	for _, l := range e.loops {
		select {
		case l.tasks <- func() { do(l); done <- struct{}{} }:
		default:
			return errors.New("a loop does not answer")
		}
	}
	e.wake()
	limit := time.NewTimer(loopAnswers)
	defer limit.Stop()
	for range e.loops {
		select {
		case <-done:
		case <-e.failed:
			return errFailed
		case <-limit.C:
			return errors.New("a loop does not answer")
		}
	}
	return nil
}

// inFlight counts the requests in work on all loops.
func (e *Engine) inFlight() (n uint64) {
	for _, l := range e.loops {
		n += l.count.inFlight.Load()
	}
	return n
}

// WorkerStatus is the state of one worker.
type WorkerStatus struct {
	Place    int     `json:"place"`
	PID      uint32  `json:"pid"`
	State    string  `json:"state"`
	Table    uint32  `json:"table"`
	Waiting  uint64  `json:"waiting"`
	Begun    uint64  `json:"begun"`
	Finished uint64  `json:"finished"`
	Sleeping bool    `json:"sleeping"`
	Blocked  float64 `json:"blocked"` // seconds; 0 when it is not
}

func (e *Engine) workerStatus() (list []WorkerStatus, queued uint64) {
	e.placing.Lock()
	defer e.placing.Unlock()
	list = []WorkerStatus{}
	for number, p := range e.places {
		if p.state == placeFree || e.channel == nil {
			continue
		}
		f := e.channel.Worker(number)
		queued += f.Waiting
		list = append(list, WorkerStatus{
			Place: number, PID: f.PID, State: p.state, Table: p.table, Waiting: f.Waiting,
			Begun: f.Begun, Finished: f.Finished, Sleeping: f.Sleeping, Blocked: e.events.blockedFor(number),
		})
	}
	return list, queued
}
