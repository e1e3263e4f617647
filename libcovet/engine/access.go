package engine

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio"
)

const (
	// accessChunk is how many bytes of lines go to the writer at once.
	accessChunk = 32 << 10
	// accessQueue is how many chunks may wait for a slow reader of the log.
	accessQueue = 64
)

// accessWriter writes the lines of all loops. A loop never waits for it: when
// the log's reader is too slow, lines are left out and counted.
type accessWriter struct {
	out     io.Writer
	queue   chan []byte
	spare   chan []byte
	dropped atomic.Int64
	done    chan struct{}
	own     *os.File // to be closed in the end; nil if out is somebody else's
}

// openAccess begins to write where the configuration wants it.
func openAccess(c *Config) (*accessWriter, error) {
	if c.AccessLogFD == nil {
		return newAccessWriter(c.accessTo), nil
	}
	fd, err := unix.FcntlInt(uintptr(*c.AccessLogFD), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("access_log_fd %d: %w", *c.AccessLogFD, err)
	}
	own := os.NewFile(uintptr(fd), "access log")
	w := newAccessWriter(own)
	w.own = own
	return w, nil
}

func newAccessWriter(out io.Writer) *accessWriter {
	w := &accessWriter{
		out: out, queue: make(chan []byte, accessQueue), spare: make(chan []byte, accessQueue),
		done: make(chan struct{}),
	}
	go w.run()
	return w
}

func (w *accessWriter) run() {
	defer close(w.done)
	for b := range w.queue {
		if n := w.dropped.Swap(0); n > 0 {
			b = append(b, "WARNING:  access log: "+strconv.FormatInt(n, 10)+" chunks of lines were left out\n"...)
		}
		_, _ = w.out.Write(b) // nobody is left to tell
		select {
		case w.spare <- b[:0]:
		default:
		}
	}
}

// close writes what is queued and ends the writer.
func (w *accessWriter) close() {
	close(w.queue)
	<-w.done
	if w.own != nil {
		_ = w.own.Close() // what could not be written is lost anyway
	}
}

// accessLog collects the lines of one loop's turn. A nil log takes nothing.
type accessLog struct {
	writer *accessWriter
	format *lineFormat
	buffer []byte
	clock  wallClock
	entry  entry
}

// note appends the line of the entry, whose request arrived at a time of the
// loop's clock.
func (a *accessLog) note(net *netio.Loop, arrived int64) {
	now := net.Now()
	if a.format.timed {
		now = net.Clock()
		a.entry.elapsed = now - arrived
	}
	if a.format.dated {
		a.clock.refresh(now)
	}
	a.buffer = a.format.appendLine(a.buffer, &a.entry, &a.clock, now)
	if len(a.buffer) >= accessChunk {
		a.flush()
	}
}

// flush hands the turn's lines to the writer.
func (a *accessLog) flush() {
	if a == nil || len(a.buffer) == 0 {
		return
	}
	select {
	case a.writer.queue <- a.buffer:
	default:
		a.writer.dropped.Add(1)
		a.buffer = a.buffer[:0]
		return
	}
	select {
	case a.buffer = <-a.writer.spare:
	default:
		a.buffer = make([]byte, 0, accessChunk+4096)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
