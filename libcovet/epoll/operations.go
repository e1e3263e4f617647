package epoll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const connectionEdges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// at returns the watch of fd, growing the table where needed.
func (l *Loop) at(fd int) *watch {
	if fd >= len(l.watches) {
		grown := make([]watch, max(2*len(l.watches), fd+1, 64))
		copy(grown, l.watches)
		l.watches = grown
	}
	return &l.watches[fd]
}

// register tells epoll about fd once; a failure completes the operation with its error.
func (l *Loop) register(fd int, events uint32, token uint64) bool {
	w := l.at(fd)
	if w.registered {
		return true
	}
	err := unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	if err != nil {
		errno, _ := err.(syscall.Errno)
		l.ready = append(l.ready, proactor.Event{Token: token, Res: -int32(errno)})
		return false
	}
	w.registered = true
	return true
}

// forget takes a listener or an eventfd out of epoll.
func (l *Loop) forget(fd int) {
	_ = unix.EpollCtl(l.fd, unix.EPOLL_CTL_DEL, fd, nil)
	w := &l.watches[fd]
	w.registered, w.accepting, w.polling = false, false, false
}

// Accept arms a multishot accept on listener fd; every connection completes it with a new descriptor.
func (l *Loop) Accept(fd int, token uint64) {
	_ = unix.SetNonblock(fd, true)
	w := l.at(fd)
	if l.register(fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, token) {
		w.accept, w.accepting = token, true
	}
}

// Recv arms a multishot receive into provided buffers.
func (l *Loop) Recv(fd int, token uint64) {
	w := l.at(fd)
	if !l.register(fd, connectionEdges, token) {
		return
	}
	w.recv, w.receiving, w.into = token, true, nil
	if w.readable {
		l.enqueue(fd)
	}
}

// RecvInto receives once, up to n bytes to p, which must stay valid until the completion.
func (l *Loop) RecvInto(fd int, token uint64, p unsafe.Pointer, n int) {
	l.Recv(fd, token)
	w := l.at(fd)
	w.into, w.room = p, n
}

// Send sends n bytes at p. If the socket is full it completes later, and p must stay valid until then.
func (l *Loop) Send(fd int, token uint64, p unsafe.Pointer, n int) (sent int32, done bool) {
	if sent = send(fd, p, n); sent != -int32(unix.EAGAIN) {
		return sent, true
	}
	l.await(fd, token, p, n)
	return 0, false
}

// SendVector sends several segments in order. If the socket is full, the first one's memory must stay valid.
func (l *Loop) SendVector(fd int, token uint64, segments []proactor.Segment) (sent int32, done bool) {
	header := unix.Msghdr{Iov: (*unix.Iovec)(unsafe.Pointer(&segments[0])), Iovlen: uint64(len(segments))}
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&header)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch errno {
		case 0:
			return int32(n), true
		case unix.EINTR:
		case unix.EAGAIN:
			l.await(fd, token, segments[0].Base, int(segments[0].Len))
			return 0, false
		default:
			return -int32(errno), true
		}
	}
}

// await sends the rest when the socket takes output again. An edge that came before the failed try is not repeated, but
// the socket was full then, so another one follows.
func (l *Loop) await(fd int, token uint64, p unsafe.Pointer, n int) {
	w := l.at(fd)
	if l.register(fd, connectionEdges, token) {
		w.send, w.sending, w.rest, w.size = token, true, p, n
	}
}

func send(fd int, p unsafe.Pointer, n int) int32 {
	for {
		sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(p), uintptr(n),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int32(sent)
		}
		if errno != unix.EINTR {
			return -int32(errno)
		}
	}
}

// Poll arms a multishot poll for input; every write to an eventfd completes it, and it need not be read.
func (l *Loop) Poll(fd int, token uint64) {
	w := l.at(fd)
	if l.register(fd, unix.EPOLLIN|unix.EPOLLET, token) {
		w.poll, w.polling = token, true
	}
}

// Cancel makes the operation that was started on fd with token complete with -ECANCELED if it is still under way.
func (l *Loop) Cancel(fd int, token uint64) {
	w := l.at(fd)
	switch {
	case w.receiving && w.recv == token:
		w.receiving = false
	case w.sending && w.send == token:
		w.sending = false
	case w.accepting && w.accept == token, w.polling && w.poll == token:
		l.forget(fd)
	default:
		return
	}
	l.ready = append(l.ready, proactor.Event{Token: token, Res: -int32(unix.ECANCELED)})
}

// Close closes fd, on which no operation may be under way.
func (l *Loop) Close(fd int) {
	if fd < len(l.watches) {
		w := &l.watches[fd]
		*w = watch{queued: w.queued}
	}
	_ = unix.Close(fd)
}
