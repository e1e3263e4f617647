package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// The states of an engine, in the order it passes through them.
const (
	stateNew int32 = iota
	stateRunning
	stateDraining
	stateStopped
)

// Engine owns the sockets, the loops and the channel to the workers.
type Engine struct {
	config    Config
	codec     codec
	timing    timing
	ws        socketLimits
	maxBody   int64
	log       *log
	access    *accessWriter
	format    *lineFormat
	proxies   *proxies
	channel   *bridge.Channel
	slots     int // of each loop
	listeners []listener
	loops     []*loop
	chunked   chunkedPool
	trimmer   trimmer
	state     atomic.Int32
	started   time.Time

	placing sync.Mutex // guards places and tables
	places  []place
	tables  []*routes
	events  events
	looping atomic.Bool // the loops run, and do what they are told

	sweeping atomic.Bool // a sweep is due

	mu      sync.Mutex // guards the changes of state
	running sync.WaitGroup
	failure atomic.Pointer[string]
	failed  chan struct{} // closed when there is a failure
}

// New builds an engine and binds its addresses; it serves nothing yet.
func New(config Config) (*Engine, error) {
	proxies, err := newProxies(config.ProxyHeaders, config.ForwardedAllowIPs)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		config: config, codec: newCodec(config.EnableJIT),
		timing: timing{
			keepAlive: ms(config.KeepAliveMS), header: ms(config.HeaderMS),
			body: ms(config.BodyMS), request: ms(config.RequestMS),
		},
		ws:      newSocketLimits(&config),
		maxBody: config.MaxBodyBytes, proxies: proxies,
		log:    newLog(os.Stderr, config.LogLevel),
		failed: make(chan struct{}),
	}
	e.events.open(func(place int, since int64) { e.channel.SetBlocked(place, since) })
	if e.maxBody == 0 {
		e.maxBody = 1<<63 - 1
	}
	if err := e.build(); err != nil {
		e.Free()
		return nil, err
	}
	return e, nil
}

func (e *Engine) build() error {
	// A loop that waits briefly keeps its P; the rest of the process needs one too.
	if runtime.GOMAXPROCS(0) <= e.config.Loops {
		runtime.GOMAXPROCS(e.config.Loops + 1)
	}
	r, err := newRoutes(1, &e.config)
	if err != nil {
		return err
	}
	e.tables = []*routes{r}
	e.slots = e.config.Exchanges
	if r.sockets != nil { // which stay: they must not take the place of requests
		e.slots += e.config.WorkerConnections
	}
	if e.format, err = compileFormat(e.config.AccessLogFormat); err != nil {
		return err
	}
	for range e.config.Places {
		e.places = append(e.places, place{state: placeFree})
	}
	if err := e.listen(); err != nil {
		return err
	}
	c, err := bridge.Create(bridge.Config{
		Workers: e.config.Places, Loops: e.config.Loops,
		SlotsPerLoop: e.slots, InboxCells: nextPower(e.config.Exchanges * e.config.Loops),
		PoolBytes: e.config.MemoryPoolBytes,
	})
	if err != nil {
		return fmt.Errorf("shared memory: %w", err)
	}
	e.channel = c
	e.trimmer.open(c, e.log)
	if e.config.AccessLog {
		if e.access, err = openAccess(&e.config); err != nil {
			return err
		}
	}
	for i := range e.config.Loops {
		l, err := e.newLoop(i)
		if err != nil {
			return err
		}
		e.loops = append(e.loops, l)
	}
	return nil
}

func nextPower(n int) int {
	p := 64
	for p < n {
		p *= 2
	}
	return p
}

