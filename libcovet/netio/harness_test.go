package netio

import (
	"encoding/binary"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 20 * time.Second // after which a test that waits for something fails

// script is a Handler made of functions; those left nil do nothing. Everything in it belongs to the loop's thread, except
// for the tasks that other goroutines leave for Work.
type script struct {
	opened   func(c *Conn)
	received func(c *Conn, p []byte) int
	room     func(c *Conn) ([]byte, uint64)
	filled   func(c *Conn, token uint64, n int)
	ended    func(c *Conn)
	drained  func(c *Conn)
	released func(token uint64)
	expired  func(c *Conn)
	closed   func(c *Conn)

	opens, closes int

	mutex sync.Mutex
	tasks []func()
}

func (s *script) Opened(c *Conn) {
	s.opens++
	if s.opened != nil {
		s.opened(c)
	}
}

func (s *script) Received(c *Conn, p []byte) int {
	if s.received != nil {
		return s.received(c, p)
	}
	return len(p)
}

func (s *script) Room(c *Conn) ([]byte, uint64) {
	if s.room != nil {
		return s.room(c)
	}
	return nil, 0
}

func (s *script) Filled(c *Conn, token uint64, n int) {
	if s.filled != nil {
		s.filled(c, token, n)
	}
}

func (s *script) Ended(c *Conn) {
	if s.ended != nil {
		s.ended(c)
	} else {
		c.CloseAfterFlush()
	}
}

func (s *script) Drained(c *Conn) {
	if s.drained != nil {
		s.drained(c)
	}
}

func (s *script) Released(token uint64) {
	if s.released != nil {
		s.released(token)
	}
}

func (s *script) Expired(c *Conn) {
	if s.expired != nil {
		s.expired(c)
	}
}

func (s *script) Closed(c *Conn) {
	s.closes++
	if s.closed != nil {
		s.closed(c)
	}
}

func (s *script) Awake(int64) {}

func (s *script) Work() bool {
	for {
		s.mutex.Lock()
		tasks := s.tasks
		s.tasks = nil
		s.mutex.Unlock()
		if len(tasks) == 0 {
			return false
		}
		for _, task := range tasks {
			task()
		}
	}
}

func (s *script) Sleep() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.tasks) == 0
}

// server is a loop that runs in a goroutine of its own.
type server struct {
	t        testing.TB
	loop     *Loop
	script   *script
	address  string
	listener int
	doorbell int
	ended    chan error
	stopOnce sync.Once
}

// eachBackend runs a test on both backends.
func eachBackend(t *testing.T, test func(t *testing.T, kind Kind)) {
	t.Helper()
	t.Run("io_uring", func(t *testing.T) {
		if _, err := newRingForTest(); err != nil {
			t.Skipf("no io_uring here: %v", err)
		}
		test(t, IOUring)
	})
	t.Run("epoll", func(t *testing.T) { test(t, Epoll) })
}

func newRingForTest() (string, error) {
	l, err := NewLoop(Options{Backend: IOUring, CPU: -1}, &script{})
	if err != nil {
		return "", err
	}
	l.Stop()
	return l.BackendName(), l.Run()
}

// start runs a loop on a free port of 127.0.0.1; it is stopped at the end of the test, where its Run must succeed.
func start(t testing.TB, o Options, s *script) *server {
	t.Helper()
	fd, bound, err := Listen("tcp", "127.0.0.1:0", 4096, false)
	if err != nil {
		t.Fatal(err)
	}
	doorbell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	o.Doorbell, o.CPU = doorbell, -1
	l, err := NewLoop(o, s)
	if err != nil {
		t.Fatal(err)
	}
	l.AddListener(fd, 7)
	v := &server{
		t: t, loop: l, script: s, address: bound.String(), listener: fd, doorbell: doorbell, ended: make(chan error, 1),
	}
	go func() { v.ended <- l.Run() }()
	t.Cleanup(v.stop)
	return v
}

func (v *server) stop() {
	v.stopOnce.Do(func() {
		v.post(v.loop.Stop)
		if err := wait(v.t, v.ended, "the loop to end"); err != nil {
			v.t.Errorf("Run: %v", err)
		}
		_ = unix.Close(v.listener)
		_ = unix.Close(v.doorbell)
		if v.script.opens != v.script.closes {
			v.t.Errorf("%d connections were opened and %d closed", v.script.opens, v.script.closes)
		}
	})
}

// post makes the loop's thread run task.
func (v *server) post(task func()) {
	v.script.mutex.Lock()
	v.script.tasks = append(v.script.tasks, task)
	v.script.mutex.Unlock()
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(v.doorbell, one[:])
}

// do makes the loop's thread run task and waits until it has.
func (v *server) do(task func()) {
	v.t.Helper()
	done := make(chan struct{})
	v.post(func() { task(); close(done) })
	wait(v.t, done, "the loop to run a task")
}

// until waits for a condition that the loop's thread evaluates.
func (v *server) until(what string, condition func() bool) {
	v.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		holds := false
		v.do(func() { holds = condition() })
		if holds {
			return
		}
	}
	v.t.Fatalf("waited in vain for %s", what)
}

func (v *server) dial() *net.TCPConn {
	v.t.Helper()
	c, err := net.DialTimeout("tcp", v.address, patience)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func wait[T any](t testing.TB, c <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return value
}

func write(t testing.TB, c net.Conn, p []byte) {
	t.Helper()
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
}

// echo is the handler function that sends back what it gets.
func echo(c *Conn, p []byte) int {
	c.Commit(append(c.Reserve(len(p)), p...))
	return len(p)
}

// pattern returns n bytes that differ from one place to the next.
func pattern(n int) []byte {
	p := make([]byte, n)
	state := uint32(1)
	for i := range p {
		state = state*1664525 + 1013904223
		p[i] = byte(state >> 24)
	}
	return p
}

// lent returns a copy of p outside of the Go heap.
func lent(t testing.TB, p []byte) []byte {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, len(p), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
	copy(memory, p)
	return memory
}

func openDescriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// logLines collects what a loop logs at or above a level.
type logLines struct {
	mutex sync.Mutex
	lines []string
}

func (g *logLines) log(level slog.Level, message string) {
	if level < slog.LevelInfo {
		return
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.lines = append(g.lines, message)
}

func (g *logLines) all() []string {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return append([]string(nil), g.lines...)
}
