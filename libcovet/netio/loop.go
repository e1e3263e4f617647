package netio

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
	"github.com/covetpy/covetpy/libcovet/wheel"
)

const (
	turnEvents    = 1024
	wheelTick     = 10 * time.Millisecond
	wheelCapacity = 4096 // to begin with
	acceptPause   = int64(100 * time.Millisecond)
	trimPause     = int64(time.Second)
	shutdownLimit = int64(2 * time.Second)
	bufferColour  = 192 // bytes between receive buffers, so that their first lines don't share one cache set
)

// Loop owns connections and the thread that serves them.
type Loop struct {
	options Options
	handler Handler
	backend backend
	buffers proactor.Buffers
	events  []proactor.Event
	scratch [][]byte // mappings to give back in the end

	table
	listeners []listener
	parked    []parked // accepted while the limit was reached
	pool      pool
	wheel     *wheel.Wheel

	used      []uint16 // receive buffers to give back
	starved   []*Conn
	resuming  []*Conn
	dirty     []*Conn
	postponed []*Conn // have more to send, once others have had their turn
	drained   []*Conn
	dying     []*Conn
	released  []uint64
	expired   []uint32
	expire    func(id uint32)

	atHand int // bytes of a file that inMemory has found

	vectors    []proactor.Segment
	vectorUsed int

	epoch         time.Time
	epochNs       int64
	now           int64
	turns         uint64
	acceptRetryAt int64
	trimAt        int64
	limitLogAt    int64
	wakeAt        int64

	again     bool // don't block in the next turn
	begun     bool // Handler.Awake was called in this turn
	asleep    bool // Handler.Sleep was true and Awake was not called since
	stopped   bool
	closing   bool // Run is ending
	notAccept bool
	doorbell  bool // its poll is armed
}

// NewLoop prepares a loop; Run must be called, as only that gives its memory and descriptors back.
func NewLoop(o Options, h Handler) (*Loop, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	l := &Loop{options: o, handler: h, epoch: time.Now(), events: make([]proactor.Event, turnEvents)}
	var start unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &start); err != nil {
		return nil, fmt.Errorf("netio: reading the clock: %w", err)
	}
	l.epochNs = start.Nano()
	l.now = l.clock()
	l.wheel = wheel.New(wheelTick, l.now, min(o.MaxConns, wheelCapacity))
	l.expire = func(id uint32) { l.expired = append(l.expired, id) }
	if err := l.placeMemory(); err != nil {
		return nil, err
	}
	var err error
	if l.backend, err = newBackend(&l.options, l.buffers); err != nil {
		l.releaseMemory()
		return nil, err
	}
	l.table.pool = min(o.PoolConns, o.MaxConns)
	l.prepare(l)
	return l, nil
}

func (l *Loop) placeMemory() error {
	nodes, err := Nodes()
	if err != nil {
		l.options.Log(slog.LevelDebug, err.Error())
	}
	node, why := memoryNode(nodes, l.options.CPU)
	l.options.Log(slog.LevelDebug, why)
	l.pool.node = node
	stride := l.options.BufferSize + bufferColour
	received, err := mapMemory(l.options.Buffers*stride, node)
	if err != nil {
		return err
	}
	l.scratch = append(l.scratch, received)
	l.buffers = proactor.Buffers{
		Base: unsafe.Pointer(&received[0]), Count: l.options.Buffers, Size: l.options.BufferSize, Stride: stride,
	}
	vectors, err := mapMemory(vectorSegments*int(unsafe.Sizeof(proactor.Segment{})), node)
	if err != nil {
		l.releaseMemory()
		return err
	}
	l.scratch = append(l.scratch, vectors)
	l.vectors = unsafe.Slice((*proactor.Segment)(unsafe.Pointer(&vectors[0])), vectorSegments)
	return nil
}

func (l *Loop) releaseMemory() {
	for _, memory := range l.scratch {
		_ = unix.Munmap(memory)
	}
	l.scratch = nil
	l.pool.release()
}

