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
)

// SendFile queues n bytes of file fd, from offset on, behind what was written. The descriptor is taken over and closed once
// they are sent or dropped. They are read as the peer takes them; if they cannot be, or the file ends before they do, the
// connection is aborted.
func (c *Conn) SendFile(fd int, offset, n int64) {
	if c.state != stateOpen || n <= 0 {
		_ = unix.Close(fd)
		return
	}
	c.push(&slab{class: classFile, start: int(offset), end: int(offset + n), token: uint64(fd)})
	c.wrote(int(n))
}

// fileAhead returns the part of a file that is to be read before the next send, and what is sent with it.
func (c *Conn) fileAhead() (before, file *slab) {
	switch head := c.head; {
	case head.class == classFile:
		return nil, head
	case head.next != nil && head.next.class == classFile && head.end-head.start < filePiece:
		return head, head.next
	}
	return nil, nil
}

// readAhead reads what the next send needs of a file. It reports whether that send can start: it cannot while the disk
// works, nor if the connection had to be aborted.
func (l *Loop) readAhead(c *Conn) bool {
	before, file := c.fileAhead()
	if file == nil || file.start == file.end {
		return true
	}
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
	return l.read(c, before, file, into, n)
}

// read puts what was read of a file before what is left of it. It reports whether there was anything to read.
func (l *Loop) read(c *Conn, before, file, into *slab, n int32) bool {
	if n <= 0 {
		why := "it has become shorter"
		if n < 0 {
			why = syscall.Errno(-n).Error()
		}
		l.options.Log(slog.LevelWarn, fmt.Sprintf("cut a connection off in the middle of a file: %s", why))
		l.pool.put(into)
		c.Abort()
		return false
	}
	into.end = int(n)
	file.start += int(n)
	into.next = file
	if before == nil {
		c.head = into
	} else {
		before.next = into
	}
	return true
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
	before, file := c.fileAhead()
	if l.read(c, before, file, into, e.Res) {
		c.markDirty()
	}
}

// postpone lets others have their turn before more is sent.
func (l *Loop) postpone(c *Conn) {
	l.postponed = append(l.postponed, c)
	l.again = true
}
