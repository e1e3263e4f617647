package engine

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// listener is one address with a listening socket for each loop.
type listener struct {
	address string
	network string
	fds     []int
}

// listen binds every address before anything is served, so that a port in use
// is an error at start-up.
func (e *Engine) listen() error {
	for _, c := range e.config.Listeners {
		l := listener{network: c.Network, address: c.Address}
		if err := e.bind(&l, c); err != nil {
			l.close()
			return err
		}
		e.listeners = append(e.listeners, l)
	}
	return nil
}

func (e *Engine) bind(l *listener, c ListenerConfig) error {
	if c.Network == "fd" {
		fd, err := parseFD(c.Address)
		if err != nil {
			return err
		}
		return l.share(fd, e.config.Loops)
	}
	if c.Network == "unix" {
		fd, _, err := netio.ListenUnix(c.Address, e.config.Backlog, c.Mode)
		if err != nil {
			return err
		}
		l.fds = []int{fd}
		return l.share(fd, e.config.Loops-1)
	}
	fd, bound, err := netio.Listen(c.Network, c.Address, e.config.Backlog, e.config.Loops > 1)
	if err != nil {
		return err
	}
	l.fds, l.address = []int{fd}, bound.String()
	for range e.config.Loops - 1 {
		fd, err := netio.Share(bound, e.config.Backlog)
		if err != nil {
			return err
		}
		l.fds = append(l.fds, fd)
	}
	return nil
}

// share adds n descriptors of the same socket, one for each further loop.
func (l *listener) share(fd, n int) error {
	for range n {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return fmt.Errorf("listening descriptor %d: %w", fd, err)
		}
		l.fds = append(l.fds, dup)
	}
	return nil
}

func (l *listener) close() {
	for _, fd := range l.fds {
		_ = unix.Close(fd) // nothing was written that could be lost
	}
	l.fds = nil
	if l.network == "unix" {
		_ = unix.Unlink(l.address) // another server may have taken the path
	}
}

func (e *Engine) closeListeners() {
	for i := range e.listeners {
		e.listeners[i].close()
	}
}

// chunkedPool keeps decoders of chunked bodies for reuse by all loops.
type chunkedPool struct{ pool sync.Pool }

func (p *chunkedPool) get() *http1.Chunked {
	if c, ok := p.pool.Get().(*http1.Chunked); ok {
		c.Reset()
		return c
	}
	return new(http1.Chunked)
}

func (p *chunkedPool) put(c *http1.Chunked) { p.pool.Put(c) }
