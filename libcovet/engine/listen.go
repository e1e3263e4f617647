package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// triesForAPort is how often a free port is looked for that is free at all
// addresses of a name.
const triesForAPort = 10

// listener is one address with a listening socket for each loop.
type listener struct {
	index   int // of the configured listener; a name may have several addresses
	address string
	fds     []int
	file    *socketFile // to be removed at the end
	shared  bool        // with whoever has opened it, who may go on listening
}

// socketFile is the file of a unix socket, however its path is used later.
type socketFile struct {
	path        string
	device, ino uint64
}

// listen binds every address before anything is served, so that a port in use
// is an error at start-up.
func (e *Engine) listen() error {
	for i := range e.config.Listeners {
		c := &e.config.Listeners[i]
		var err error
		switch c.Network {
		case "fd":
			err = e.listenInherited(i, c)
		case "unix":
			err = e.listenUnix(i, c)
		default:
			err = e.listenTCP(i, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add takes a listening socket over; what is left to do may still fail.
func (e *Engine) add(index int, address net.Addr, fds ...int) *listener {
	e.listeners = append(e.listeners, listener{index: index, address: address.String(), fds: fds})
	return &e.listeners[len(e.listeners)-1]
}

func (e *Engine) listenInherited(index int, c *ListenerConfig) error {
	fd, err := parseFD(c.Address)
	if err != nil {
		return err
	}
	address, err := netio.Inherited(fd, e.config.Backlog)
	if err != nil {
		return fmt.Errorf("fd: %w", err)
	}
	l := e.add(index, address)
	l.shared = true
	return l.share(fd, e.config.Loops)
}

func (e *Engine) listenUnix(index int, c *ListenerConfig) error {
	fd, address, err := netio.ListenUnix(c.Address, e.config.Backlog, c.Mode)
	if err != nil {
		return err
	}
	l := e.add(index, address, fd)
	l.file = fileOf(c.Address)
	return l.share(fd, e.config.Loops-1)
}

// listenTCP listens on all addresses of a host, with one port. Those of a
// protocol that the machine does not have are left out, unless all are.
func (e *Engine) listenTCP(index int, c *ListenerConfig) error {
	all, err := netio.Addresses(c.Network, c.Address)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		before := len(e.listeners)
		if err = e.listenAll(index, all); err == nil {
			return nil
		}
		for i := range e.listeners[before:] {
			e.listeners[before+i].close()
		}
		e.listeners = e.listeners[:before]
		if all[0].Port() != 0 || len(all) == 1 || try == triesForAPort || !errors.Is(err, unix.EADDRINUSE) {
			return netio.Refused(c.Network, c.Address, err)
		}
	}
}

func (e *Engine) listenAll(index int, all []netip.AddrPort) error {
	var missing error
	port, found := all[0].Port(), false
	for _, to := range all {
		to = netip.AddrPortFrom(to.Addr(), port)
		fd, address, err := netio.ListenAt(to, e.config.Backlog, e.config.Loops > 1)
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			missing = err
			continue
		}
		if err != nil {
			return err
		}
		l := e.add(index, address, fd)
		if tcp, ok := address.(*net.TCPAddr); ok {
			port = tcp.AddrPort().Port()
		}
		for range e.config.Loops - 1 {
			if fd, err = netio.Share(address, e.config.Backlog); err != nil {
				return err
			}
			l.fds = append(l.fds, fd)
		}
		found = true
	}
	if found {
		return nil
	}
	return missing
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
	l.file.remove()
}

// fileOf notes which file was made for a socket; nil if it cannot be found.
func fileOf(path string) *socketFile {
	var s unix.Stat_t
	if unix.Lstat(path, &s) != nil {
		return nil
	}
	return &socketFile{path: path, device: uint64(s.Dev), ino: s.Ino}
}

// remove unlinks the file, unless another server has put its own in its place.
func (f *socketFile) remove() {
	if f == nil {
		return
	}
	if now := fileOf(f.path); now != nil && *now == *f {
		_ = unix.Unlink(f.path) // it is stale from now on, which the next server sees
	}
}

// refuse has the system refuse new connections on a loop's own sockets, which
// stay open until the end.
func (e *Engine) refuse(loop int) {
	for i := range e.listeners {
		if l := &e.listeners[i]; !l.shared {
			_ = unix.Shutdown(l.fds[loop], unix.SHUT_RD) // another loop may have done it for a socket of both
		}
	}
}

func (e *Engine) closeListeners() {
	for i := range e.listeners {
		e.listeners[i].close()
	}
	e.listeners = nil
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