func (e *Engine) newLoop(index int) (*loop, error) {
	l := &loop{
		engine: e, index: index, port: e.channel.Port(index),
		limits: http1.Limits{
			MaxTarget: e.config.RequestBufferSize / 2, MaxHead: e.config.RequestBufferSize,
			MaxHeaders: exchange.MaxHeaders, NoSIMD: !e.config.EnableSIMD,
		},
		bySlot: make([]uint32, e.slots),
		tasks:  make(chan func(), 16),
	}
	l.crew = crew{port: l.port, report: e.events.note, queued: e.events.queued}
	l.use(e.tables[0])
	for _, h := range e.config.Headers {
		if !l.stamp.Add(h[0], h[1]) {
			return nil, fmt.Errorf("headers: %q: %q cannot be sent", h[0], h[1])
		}
	}
	l.stamp.Init(e.config.ServerHeader, e.config.DateHeader)
	if e.access != nil {
		l.access = &accessLog{writer: e.access, format: e.format}
	}
	var err error
	l.net, err = netio.NewLoop(e.netOptions(index), l)
	if err != nil {
		return nil, fmt.Errorf("loop %d: %w", index, err)
	}
	for i := range e.listeners {
		l.net.AddListener(e.listeners[i].fds[index], i)
	}
	return l, nil
}

func (e *Engine) netOptions(index int) netio.Options {
	o := netio.Options{
		Buffers: 128, BufferSize: 32 << 10,
		Backend: netio.Auto, Doorbell: e.channel.LoopDoorbell(index),
		MaxConns:  (e.config.WorkerConnections + e.config.Loops - 1) / e.config.Loops,
		PoolConns: e.config.ConnectionPoolSize / e.config.Loops,
		HighWater: e.config.ResponseBufferSize, LowWater: e.config.ResponseBufferSize / 4,
		MaxInput: e.config.RequestBufferSize + pieceBytes, CPU: -1,
		BriefWaits: runtime.GOMAXPROCS(0) > e.config.Loops,
		Log:        func(level slog.Level, text string) { e.netLog(level, text, index) },
	}
	if !e.config.EnableIOUring {
		o.Backend = netio.Epoll
	}
	if index < len(e.config.PinCPUs) {
		o.CPU = e.config.PinCPUs[index]
	}
	return o
}

// netLog passes on what a loop says; what every loop would say, only the
// first one does.
func (e *Engine) netLog(level slog.Level, text string, index int) {
	switch {
	case level >= slog.LevelWarn:
		e.log.warn(text)
	case index != 0:
	case level == slog.LevelInfo:
		e.log.info(text)
	default:
		e.log.debug(text)
	}
}

// Start runs the loops. They serve until Stop.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.state.CompareAndSwap(stateNew, stateRunning) {
		return errors.New("the engine was started before")
	}
	e.started = time.Now()
	if err := e.channel.Started(); err != nil {
		e.log.line(levelWarning, "the workers cannot be told the time of the start: "+err.Error())
	}
	e.channel.SetState(bridge.StateRunning)
	e.looping.Store(true)
	for _, l := range e.loops {
		e.running.Add(1)
		go e.run(l)
	}
	releaseStartUp()
	return nil
}

func (e *Engine) run(l *loop) {
	defer e.running.Done()
	if err := l.net.Run(); err != nil {
		e.fail(fmt.Errorf("loop %d: %w", l.index, err))
	}
}

// fail notes that a loop has ended by itself: what it served is lost, and
// whoever runs the engine has to end it.
func (e *Engine) fail(err error) {
	reason := strings.ReplaceAll(err.Error(), "\n", "; ")
	e.log.line(levelError, reason)
	if e.failure.CompareAndSwap(nil, &reason) {
		close(e.failed)
		e.events.failed(reason)
	}
}

// Drain stops accepting and lets the connections end after what they are
// owed. It returns at once; Status tells how far it has come.
func (e *Engine) Drain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state.CompareAndSwap(stateRunning, stateDraining) {
		e.channel.SetState(bridge.StateDraining)
		e.wake()
	}
}

// Stop ends the loops and closes every socket. It reports whether the loops
// ended within the limit.
func (e *Engine) Stop(limit time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state.Swap(stateStopped) == stateNew {
		return true
	}
	e.channel.SetState(bridge.StateStopped)
	e.wake()
	ended := make(chan struct{})
	go func() {
		e.running.Wait()
		e.looping.Store(false)
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-time.After(limit):
		return false
	}
}

func (e *Engine) wake() {
	one := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	for i := range e.loops {
		// A full counter means that the loop is being woken already.
		_, _ = unix.Write(e.channel.LoopDoorbell(i), one)
	}
}

