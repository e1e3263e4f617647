package bridge

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// driver is a loop without connections: it starts exchanges, sends their
// bodies and checks every byte that comes back.
type driver struct {
	port    *Port
	seed    uint64
	random  *rand.Rand
	window  int // exchanges in work at once
	target  int
	started int
	live    int
	jobs    []driverJob // by slot
	again   []ID        // to be looked at once more without news
	lent    []lentBlock
	bytes   int64
	starved bool
	stop    *atomic.Bool
	workers []int  // to post to
	between func() // called once a round, on the loop's thread
	request exchange.Request
	head    [60001]byte
	inline  [65536]byte
	params  [8]exchange.Span
}

type driverJob struct {
	id        ID
	plan      exchangePlan
	sent, got int
	bodyEnded bool
	headSeen  bool
	complete  bool
	cancelled bool
}

// lentBlock must keep its bytes until it is given back, even when the
// exchange is over.
type lentBlock struct {
	token  uint64
	stream uint64
	at     int
	bytes  []byte
}

func newDriver(p *Port, seed uint64, target, window int, stop *atomic.Bool) *driver {
	d := &driver{
		port: p, seed: seed, target: target, window: window, stop: stop,
		random: rand.New(rand.NewPCG(seed, uint64(p.loop))), jobs: make([]driverJob, len(p.places)),
		between: func() {},
	}
	for w := range p.inbox {
		d.workers = append(d.workers, w)
	}
	return d
}

