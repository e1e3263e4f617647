package netio

import (
	"fmt"
	"log/slog"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const (
	filePiece = largeSlab // bytes of a file that one connection holds in memory
	fileTurn  = 1 << 20   // bytes of files that are sent to one connection before others have their turn
	copied    = 1         // size of a file's slab: it has to be copied to be sent
)

// SendFile queues n bytes of file fd, from offset on, behind what was written. The descriptor is taken over and closed once
// they are sent or dropped. They go as the peer takes them, without a copy where the system has them in memory; if they
// cannot be read, or the file ends before they do, the connection is aborted.
func (c *Conn) SendFile(fd int, offset, n int64) {
	if c.state != stateOpen || n <= 0 {
		_ = unix.Close(fd)
		return
	}
	c.push(&slab{class: classFile, start: int(offset), end: int(offset + n), token: uint64(fd)})
	c.wrote(int(n))
}

// inMemory reports whether the next part of the file at the head of the output can be sent without waiting for the disk.
func (l *Loop) inMemory(c *Conn) bool {
	file := c.head
	if file.size == copied {
		return false
	}
	l.atHand = proactor.AtHand(int(file.token), int64(file.start), min(file.end-file.start, fileTurn))
	return l.atHand > 0
}

// startFile sends what inMemory has found.
func (l *Loop) startFile(c *Conn) (sent int32, done bool) {
	file := c.head
	sent, done = l.backend.SendFile(c.fd, c.token(opSend), int(file.token), int64(file.start), l.atHand)
	switch {
	case !done:
	case sent == 0:
		l.cut(c, "it has become shorter")
	case sent == -int32(unix.EINVAL), sent == -int32(unix.ENOSYS):
		file.size = copied // its file system, or the socket, cannot do it
		return 0, true
	}
	return sent, done
}

// read has what is sent next of the file at the head of the output read into memory. It reports whether that is done: it is
// not while the disk works, nor if the connection had to be cut off.
func (l *Loop) read(c *Conn) bool {
	file := c.head
	size := min(file.end-file.start, filePiece)
	into, err := l.pool.get(size)
	if err != nil {
		l.options.Log(slog.LevelError, err.Error())
		c.Abort()
		return false
	}
	n, done := l.backend.ReadAt(int(file.token), c.token(opRead), into.base, size, int64(file.start))
	if !done {
		c.into, c.sending = into, true
		return false
	}
	return l.took(c, into, n)
}

// took puts what was read of a file before what is left of it. It reports whether there was anything to read.
func (l *Loop) took(c *Conn, into *slab, n int32) bool {
	if n <= 0 {
		why := "it has become shorter"
		if n < 0 {
			why = syscall.Errno(-n).Error()
		}
		l.pool.put(into)
		l.cut(c, why)
		return false
	}
	into.end = int(n)
	into.next = c.head
	c.head.start += int(n)
	c.head = into
	return true
}

// cut ends a connection in the middle of a file.
func (l *Loop) cut(c *Conn, why string) {
	l.options.Log(slog.LevelWarn, fmt.Sprintf("cut a connection off in the middle of a file: %s", why))
	c.Abort()
}

// onRead handles what has come from the disk.
func (l *Loop) onRead(e *proactor.Event) {
	c := l.lookup(e.Token)
	if c == nil || c.into == nil {
		return
	}
	into := c.into
	c.into, c.sending = nil, false
	if c.state == stateDying {
		l.pool.put(into)
		l.finishLater(c)
		return
	}
	if l.took(c, into, e.Res) {
		c.markDirty()
	}
}

// postpone lets others have their turn before more is sent.
func (l *Loop) postpone(c *Conn) {
	l.postponed = append(l.postponed, c)
	l.again = true
}
