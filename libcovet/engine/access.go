package engine

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio"
)

const (
	// accessChunk is how many bytes of lines a loop gathers.
	accessChunk = 32 << 10
	// accessLimit is how many bytes may wait for a slow reader of the log.
	accessLimit = 2 << 20
	// accessKeep is how many bytes of memory are kept for the next lines.
	accessKeep = 256 << 10
)

// accessWriter writes the lines of all loops. A loop never waits for it: when
// the log's reader is too slow, lines are left out and counted.
type accessWriter struct {
	out     io.Writer
	mu      sync.Mutex
	waiting []byte
	dropped int // lines that were left out since the last write
	closed  bool
	more    chan struct{}
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
	w := &accessWriter{out: out, more: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// put queues lines, which it copies.
func (w *accessWriter) put(lines []byte) {
	w.mu.Lock()
	if len(w.waiting)+len(lines) > accessLimit {
		w.dropped += bytes.Count(lines, []byte{'\n'})
	} else {
		w.waiting = append(w.waiting, lines...)
	}
	w.mu.Unlock()
	w.wake()
}

func (w *accessWriter) wake() {
	select {
	case w.more <- struct{}{}:
	default:
	}
}

func (w *accessWriter) run() {
	defer close(w.done)
	var taken []byte
	for closed := false; !closed; {
		<-w.more
		w.mu.Lock()
		taken, w.waiting = w.waiting, taken[:0]
		dropped := w.dropped
		w.dropped, closed = 0, w.closed
		w.mu.Unlock()
		if dropped > 0 {
			taken = append(taken, "WARNING:  access log: "+itoa(dropped)+" lines were left out\n"...)
		}
		if len(taken) > 0 {
			_, _ = w.out.Write(taken) // nobody is left to tell
		}
		if cap(taken) > accessKeep {
			taken = nil
		}
	}
}

// close writes what is queued and ends the writer.
func (w *accessWriter) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.wake()
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
	a.writer.put(a.buffer)
	a.buffer = a.buffer[:0]
}

func itoa(n int) string { return strconv.Itoa(n) }