func (d *driver) run() error {
	for !d.stop.Load() && (d.started < d.target || d.live > 0 || len(d.lent) > 0) {
		d.between()
		d.port.Awake()
		d.starved = false
		if err := d.begin(); err != nil {
			return err
		}
		busy, err := d.news()
		if err != nil {
			return err
		}
		if err := d.lookAgain(); err != nil {
			return err
		}
		if err := d.giveBack(); err != nil {
			return err
		}
		d.disturb()
		d.port.Ring()
		if !busy {
			if err := d.wait(); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait sleeps until the doorbell rings. Not to be woken at all is a failure.
func (d *driver) wait() error {
	limit := 60000
	if d.starved || len(d.again) > 0 || len(d.lent) > 0 {
		limit = 1
	} else if d.started < d.target && d.live < d.window {
		return nil
	} else if d.live == 0 {
		return nil
	}
	if !d.port.Sleep() {
		return nil
	}
	rung := awaitDoorbell(d.port.LoopDoorbell(d.port.loop), limit, d.stop)
	if !rung && limit > 1 && !d.stop.Load() {
		return fmt.Errorf("no doorbell for %d ms with %d exchanges live", limit, d.live)
	}
	return nil
}

// awaitDoorbell waits up to limit milliseconds and empties the doorbell.
func awaitDoorbell(fd, limit int, stop *atomic.Bool) (rung bool) {
	const slice = 100
	bell := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for ; limit > 0 && !stop.Load(); limit -= slice {
		if n, _ := unix.Poll(bell, min(limit, slice)); n > 0 {
			var count [8]byte
			_, _ = unix.Read(fd, count[:])
			return true
		}
	}
	return false
}

func (d *driver) job(id ID) *driverJob { return &d.jobs[id.Index()-d.port.base] }

func (d *driver) begin() error {
	for d.started < d.target && d.live < d.window {
		id, s, ok := d.port.Begin()
		if !ok {
			d.starved = true
			return nil
		}
		plan := planOf(d.seed, id)
		if !d.fill(id, s, &plan) || !d.port.Post(d.workers[d.random.IntN(len(d.workers))], id) {
			d.port.Release(id)
			d.starved = true
			return nil
		}
		job := d.job(id)
		if job.id != 0 {
			return fmt.Errorf("slot of %x is in use by %x", id, job.id)
		}
		*job = driverJob{id: id, plan: plan, bodyEnded: plan.bodyKind != streamedBody}
		d.started++
		d.live++
		d.sendBody(job, s)
	}
	return nil
}

func (d *driver) fill(id ID, s *Slot, plan *exchangePlan) bool {
	r := &d.request
	r.Reset(d.head[:plan.head])
	patternFill(draw(d.seed, id, requestHead), 0, r.Head)
	index := draw(d.seed, id, requestIndex)
	patternFill(index, 0, unsafe.Slice((*byte)(unsafe.Pointer(&r.Headers)), plan.headers*8))
	patternFill(index, 128, unsafe.Slice((*byte)(unsafe.Pointer(&d.params)), plan.params*4))
	r.NumHeaders, r.Length = plan.headers, int64(plan.body)
	q := Request{Request: r, Route: uint32(plan.route), Params: d.params[:plan.params]}
	if plan.bodyKind == inlineBody {
		q.Body = d.inline[:plan.body]
		patternFill(draw(d.seed, id, requestBody), 0, q.Body)
	}
	return d.port.Fill(id, s, &q)
}

// sendBody passes on as much of a streamed body as there is room for.
func (d *driver) sendBody(job *driverJob, s *Slot) {
	for !job.bodyEnded && job.sent < job.plan.body && s.BodyRoom() {
		most := 3000
		if d.random.IntN(8) == 0 {
			most = 200000
		}
		n := min(1+d.random.IntN(most), job.plan.body-job.sent)
		block, room, ok := d.port.Alloc(n, job.id)
		if !ok {
			d.starved = true
			d.again = append(d.again, job.id)
			return
		}
		patternFill(draw(d.seed, job.id, requestBody), job.sent, room)
		d.port.PushBody(s, block, n)
		d.port.Notify(job.id, s)
		job.sent += n
		d.bytes += int64(n)
		if d.random.IntN(16) == 0 {
			d.again = append(d.again, job.id)
			return
		}
	}
	if !job.bodyEnded && job.sent == job.plan.body {
		job.bodyEnded = true
		s.RaiseEngine(EngineBodyEnd)
		d.port.Notify(job.id, s)
	}
}

func (d *driver) news() (busy bool, err error) {
	for range 256 {
		id, s, ok := d.port.Next()
		if !ok {
			return busy, nil
		}
		busy = true
		if err := d.look(d.job(id), s); err != nil {
			return busy, err
		}
	}
	return true, nil
}

func (d *driver) lookAgain() error {
	n := len(d.again)
	for _, id := range d.again[:n] {
		if s := d.port.Lookup(id); s != nil {
			if err := d.look(d.job(id), s); err != nil {
				return err
			}
		}
	}
	d.again = d.again[:copy(d.again, d.again[n:])]
	return nil
}

// look takes what there is of an answer and ends the exchange when it can.
func (d *driver) look(job *driverJob, s *Slot) error {
	d.sendBody(job, s)
	flags := s.WorkerFlags()
	if flags&WorkerHead != 0 && !job.headSeen {
		if err := d.readHead(job, s); err != nil {
			return err
		}
	}
	if job.headSeen {
		more, err := d.readPieces(job, s)
		if err != nil {
			return err
		}
		if !more && flags&WorkerEnd != 0 {
			job.complete = true
		}
	}
	if flags&WorkerDone == 0 {
		return nil
	}
	switch {
	case job.cancelled: // whatever it has come to
	case flags&WorkerAbort != 0:
		return fmt.Errorf("%x was aborted by its worker", job.id)
	case !job.complete:
		d.again = append(d.again, job.id)
		return nil
	case job.got != job.plan.answer:
		return fmt.Errorf("%x answered %d bytes, not %d", job.id, job.got, job.plan.answer)
	}
	id := job.id
	job.id = 0
	d.live--
	d.port.Release(id)
	if d.port.Lookup(id) != nil || s.generation == 0 {
		return fmt.Errorf("%x is not stale after its release", id)
	}
	return nil
}

func (d *driver) readHead(job *driverJob, s *Slot) error {
	job.headSeen = true
	fields, body, ok := d.port.ResponseParts(s)
	length := int64(job.plan.answer)
	if job.plan.responseKind == streamedResponse {
		length = -1
	}
	if !ok || len(fields) != job.plan.fields || s.Length() != length || s.Status() != uint16(200+job.plan.route%300) {
		return fmt.Errorf("%x: response part: %d field bytes, length %d, status %d", job.id, len(fields), s.Length(), s.Status())
	}
	if at := patternCheck(draw(d.seed, job.id, responseFields), 0, fields); at >= 0 {
		return fmt.Errorf("%x: response fields differ at %d", job.id, at)
	}
	if err := d.check(job, body); err != nil {
		return err
	}
	if s.response_block != 0 && d.random.IntN(2) == 0 {
		stream := draw(d.seed, job.id, responseBody)
		d.lent = append(d.lent, lentBlock{d.port.LendResponse(job.id, s), stream, 0, body})
	}
	return nil
}

func (d *driver) check(job *driverJob, body []byte) error {
	if at := patternCheck(draw(d.seed, job.id, responseBody), job.got, body); at >= 0 {
		return fmt.Errorf("%x: response body differs at %d", job.id, job.got+at)
	}
	job.got += len(body)
	d.bytes += int64(len(body))
	return nil
}

// readPieces reports whether pieces are left for later.
func (d *driver) readPieces(job *driverJob, s *Slot) (more bool, err error) {
	took := false
	for !more {
		block, n, ok := d.port.TakePiece(s)
		if !ok {
			break
		}
		took = true
		at, data := job.got, d.port.Bytes(block)[:n]
		if err := d.check(job, data); err != nil {
			return false, err
		}
		if d.random.IntN(4) == 0 {
			stream := draw(d.seed, job.id, responseBody)
			d.lent = append(d.lent, lentBlock{d.port.Lend(job.id, block), stream, at, data})
		} else if !d.port.Free(block, job.id) {
			return false, fmt.Errorf("%x: block %x was not its own", job.id, block)
		}
		more = d.random.IntN(16) == 0
	}
	if took {
		d.port.Notify(job.id, s)
	}
	if more {
		d.again = append(d.again, job.id)
	}
	return s.HasPieces(), nil
}

// giveBack returns some of the lent blocks, which must be unchanged.
func (d *driver) giveBack() error {
	for len(d.lent) > 0 && (len(d.lent) > 64 || d.live == 0 || d.random.IntN(4) == 0) {
		i := d.random.IntN(len(d.lent))
		b := d.lent[i]
		d.lent[i] = d.lent[len(d.lent)-1]
		d.lent = d.lent[:len(d.lent)-1]
		if b.token == 0 {
			return fmt.Errorf("a block could not be lent")
		}
		if at := patternCheck(b.stream, b.at, b.bytes); at >= 0 {
			return fmt.Errorf("a lent block was overwritten at %d", at)
		}
		d.port.FreeSent(b.token)
	}
	return nil
}

// disturb sends notices of nothing, and cancels.
func (d *driver) disturb() {
	job := &d.jobs[d.random.IntN(len(d.jobs))]
	if job.id == 0 {
		return
	}
	s := d.port.Lookup(job.id)
	switch d.random.IntN(8) {
	case 0, 1, 2:
		d.port.Notify(job.id, s)
	case 3:
		job.cancelled, job.bodyEnded = true, true
		s.RaiseEngine(EngineCancelled | EngineBodyBroken | EngineBodyEnd)
		d.port.Notify(job.id, s)
		if s.WorkerFlags()&WorkerDone != 0 {
			// Seen without Next: its id may still be on the way.
			d.again = append(d.again, job.id)
		}
	}
}

// within sets stop when a test hangs, long before the test binary's own limit.
func within(limit time.Duration, stop *atomic.Bool) func() {
	timer := time.AfterFunc(limit, func() { stop.Store(true) })
	return func() { timer.Stop() }
}
