// Package epoll is a proactor over epoll with the methods and meaning of package uring, for kernels that refuse io_uring.
package epoll

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const (
	waitEvents  = 512
	readsAtOnce = 4  // receives of one connection before others have their turn
	acceptBatch = 64 // accepts of one listener before others have their turn
	briefWait   = int64(time.Millisecond)
)

// watch is what the loop knows about one descriptor; the table is indexed by descriptor.
type watch struct {
	recv, send, accept, poll uint64 // tokens of the armed operations

	receiving, sending, accepting, polling bool

	registered bool // with epoll
	readable   bool // there may be input: nothing told otherwise since the last edge
	ending     bool // the peer's FIN or an error waits behind the input
	queued     bool // is in Loop.runnable

	into unsafe.Pointer // where a single receive goes; nil for provided buffers
	room int

	rest unsafe.Pointer // of a send that found the socket full
	size int
}

// Loop tries operations directly and waits for readiness where they would block. It belongs to one thread.
type Loop struct {
	fd       int
	buffers  proactor.Buffers
	free     []uint16 // receive buffers, the most recently used last
	watches  []watch
	ready    []proactor.Event // completions that no readiness stands for
	runnable []int32          // descriptors that can be received from without a new edge
	polled   []unix.EpollEvent
	next     int // first of polled that is not handled yet
	count    int

	disk disk

	briefWaits bool
	busy       bool // the last wait had events, so the next ones are likely to come soon
}

// New creates a loop that receives into buffers. With briefWaits, Go's scheduler isn't told of waits up to a millisecond.
func New(buffers proactor.Buffers, briefWaits bool) (*Loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	l := &Loop{fd: fd, buffers: buffers, polled: make([]unix.EpollEvent, waitEvents), briefWaits: briefWaits}
	for id := buffers.Count - 1; id >= 0; id-- {
		l.free = append(l.free, uint16(id))
	}
	return l, nil
}

// Name returns the backend's name for logs.
func (l *Loop) Name() string { return "epoll" }

// Start does nothing; it is there for the ring's sake.
func (l *Loop) Start() error { return nil }

// Shutdown closes the loop.
func (l *Loop) Shutdown() {
	l.disk.close()
	_ = unix.Close(l.fd)
}

// Recycle takes received buffers back.
func (l *Loop) Recycle(ids []uint16) { l.free = append(l.free, ids...) }

// Turn reports completions. It waits up to timeout nanoseconds, rounded up to milliseconds, for the first one: 0 doesn't
// wait, a negative timeout waits without limit. It may return earlier with no events and no error.
func (l *Loop) Turn(timeout int64, events []proactor.Event) (int, error) {
	filled := copy(events, l.ready)
	l.ready = l.ready[:copy(l.ready, l.ready[filled:])]
	if len(l.ready) > 0 {
		return filled, nil
	}
	if l.next == l.count {
		if filled > 0 || len(l.runnable) > 0 {
			timeout = 0
		}
		if err := l.wait(timeout); err != nil {
			return filled, err
		}
	}
	filled += l.run(events[filled:])
	for l.next < l.count && filled < len(events) {
		e := &l.polled[l.next]
		done, n := l.handle(e, events[filled:])
		filled += n
		if !done {
			break
		}
		l.next++
	}
	return filled, nil
}

// wait asks epoll once. Go's scheduler is told only of waits that may be long; package uring's enter says why.
func (l *Loop) wait(timeout int64) error {
	brief := l.busy || timeout == 0
	if l.busy && (timeout < 0 || timeout > briefWait) {
		timeout = briefWait
	}
	milliseconds := timeout
	if timeout > 0 {
		milliseconds = min((timeout+int64(time.Millisecond)-1)/int64(time.Millisecond), 1<<30)
	}
	call := syscall.Syscall6
	if brief {
		call = syscall.RawSyscall6
	}
	n, _, errno := call(unix.SYS_EPOLL_PWAIT, uintptr(l.fd), uintptr(unsafe.Pointer(&l.polled[0])), waitEvents,
		uintptr(milliseconds), 0, 0)
	l.busy = l.briefWaits && errno == 0 && n > 0
	l.next, l.count = 0, int(n)
	switch errno {
	case 0:
		return nil
	case syscall.EINTR:
		l.count = 0
		return nil
	}
	l.count = 0
	return fmt.Errorf("epoll_pwait: %w", errno)
}

