package engine

import (
	"io"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/http1"
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
}

// accessLog collects the lines of one loop's turn. A nil log takes nothing.
type accessLog struct {
	writer *accessWriter
	buffer []byte
}

// note logs the present request, which the engine itself answers.
func (l *loop) note(c *netio.Conn, status int) {
	r := &l.request
	if l.access == nil || r.Head == nil {
		return
	}
	l.access.line(l.peer(c), r.Verb.Of(r.Head), r.Target.Of(r.Head), r.Minor, status)
}

func (a *accessLog) noteSlot(slot *bridge.Slot, port *bridge.Port) {
	if a == nil {
		return
	}
	a.noteStatus(slot, port, int(slot.Status()))
}

func (a *accessLog) noteStatus(slot *bridge.Slot, port *bridge.Port, status int) {
	if a == nil {
		return
	}
	verb, target, minor := port.RequestLine(slot)
	a.line(slot.Peer(), verb, target, minor, status)
}

// line appends uvicorn's access line. The target holds visible ASCII only, so
// it cannot forge a line.
func (a *accessLog) line(client netip.AddrPort, verb, target []byte, minor uint8, status int) {
	b := append(a.buffer, "INFO:     "...)
	if client.IsValid() {
		b = client.AppendTo(b)
	} else {
		b = append(b, "unix"...)
	}
	b = append(b, ` - "`...)
	b = append(append(b, verb...), ' ')
	b = append(append(b, target...), " HTTP/1."...)
	b = append(b, '0'+minor, '"', ' ')
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http1.ReasonPhrase(status)...)
	a.buffer = append(b, '\n')
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