// Free gives everything back. The loops must have ended.
func (e *Engine) Free() {
	if e.state.Swap(stateStopped) == stateNew {
		for _, l := range e.loops { // only running gives a loop's memory back
			l.net.Stop()
			_ = l.net.Run() // it has served nothing that could be lost
		}
	}
	for _, l := range e.loops {
		l.access.flush() // what the end of the loop has logged
	}
	e.loops = nil
	e.closeListeners()
	if e.access != nil {
		e.access.close()
		e.access = nil
	}
	e.trimmer.close()
	e.events.close()
	e.placing.Lock()
	defer e.placing.Unlock()
	if e.channel != nil {
		_ = e.channel.Close() // unmapping cannot be repaired
		e.channel = nil
	}
	e.places = nil
}

// Channel is what the workers attach to.
func (e *Engine) Channel() *bridge.Channel { return e.channel }

// Loops is the number of loops.
func (e *Engine) Loops() int { return len(e.loops) }

// Status is the engine's figures.
type Status struct {
	State       string  `json:"state"`
	Uptime      float64 `json:"uptime"`
	Connections uint64  `json:"connections"`
	Accepted    uint64  `json:"accepted"`
	Requests    uint64  `json:"requests"`
	InFlight    uint64  `json:"in_flight"`
	Refused     uint64  `json:"refused"`
	Slots       int     `json:"slots_in_use"`
	Blocks      int     `json:"blocks_in_use"`
	Backend     string  `json:"backend"`
	SIMD        bool    `json:"simd"`
	JSON        string  `json:"json"`
	Pooled      uint64  `json:"pooled_connections"`
	Failure     string  `json:"failure,omitempty"`

	Queued  uint64         `json:"queued"` // requests that no worker has begun
	Workers []WorkerStatus `json:"workers"`
}

// Status adds up the loops' figures.
func (e *Engine) Status() Status {
	names := [...]string{"new", "running", "draining", "stopped"}
	s := Status{State: names[e.state.Load()], SIMD: e.config.EnableSIMD, JSON: encoderName(e.config.EnableJIT)}
	if !e.started.IsZero() {
		s.Uptime = time.Since(e.started).Seconds()
	}
	for _, l := range e.loops {
		s.Connections += l.count.connections.Load()
		s.Accepted += l.count.accepted.Load()
		s.Requests += l.count.requests.Load()
		s.InFlight += l.count.inFlight.Load()
		s.Refused += l.count.refused.Load()
		s.Pooled += l.count.pooled.Load()
		s.Queued += l.count.orphans.Load() + l.count.starved.Load()
		s.Backend = l.net.BackendName()
	}
	if e.channel != nil {
		s.Slots, s.Blocks = e.channel.InUse()
	}
	workers, queued := e.workerStatus()
	s.Workers = workers
	s.Queued += queued
	if reason := e.failure.Load(); reason != nil {
		s.Failure = *reason
	}
	return s
}

// StatusJSON is Status as JSON.
func (e *Engine) StatusJSON() ([]byte, error) {
	b, err := e.codec.marshal(e.Status())
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	return b, nil
}

// EventFD is a descriptor that is readable while there are events.
func (e *Engine) EventFD() (int, error) {
	fd, err := e.events.descriptor()
	if err != nil {
		return -1, fmt.Errorf("eventfd: %w", err)
	}
	return fd, nil
}

// EventsJSON is the events since the last call, as a JSON array.
func (e *Engine) EventsJSON() ([]byte, error) {
	// Not with sonic: an encoder that it compiles stays, 1.8 MB for one event.
	b, err := json.Marshal(e.events.take())
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return b, nil
}

// Address is where listener i is bound, "host:port" or a path; "" if there is
// no such listener.
func (e *Engine) Address(i int) string {
	for k := range e.listeners {
		if e.listeners[k].index == i {
			return e.listeners[k].address
		}
	}
	return ""
}

func parseFD(text string) (int, error) {
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 0 {
		return -1, fmt.Errorf("%q is not a file descriptor", text)
	}
	return fd, nil
}
