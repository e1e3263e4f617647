package netio

import (
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const limitLogPause = int64(10 * time.Second) // a loop at its limit would log with every connection

type listener struct {
	fd, tag int
	armed   bool
	cancel  bool // the armed accept was asked to end
	failed  bool
}

// parked is a connection that was accepted in the moment the limit was reached; it is served when another one closes.
type parked struct{ fd, tag int }

// AddListener accepts connections of the listening socket fd, which stays the caller's; Conn.Tag will be tag.
func (l *Loop) AddListener(fd, tag int) {
	// Accepted sockets inherit it; a unix socket refuses.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	l.listeners = append(l.listeners, listener{fd: fd, tag: tag})
	if l.turns > 0 {
		l.adjustAccept()
	}
}

// StopAccepting leaves new connections in the listeners' backlogs.
func (l *Loop) StopAccepting() {
	l.notAccept = true
	l.adjustAccept()
}

// ResumeAccepting undoes StopAccepting.
func (l *Loop) ResumeAccepting() {
	l.notAccept = false
	l.adjustAccept()
}

// adjustAccept arms or cancels accepts as limits and switches demand.
func (l *Loop) adjustAccept() {
	want := !l.notAccept && !l.closing && l.acceptRetryAt == 0 && l.open < l.options.MaxConns && len(l.parked) == 0
	for i := range l.listeners {
		s := &l.listeners[i]
		switch {
		case want && !s.armed && !s.failed:
			s.armed, s.cancel = true, false
			l.backend.Accept(s.fd, token(opAccept, uint32(i), 0))
		case !want && s.armed && !s.cancel:
			s.cancel = true
			l.backend.Cancel(s.fd, token(opAccept, uint32(i), 0))
		}
	}
}

func (l *Loop) accepting() bool {
	for i := range l.listeners {
		if l.listeners[i].armed {
			return true
		}
	}
	return false
}

func (l *Loop) onAccept(e *proactor.Event) {
	s := &l.listeners[uint32(e.Token)]
	if !e.More() {
		s.armed, s.cancel = false, false
	}
	switch {
	case e.Res < 0:
		l.acceptFailed(s, syscall.Errno(-e.Res))
	case l.closing:
		_ = unix.Close(int(e.Res))
	case l.open >= l.options.MaxConns:
		l.parked = append(l.parked, parked{int(e.Res), s.tag})
	default:
		l.admit(int(e.Res), s.tag)
	}
	if l.open >= l.options.MaxConns && l.limitLogAt <= l.now {
		l.limitLogAt = l.now + limitLogPause
		l.options.Log(slog.LevelWarn, fmt.Sprintf("accepting pauses: %d connections are open, the limit", l.open))
	}
	l.adjustAccept()
}

// acceptFailed pauses accepting where trying again at once would spin.
func (l *Loop) acceptFailed(s *listener, errno syscall.Errno) {
	switch errno {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		if l.acceptRetryAt == 0 {
			l.options.Log(slog.LevelWarn, fmt.Sprintf("accepting pauses: %v", errno))
		}
		l.acceptRetryAt = l.now + acceptPause
	case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EOPNOTSUPP:
		s.failed = true
		if l.notAccept {
			return // the socket was shut down meanwhile
		}
		l.options.Log(slog.LevelError, fmt.Sprintf("accepting ends on descriptor %d: %v", s.fd, errno))
	}
}

// admitParked serves parked connections as far as the limit allows.
func (l *Loop) admitParked() {
	served := 0
	for served < len(l.parked) && l.open < l.options.MaxConns && !l.closing {
		l.admit(l.parked[served].fd, l.parked[served].tag)
		served++
	}
	l.parked = l.parked[:copy(l.parked, l.parked[served:])]
}

func (l *Loop) dropParked() {
	for _, p := range l.parked {
		_ = unix.Close(p.fd)
	}
	l.parked = nil
}
