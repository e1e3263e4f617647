package netio

import (
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refuseRings makes io_uring_setup fail with EPERM on this thread, for ever, as container runtimes do.
func refuseRings(t *testing.T) {
	t.Helper()
	const returnAllow, returnErrno = 0x7fff0000, 0x00050000
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: returnErrno | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: returnAllow},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Skipf("no seccomp here: %v", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		t.Skipf("no seccomp here: %v", err)
	}
}

func TestEpollTakesOverWhereRingsAreRefused(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		runtime.LockOSThread() // and never unlocked: the thread ends with the test
		refuseRings(t)
		var g logLines
		l, err := NewLoop(Options{CPU: -1, Log: g.log}, &script{})
		if err != nil {
			t.Fatal(err)
		}
		if l.BackendName() != "epoll" {
			t.Errorf("the backend is %s", l.BackendName())
		}
		if lines := g.all(); len(lines) != 1 || !strings.Contains(lines[0], "operation not permitted") {
			t.Errorf("logged %q", lines)
		}
		l.Stop()
		if err := l.Run(); err != nil {
			t.Error(err)
		}
		if _, err := NewLoop(Options{Backend: IOUring, CPU: -1}, &script{}); err == nil || !strings.Contains(err.Error(), "io_uring") {
			t.Errorf("io_uring alone: %v", err)
		}
	})
}

func TestUnixConnectionsOnAPinnedLoop(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		path := filepath.Join(t.TempDir(), "socket")
		fd, _, err := Listen("unix", path, 16, false)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Close(fd) }()
		var l *Loop
		pinned := false
		s := &script{received: func(c *Conn, p []byte) int {
			var set unix.CPUSet
			pinned = unix.SchedGetaffinity(0, &set) == nil && set.Count() == 1 && set.IsSet(0)
			if c.Remote().IsValid() || c.Local().IsValid() {
				t.Errorf("a unix socket has addresses %s, %s", c.Remote(), c.Local())
			}
			c.Commit(append(c.Reserve(len(p)), p...))
			c.CloseAfterFlush()
			return len(p)
		}}
		s.closed = func(*Conn) { l.Stop() }
		if l, err = NewLoop(Options{Backend: kind, CPU: 0}, s); err != nil {
			t.Fatal(err)
		}
		l.AddListener(fd, 0)
		ended := make(chan error)
		go func() { ended <- l.Run() }()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, []byte("x"))
		if n, err := c.Read(make([]byte, 9)); err != nil || n != 1 {
			t.Errorf("read %d, %v", n, err)
		}
		_ = c.Close()
		if err := wait(t, ended, "the loop to end"); err != nil {
			t.Error(err)
		}
		if !pinned {
			t.Error("the loop's thread is not pinned to processor 0")
		}
	})
}

func TestIPv6Connections(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		fd, bound, err := Listen("tcp", "[::1]:0", 16, false)
		if err != nil {
			t.Skipf("no IPv6 here: %v", err)
		}
		var remote string
		v := start(t, Options{Backend: kind}, &script{received: func(c *Conn, p []byte) int {
			remote = c.Remote().String()
			return echo(c, p)
		}})
		v.do(func() { v.loop.AddListener(fd, 1) })
		c, err := net.Dial("tcp", bound.String())
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, []byte("x"))
		if n, err := c.Read(make([]byte, 9)); err != nil || n != 1 {
			t.Errorf("read %d, %v", n, err)
		}
		v.do(func() {
			if remote != c.LocalAddr().String() {
				t.Errorf("remote is %s, want %s", remote, c.LocalAddr())
			}
		})
		_ = c.Close()
		v.stop()
		_ = unix.Close(fd)
	})
}