// BackendName tells which backend is in use: "io_uring" or "epoll".
func (l *Loop) BackendName() string { return l.backend.Name() }

// Now returns the time at which the current turn began, in nanoseconds of CLOCK_MONOTONIC.
func (l *Loop) Now() int64 { return l.now }

// Turns returns how many times the loop has come back from the kernel.
func (l *Loop) Turns() uint64 { return l.turns }

// Stop makes Run end after the current turn. Connections that are still open are aborted.
func (l *Loop) Stop() { l.stopped = true }

// WakeAt asks for a turn with Awake at a time of Now's clock, if there is none before; 0 takes that back.
func (l *Loop) WakeAt(at int64) { l.wakeAt = at }

// Clock is the present time of Now's clock.
func (l *Loop) Clock() int64 { return l.clock() }

func (l *Loop) clock() int64 { return l.epochNs + int64(time.Since(l.epoch)) }

// Run serves until Stop is called or the backend fails. It locks the calling goroutine to its thread, and pins that to
// Options.CPU. Listeners are not closed, they belong to the caller.
func (l *Loop) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.releaseMemory()
	if l.options.CPU >= 0 {
		before := pin(l.options.CPU, l.options.Log)
		defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	}
	defer blockBrokenPipe()()
	if err := l.backend.Start(); err != nil {
		l.backend.Shutdown()
		return fmt.Errorf("netio: %w", err)
	}
	l.armDoorbell()
	l.adjustAccept()
	l.again = true
	var err error
	for !l.stopped && err == nil {
		err = l.turn()
	}
	return errors.Join(err, l.shutdown(err == nil))
}

// blockBrokenPipe keeps SIGPIPE from the thread until the function that it returns is called: a file that is sent to a peer
// that has gone raises it, whatever the process does with it, and sendfile cannot be told not to.
func blockBrokenPipe() (undo func()) {
	var set, before unix.Sigset_t
	set.Val[0] = 1 << (uint(unix.SIGPIPE) - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before); err != nil {
		return func() {}
	}
	return func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) }
}

// pin binds the thread to a processor and returns what it was bound to before.
func pin(cpu int, log func(slog.Level, string)) (before unix.CPUSet) {
	_ = unix.SchedGetaffinity(0, &before)
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		log(slog.LevelWarn, fmt.Sprintf("cannot pin the loop to processor %d: %v", cpu, err))
	}
	return before
}

// turn waits for events, handles them, lets the engine work, and prepares what the next turn submits.
func (l *Loop) turn() error {
	timeout := l.timeout()
	busy := l.again
	l.again, l.begun = false, false
	count, err := l.backend.Turn(timeout, l.events)
	if err != nil {
		return fmt.Errorf("netio: %w", err)
	}
	l.now = l.clock()
	l.turns++
	l.vectorUsed = 0
	if busy || l.wakeAt != 0 && l.wakeAt <= l.now {
		l.wakeAt = 0
		l.awake()
	}
	l.dispatch(l.events[:count])
	l.recycle()
	l.expireTimers()
	l.finish()
	l.tellSent()
	l.again = false
	if l.begun && l.handler.Work() {
		l.again = true
	}
	l.resume()
	l.flush()
	l.finish()
	return nil
}

// awake tells the handler, once per turn and only if there is something for it, that it is about to be called.
func (l *Loop) awake() {
	if !l.begun {
		l.begun, l.asleep = true, false
		l.handler.Awake(l.now)
	}
}

