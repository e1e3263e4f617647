package uring

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

func TestProbe(t *testing.T) {
	if err := Probe(); err != nil {
		t.Skipf("no io_uring here: %v", err)
	}
}

// start returns a loop on the test's own, locked thread.
func start(t *testing.T, count int) *Loop {
	t.Helper()
	const size = 64
	memory, err := unix.Mmap(-1, 0, count*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(proactor.Buffers{Base: unsafe.Pointer(&memory[0]), Count: count, Size: size, Stride: size}, false)
	if err != nil {
		_ = unix.Munmap(memory)
		t.Skipf("no io_uring here: %v", err)
	}
	runtime.LockOSThread()
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Shutdown()
		_ = unix.Munmap(memory)
		runtime.UnlockOSThread()
	})
	return l
}

func eventfd(t *testing.T) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func bell(t *testing.T, fd int) {
	t.Helper()
	if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
}

// collect turns the loop until it has seen count events.
func collect(t *testing.T, l *Loop, count int) []proactor.Event {
	t.Helper()
	var all []proactor.Event
	events := make([]proactor.Event, 100)
	for deadline := time.Now().Add(20 * time.Second); len(all) < count; {
		n, err := l.Turn(int64(100*time.Millisecond), events)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events[:n]...)
		if time.Now().After(deadline) {
			t.Fatalf("got %d events of %d", len(all), count)
		}
	}
	return all
}

func TestMoreOperationsThanTheQueueHolds(t *testing.T) {
	l := start(t, 1)
	fd := eventfd(t)
	bell(t, fd)
	const count = 3*submissionEntries + 1
	for token := range uint64(count) {
		l.Poll(fd, token)
	}
	seen := map[uint64]bool{}
	for _, e := range collect(t, l, count) {
		seen[e.Token] = true
	}
	if len(seen) != count {
		t.Errorf("%d of %d operations completed", len(seen), count)
	}
}

func TestMoreCompletionsThanTheQueueHolds(t *testing.T) {
	l := start(t, 1)
	fd := eventfd(t)
	bell(t, fd)
	const count = completionEntries + 3000
	for token := range uint64(count) {
		l.Poll(fd, token)
	}
	seen := map[uint64]int{}
	for _, e := range collect(t, l, count) {
		seen[e.Token]++
	}
	for token := range uint64(count) {
		if seen[token] == 0 {
			t.Fatalf("operation %d never completed", token)
		}
	}
}

func TestBufferRingRunsDryAndIsRefilled(t *testing.T) {
	l := start(t, 4)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(pair[0]); _ = unix.Close(pair[1]) }()
	const token, rounds = 9, 1000
	sent := 0
	for round := range rounds {
		message := make([]byte, 64*4+10)
		for i := range message {
			message[i] = byte(sent + i)
		}
		if _, err := unix.Write(pair[1], message); err != nil {
			t.Fatal(err)
		}
		got := 0
		var used []uint16
		receiving := false
		for got < len(message) {
			if !receiving {
				l.Recycle(used)
				used = used[:0]
				l.Recv(pair[0], token)
				receiving = true
			}
			for _, e := range collect(t, l, 1) {
				receiving = receiving && e.More()
				id, ok := e.Buffer()
				if !ok {
					if e.Res != -int32(unix.ENOBUFS) {
						t.Fatalf("round %d: result %d", round, e.Res)
					}
					continue
				}
				used = append(used, id)
				for i, b := range l.buffers.memory.Bytes(id, int(e.Res)) {
					if b != byte(sent+got+i) {
						t.Fatalf("round %d: byte %d is wrong", round, got+i)
					}
				}
				got += int(e.Res)
			}
		}
		sent += len(message)
		l.Cancel(pair[0], token)
		for receiving {
			for _, e := range collect(t, l, 1) {
				receiving = receiving && e.More()
			}
		}
		l.Recycle(used)
	}
}

func TestBufferCountIsChecked(t *testing.T) {
	for _, count := range []int{0, 3, 4096} {
		if l, err := New(proactor.Buffers{Count: count, Size: 1, Stride: 1}, false); err == nil {
			l.Shutdown()
			t.Errorf("%d buffers were accepted", count)
		}
	}
}
