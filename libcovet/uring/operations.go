package uring

import (
	"errors"
	"syscall"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const submitAttempts = 1000

// entry returns a submission entry; a full queue is submitted first.
func (l *Loop) entry() (*giouring.SubmissionQueueEntry, uint32) {
	if l.ring.full() {
		l.makeRoom()
	}
	return l.ring.slot()
}

// makeRoom submits until an entry is free. The kernel may refuse while completions overflow, so those are taken off.
func (l *Loop) makeRoom() {
	for range submitAttempts {
		errno := l.enter(l.ring.publish(), 0)
		if !l.ring.full() {
			return
		}
		if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EBUSY && errno != syscall.EINTR {
			break
		}
		var taken [64]proactor.Event
		l.early = append(l.early, taken[:l.ring.reap(taken[:])]...)
	}
	// The queue would wrap and lose operations: the loop can't go on, and the next Turn says so.
	l.broken = errors.New("io_uring takes no more submissions")
}

// Accept arms a multishot accept on listener fd; every connection completes it with a new descriptor.
func (l *Loop) Accept(fd int, token uint64) {
	// On a non-blocking descriptor io_uring fails with EAGAIN where it should wait.
	_ = unix.SetNonblock(fd, false)
	e, _ := l.entry()
	e.PrepareMultishotAccept(fd, 0, 0, unix.SOCK_CLOEXEC)
	e.UserData = token
}

// Recv arms a multishot receive into provided buffers.
func (l *Loop) Recv(fd int, token uint64) {
	e, _ := l.entry()
	e.PrepareRecvMultishot(fd, 0, 0, 0)
	e.Flags = giouring.SqeBufferSelect
	e.BufIG = bufferGroup
	e.UserData = token
}

// RecvInto receives once, up to n bytes to p, which must stay valid until the completion.
func (l *Loop) RecvInto(fd int, token uint64, p unsafe.Pointer, n int) {
	e, _ := l.entry()
	e.PrepareRecv(fd, uintptr(p), uint32(n), 0)
	e.UserData = token
}

// Send sends n bytes at p, which must stay valid until the completion. It never completes at once: done is always false.
func (l *Loop) Send(fd int, token uint64, p unsafe.Pointer, n int) (sent int32, done bool) {
	e, _ := l.entry()
	e.PrepareSend(fd, uintptr(p), uint32(n), unix.MSG_NOSIGNAL)
	e.UserData = token
	return 0, false
}

// SendVector sends several segments in order. The segments' memory must stay valid until the completion, the slice itself
// until the next Turn returns. Segments must lie outside of the Go heap.
func (l *Loop) SendVector(fd int, token uint64, segments []proactor.Segment) (sent int32, done bool) {
	e, index := l.entry()
	header := &l.headers[index]
	header.Iov = (*unix.Iovec)(unsafe.Pointer(&segments[0]))
	header.Iovlen = uint64(len(segments))
	e.PrepareSendMsg(fd, (*syscall.Msghdr)(unsafe.Pointer(header)), unix.MSG_NOSIGNAL)
	e.UserData = token
	return 0, false
}

// SendFile sends up to n bytes of a file at an offset. If the socket is full it completes later with 0: to be tried again.
func (l *Loop) SendFile(fd int, token uint64, file int, offset int64, n int) (sent int32, done bool) {
	if sent = proactor.SendFileNow(fd, file, offset, n); sent != -int32(unix.EAGAIN) {
		return sent, true
	}
	e, _ := l.entry()
	e.PreparePollAdd(fd, unix.POLLOUT)
	e.UserData = token
	return 0, false
}

// ReadAt reads up to n bytes of file fd at an offset to p, which must stay valid until the completion.
func (l *Loop) ReadAt(fd int, token uint64, p unsafe.Pointer, n int, offset int64) (read int32, done bool) {
	if read, done = proactor.ReadNow(fd, p, n, offset); done {
		return read, true
	}
	e, _ := l.entry()
	e.PrepareRead(fd, uintptr(p), uint32(n), uint64(offset))
	e.UserData = token
	return 0, false
}

// Poll arms a multishot poll for input; every write to an eventfd completes it, and it need not be read.
func (l *Loop) Poll(fd int, token uint64) {
	e, _ := l.entry()
	e.PreparePollMultishot(fd, unix.POLLIN)
	e.UserData = token
}

// Cancel asks for the end of the operation that was started with token; it completes with -ECANCELED if it was still under way.
func (l *Loop) Cancel(_ int, token uint64) {
	e, _ := l.entry()
	e.PrepareCancel64(token, 0)
	e.Flags = giouring.SqeCQESkipSuccess
	e.UserData = ignoredToken
}

// Close closes fd, on which no operation may be under way.
func (l *Loop) Close(fd int) {
	e, _ := l.entry()
	e.PrepareClose(fd)
	e.Flags = giouring.SqeCQESkipSuccess
	e.UserData = ignoredToken
}