// timeout returns how long the turn may block: 0 is not at all, -1 without limit.
func (l *Loop) timeout() int64 {
	if l.again || l.stopped {
		return 0
	}
	if !l.asleep {
		if !l.handler.Sleep() {
			l.again = true
			return 0
		}
		l.asleep = true
	}
	next, ok := l.wheel.Next(l.now)
	if l.acceptRetryAt != 0 && (!ok || l.acceptRetryAt < next) {
		next, ok = l.acceptRetryAt, true
	}
	if l.wakeAt != 0 && (!ok || l.wakeAt < next) {
		next, ok = l.wakeAt, true
	}
	if l.trimAt == 0 && l.pool.excess() {
		l.trimAt = l.now + trimPause
	}
	if l.trimAt != 0 && (!ok || l.trimAt < next) {
		next, ok = l.trimAt, true
	}
	if !ok {
		return -1
	}
	return max(next-l.now, 0)
}

func (l *Loop) dispatch(events []proactor.Event) {
	for i := range events {
		e := &events[i]
		switch operation(e.Token >> operationShift) {
		case opRecv:
			l.onReceive(e)
		case opFill:
			l.onFill(e)
		case opSend:
			l.onSend(e)
		case opAccept:
			l.onAccept(e)
		case opRead:
			l.onRead(e)
		case opDoorbell:
			l.doorbell = e.More()
			l.awake()
			l.armDoorbell()
		}
	}
}

func (l *Loop) armDoorbell() {
	if !l.doorbell && !l.closing && l.options.Doorbell > 0 {
		l.doorbell = true
		l.backend.Poll(l.options.Doorbell, token(opDoorbell, 0, 0))
	}
}

func (l *Loop) arm(c *Conn, at int64) {
	c.armed = at
	l.wheel.Set(c.Index, at)
}

// expireTimers handles what is due: the wheel's connections, the pause of accepting, the trim of memory.
func (l *Loop) expireTimers() {
	l.wheel.Advance(l.now, l.expire)
	for _, index := range l.expired {
		if l.has(index) {
			l.expireConn(l.at(index))
		}
	}
	l.expired = l.expired[:0]
	if l.acceptRetryAt != 0 && l.acceptRetryAt <= l.now {
		l.acceptRetryAt = 0
		l.adjustAccept()
	}
	if l.trimAt != 0 && l.trimAt <= l.now {
		l.trimAt = 0
		l.pool.trim()
	}
}

// expireConn acts on a deadline, unless it was moved since the wheel was told.
func (l *Loop) expireConn(c *Conn) {
	c.armed = 0
	switch {
	case c.deadline == 0 || c.state == stateFree || c.state == stateDying:
	case c.deadline > l.now:
		l.arm(c, c.deadline)
	case c.state == stateOpen:
		c.deadline = 0
		l.awake()
		l.handler.Expired(c)
	default:
		c.reset = c.state == stateFlushing
		c.die()
	}
}

// shutdown ends every operation, as the kernel may write to the loop's memory until then.
func (l *Loop) shutdown(orderly bool) error {
	l.closing = true
	l.Each((*Conn).Abort)
	l.dropParked()
	l.adjustAccept()
	if l.doorbell {
		l.backend.Cancel(l.options.Doorbell, token(opDoorbell, 0, 0))
	}
	limit := l.clock() + shutdownLimit
	for orderly && (l.open > 0 || l.doorbell || l.accepting()) {
		l.finish()
		count, err := l.backend.Turn(int64(wheelTick), l.events)
		if err != nil || l.clock() > limit {
			return errors.Join(err, l.abandon())
		}
		l.dispatch(l.events[:count])
		l.recycle()
		l.finish()
	}
	if !orderly {
		return l.abandon()
	}
	l.tellSent()
	_, err := l.backend.Turn(0, l.events)
	l.backend.Shutdown()
	return err
}

// abandon ends a loop whose operations can't be awaited. The kernel may still use their memory, so it stays mapped.
func (l *Loop) abandon() error {
	l.scratch, l.pool.maps = nil, nil
	l.backend.Shutdown()
	l.Each(func(c *Conn) {
		for c.head != nil {
			l.pop(c)
		}
		_ = unix.Close(c.fd)
		l.awake()
		l.handler.Closed(c)
		l.give(c)
	})
	l.tellSent()
	return errors.New("netio: operations were still under way at the end; their memory stays mapped")
}
