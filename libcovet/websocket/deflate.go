package websocket

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	// leastPacked is the size from which compressing a message pays.
	leastPacked = 64
	// mostKept is the largest buffer that is kept for the next message.
	mostKept = 1 << 20
	// level is the compressor's: above it costs grow faster than savings.
	level = 3
	// maxWindow is the bits of the largest window (RFC 7692, section 7.1.2).
	maxWindow = 15
)

// tail is what a sender leaves out (RFC 7692, section 7.2.1), and a last
// block, so that the reader sees an end.
var tail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

var (
	inflaters = sync.Pool{New: func() any { return newInflater() }}
	deflaters [maxWindow + 1]sync.Pool // by the bits of their windows
	buffers   sync.Pool
	handles   = sync.Pool{New: func() any { return new([]byte) }} // of buffers that are in use
)

// takeBuffer returns an empty buffer, to be given back by Recycle.
func takeBuffer() []byte {
	h, _ := buffers.Get().(*[]byte)
	if h == nil {
		return make([]byte, 0, 1024)
	}
	b := *h
	*h = nil
	handles.Put(h)
	return b
}

// Recycle gives the data of an event back that is Pooled.
func Recycle(data []byte) {
	if cap(data) > mostKept {
		return
	}
	h := handles.Get().(*[]byte)
	*h = data[:0]
	buffers.Put(h)
}

type inflater struct {
	source bytes.Reader
	reader io.ReadCloser
}

func newInflater() *inflater {
	f := &inflater{}
	f.reader = flate.NewReader(&f.source)
	return f
}

// inflate unpacks a message, which ends with the tail, to at most limit
// bytes. before is what it may refer to. The result goes back with Recycle.
func inflate(packed []byte, limit int64, before []byte) ([]byte, *Error) {
	f := inflaters.Get().(*inflater)
	defer inflaters.Put(f)
	f.source.Reset(packed)
	defer f.source.Reset(nil)
	if err := f.reader.(flate.Resetter).Reset(&f.source, before); err != nil {
		return nil, errDeflate
	}
	out := takeBuffer()
	for {
		if len(out) == cap(out) {
			out = append(out, 0)[:len(out)]
		}
		n, err := f.reader.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case int64(len(out)) > limit:
			Recycle(out)
			return nil, errTooBig
		case errors.Is(err, io.EOF) && mayEnd(packed, f.source.Len()):
			return out, nil
		case err != nil:
			Recycle(out)
			return nil, errDeflate
		}
	}
}

// mayEnd reports whether a message may end left bytes before the end of its
// tail. A sender may end it with a last block of its own, and a byte that
// begins an empty one (RFC 7692, section 7.2.3.4).
func mayEnd(packed []byte, left int) bool {
	switch left - len(tail) {
	case -len(tail), 0:
		return true
	case 1:
		return packed[len(packed)-left] == 0
	}
	return false
}

type deflater struct {
	writer *flate.Writer
	out    []byte
}

func newDeflater(window uint8) *deflater {
	d := &deflater{}
	if window == maxWindow {
		d.writer, _ = flate.NewWriter(d, level) // the level is a valid one
	} else {
		d.writer, _ = flate.NewWriterWindow(d, 1<<window) // and so is the window
	}
	return d
}

// Write takes compressed bytes.
func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

// appendPacked appends a message as a compressed frame; false if that is not
// shorter. It may refer to what was before, but not farther back than the
// window, which is given in bits.
func appendPacked(dst []byte, op Opcode, payload []byte, window uint8, before []byte) ([]byte, bool) {
	if len(before)+len(payload) <= 1<<window { // nothing is farther back
		window = maxWindow
	}
	d, _ := deflaters[window].Get().(*deflater)
	if d == nil {
		d = newDeflater(window)
	}
	defer deflaters[window].Put(d)
	d.out = d.out[:0]
	d.writer.ResetDict(d, before)
	if _, err := d.writer.Write(payload); err != nil {
		return dst, false
	}
	if err := d.writer.Flush(); err != nil {
		return dst, false
	}
	n := len(d.out) - 4 // without the empty block that Flush writes
	if n >= len(payload) {
		return dst, false
	}
	dst = appendLength(append(dst, bitFin|bitRSV1|byte(op)), n)
	dst = append(dst, d.out[:n]...)
	if cap(d.out) > mostKept {
		d.out = nil
	}
	return dst, true
}