// run receives from descriptors whose last edge is not used up; those still readable afterwards queue again.
func (l *Loop) run(events []proactor.Event) int {
	filled := 0
	count := len(l.runnable)
	done := 0
	for done < count && filled < len(events) {
		fd := l.runnable[done]
		done++
		l.watches[fd].queued = false
		filled += l.receive(int(fd), events[filled:])
	}
	l.runnable = l.runnable[:copy(l.runnable, l.runnable[done:])]
	return filled
}

// handle turns one readiness into completions; done is false if events had no room for all of them.
func (l *Loop) handle(e *unix.EpollEvent, events []proactor.Event) (done bool, filled int) {
	fd := int(e.Fd)
	if l.disk.open && fd == l.disk.bell {
		l.ready = l.disk.collect(l.ready)
		return true, 0
	}
	w := &l.watches[fd]
	if w.accepting {
		return l.acceptAll(fd, events)
	}
	if w.polling {
		events[0] = proactor.Event{Token: w.poll, Res: int32(e.Events), Flags: proactor.FlagMore}
		return true, 1
	}
	if w.sending && e.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		sent := int32(0)
		if w.rest != nil {
			sent = send(fd, w.rest, w.size)
		}
		if sent != -int32(unix.EAGAIN) {
			w.sending = false
			events[0] = proactor.Event{Token: w.send, Res: sent}
			filled = 1
		}
	}
	if e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		w.ending = true
	}
	if e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		w.readable = true
		filled += l.receive(fd, events[filled:])
	}
	return true, filled
}

// receive reads until the socket is empty or others should have their turn.
func (l *Loop) receive(fd int, events []proactor.Event) (filled int) {
	w := &l.watches[fd]
	for reads := 0; w.receiving && w.readable; reads++ {
		if filled == len(events) || reads == readsAtOnce {
			l.enqueue(fd)
			return filled
		}
		e := &events[filled]
		filled++
		*e = proactor.Event{Token: w.recv}
		if w.into != nil {
			if !w.receiveInto(fd, e) {
				return filled - 1
			}
			continue
		}
		if len(l.free) == 0 {
			w.receiving = false
			e.Res = -int32(unix.ENOBUFS)
			return filled
		}
		last := len(l.free) - 1
		id := l.free[last]
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(l.buffers.Address(id)),
			uintptr(l.buffers.Size), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
			filled--
		case errno == unix.EAGAIN:
			w.readable = false
			return filled - 1
		case errno != 0:
			w.receiving = false
			e.Res = -int32(errno)
		case n == 0:
			w.receiving = false
		default:
			l.free = l.free[:last]
			e.Res, e.Flags = int32(n), proactor.BufferEvent(id)|proactor.FlagMore
			// A stream socket that gives less than was asked for is empty, and a new edge will tell of more.
			w.readable = int(n) == l.buffers.Size || w.ending
		}
	}
	return filled
}

// receiveInto receives once; false if there was nothing.
func (w *watch) receiveInto(fd int, e *proactor.Event) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(w.into), uintptr(w.room),
			unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			e.Res = int32(n)
			w.readable = int(n) == w.room || w.ending
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			w.readable = false
			return false
		default:
			e.Res = -int32(errno)
		}
		w.receiving, w.into = false, nil
		return true
	}
}

func (l *Loop) enqueue(fd int) {
	w := &l.watches[fd]
	if !w.queued {
		w.queued = true
		l.runnable = append(l.runnable, int32(fd))
	}
}

// acceptAll accepts a batch; the listener is level-triggered, so what is left comes again.
func (l *Loop) acceptAll(fd int, events []proactor.Event) (done bool, filled int) {
	w := &l.watches[fd]
	for filled < min(len(events), acceptBatch) {
		connection, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			events[filled] = proactor.Event{Token: w.accept, Res: int32(connection), Flags: proactor.FlagMore}
			filled++
		case unix.EAGAIN:
			return true, filled
		case unix.EINTR, unix.ECONNABORTED:
		default:
			l.forget(fd)
			events[filled] = proactor.Event{Token: w.accept, Res: -int32(errno)}
			return true, filled + 1
		}
	}
	return true, filled
}
