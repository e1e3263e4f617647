// Package uring is a proactor over io_uring, and the only code that knows giouring.
package uring

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const (
	submissionEntries = 1024
	completionEntries = 8192
	briefWait         = int64(time.Millisecond)
	ignoredToken      = ^uint64(0) // of operations whose completion nobody waits for
)

// getEventsArg is the kernel's struct io_uring_getevents_arg.
type getEventsArg struct {
	sigmask     uint64
	sigmaskSize uint32
	minWait     uint32
	timespec    uint64
}

// waitArgs lives outside of the Go heap: the argument holds the timespec's address as a number.
type waitArgs struct {
	events   getEventsArg
	timespec unix.Timespec
}

// Loop submits operations and reaps their completions. After Start it belongs to one thread.
type Loop struct {
	ring     *ring
	buffers  bufferRing
	headers  []unix.Msghdr // one per submission entry, outside of the Go heap
	args     *waitArgs
	scratch  []byte
	early    []proactor.Event // completions taken off the ring to make room while operations were being prepared
	enterFd  uintptr
	enterArg uintptr // extra flags of every enter
	fd       int
	broken   error

	briefWaits bool
	busy       bool // the last turn had events, so the next ones are likely to come soon
}

// New creates a loop that receives into buffers. With briefWaits, Go's scheduler isn't told of waits up to a millisecond.
func New(buffers proactor.Buffers, briefWaits bool) (*Loop, error) {
	r, err := newRing(submissionEntries, completionEntries)
	if err != nil {
		return nil, err
	}
	l := &Loop{ring: r, briefWaits: briefWaits, fd: r.owner.RingFd(), enterFd: uintptr(r.owner.RingFd())}
	if r.features&giouring.FeatExtArg == 0 || r.features&giouring.FeatNoDrop == 0 {
		r.close()
		return nil, fmt.Errorf("io_uring lacks EXT_ARG or NODROP (features %#x)", r.features)
	}
	size := int(unsafe.Sizeof(waitArgs{})) + int(r.sqEntries)*int(unsafe.Sizeof(unix.Msghdr{}))
	l.scratch, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	if err != nil {
		r.close()
		return nil, fmt.Errorf("mapping %d bytes for io_uring: %w", size, err)
	}
	l.args = (*waitArgs)(unsafe.Pointer(&l.scratch[0]))
	l.args.events.timespec = uint64(uintptr(unsafe.Pointer(&l.args.timespec)))
	l.headers = unsafe.Slice((*unix.Msghdr)(unsafe.Pointer(&l.scratch[unsafe.Sizeof(waitArgs{})])), r.sqEntries)
	if err := l.buffers.register(r.owner, buffers); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// Name returns the backend's name for logs.
func (l *Loop) Name() string { return "io_uring" }

// Start enables the ring; the calling thread, which must be locked, becomes the only one that may use it.
func (l *Loop) Start() error {
	if _, err := l.ring.owner.EnableRings(); err != nil {
		return fmt.Errorf("enabling io_uring: %w", err)
	}
	update := giouring.RsrcUpdate{Offset: ^uint32(0), Data: uint64(l.fd)}
	count, errno := l.ring.owner.Register(l.fd, giouring.RegisterRingFDs, unsafe.Pointer(&update), 1)
	if errno == 0 && count == 1 {
		l.enterFd, l.enterArg = uintptr(update.Offset), uintptr(giouring.EnterRegisteredRing)
	}
	return nil
}

// Shutdown closes the ring. Every operation must have completed, or the memory lent to them must stay mapped.
func (l *Loop) Shutdown() {
	if l.enterArg != 0 {
		update := giouring.RsrcUpdate{Offset: uint32(l.enterFd)}
		_, _ = l.ring.owner.Register(l.fd, giouring.UnregisterRingFDs, unsafe.Pointer(&update), 1)
		l.enterFd, l.enterArg = uintptr(l.fd), 0
	}
	l.release()
}

func (l *Loop) release() {
	l.ring.close()
	l.buffers.free()
	_ = unix.Munmap(l.scratch)
}

// Recycle gives received buffers back to the kernel.
func (l *Loop) Recycle(ids []uint16) {
	for _, id := range ids {
		l.buffers.add(id)
	}
	l.buffers.publish()
}

// Turn submits what was prepared and reaps completions into events, with at most one system call. It waits up to timeout
// nanoseconds for the first completion: 0 doesn't wait, a negative timeout waits without limit. It may return earlier with
// no events and no error.
func (l *Loop) Turn(timeout int64, events []proactor.Event) (int, error) {
	if l.broken != nil {
		return 0, l.broken
	}
	if len(l.early) > 0 {
		count := copy(events, l.early)
		l.early = l.early[:copy(l.early, l.early[count:])]
		return count, nil
	}
	submit := l.ring.publish()
	if l.ring.ready() > 0 {
		timeout = 0
		if submit == 0 {
			return l.ring.reap(events), nil
		}
	}
	errno := l.enter(submit, timeout)
	switch errno {
	case 0, syscall.ETIME, syscall.EINTR, syscall.EAGAIN, syscall.EBUSY:
		count := l.ring.reap(events)
		l.busy = l.briefWaits && count > 0
		return count, nil
	}
	return 0, fmt.Errorf("io_uring_enter: %w", errno)
}

// enter submits and waits, as Turn says. With briefWaits it tells Go's scheduler only of waits that may be long: between
// the events of a busy loop that would keep the runtime's monitor thread polling every 20 µs. The garbage collector's signal
// interrupts a brief wait, and where it comes a moment too early briefWait bounds the delay.
func (l *Loop) enter(submit uint32, timeout int64) syscall.Errno {
	flags := uintptr(giouring.EnterGetEvents) | l.enterArg
	if timeout == 0 {
		_, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, l.enterFd, uintptr(submit), 0, flags, 0, 0)
		return errno
	}
	brief := l.busy
	if brief && (timeout < 0 || timeout > briefWait) {
		timeout = briefWait
	}
	var arg unsafe.Pointer
	var size uintptr
	if timeout > 0 {
		l.args.timespec = unix.NsecToTimespec(timeout)
		flags |= uintptr(giouring.EnterExtArg)
		arg, size = unsafe.Pointer(&l.args.events), unsafe.Sizeof(getEventsArg{})
	}
	var errno syscall.Errno
	if brief {
		_, _, errno = syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, l.enterFd, uintptr(submit), 1, flags, uintptr(arg), size)
	} else {
		_, _, errno = syscall.Syscall6(unix.SYS_IO_URING_ENTER, l.enterFd, uintptr(submit), 1, flags, uintptr(arg), size)
	}
	return errno
}
