package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"
)

// Compression is without context takeover on both sides (RFC 7692, section
// 7.1.1): a message does not depend on those before it, so an idle connection
// keeps no window, and one compressed frame serves many clients.

const (
	// leastPacked is the size from which compressing a message pays.
	leastPacked = 64
	// mostKept is the largest buffer that is kept for the next message.
	mostKept = 1 << 20
)

// tail is what a sender leaves out (RFC 7692, section 7.2.1), and a last
// block, so that the reader sees an end.
var tail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

var (
	inflaters = sync.Pool{New: func() any { return &inflater{} }}
	deflaters = sync.Pool{New: func() any { return newDeflater() }}
	buffers   = sync.Pool{New: func() any { return new([]byte) }}
)

type inflater struct {
	packed, end bytes.Reader
	reader      io.ReadCloser
}

// Read gives the compressed bytes, then the tail.
func (f *inflater) Read(p []byte) (int, error) {
	if n, err := f.packed.Read(p); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	return f.end.Read(p)
}

// inflate unpacks a message of at most limit bytes. The result goes back with
// Recycle.
func inflate(packed []byte, limit int64) ([]byte, *Error) {
	f := inflaters.Get().(*inflater)
	defer inflaters.Put(f)
	f.packed.Reset(packed)
	f.end.Reset(tail)
	if f.reader == nil {
		f.reader = flate.NewReader(f)
	} else if err := f.reader.(flate.Resetter).Reset(f, nil); err != nil {
		return nil, &Error{codeBadData, "the compressed data is malformed"}
	}
	out := (*buffers.Get().(*[]byte))[:0]
	for {
		if len(out) == cap(out) {
			out = append(out, 0)[:len(out)]
		}
		n, err := f.reader.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case int64(len(out)) > limit:
			Recycle(out)
			return nil, &Error{codeTooBig, "the message is too big"}
		case errors.Is(err, io.EOF):
			f.packed.Reset(nil)
			return out, nil
		case err != nil:
			Recycle(out)
			return nil, &Error{codeBadData, "the compressed data is malformed"}
		}
	}
}

// Recycle gives the data of an event back that is Pooled.
func Recycle(data []byte) {
	if cap(data) <= mostKept {
		data = data[:0]
		buffers.Put(&data)
	}
}

type deflater struct {
	writer *flate.Writer
	out    []byte
}

func newDeflater() *deflater {
	d := &deflater{}
	d.writer, _ = flate.NewWriter(d, flate.BestSpeed) // the level is a valid one
	return d
}

// Write takes compressed bytes.
func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

// appendPacked appends a message as a compressed frame; false if that is not
// shorter.
func appendPacked(dst []byte, op Opcode, payload []byte) ([]byte, bool) {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out = d.out[:0]
	d.writer.Reset(d)
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
