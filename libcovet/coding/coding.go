// Package coding compresses response bodies: gzip (RFC 1952), Brotli
// (RFC 7932) and Zstandard (RFC 8878).
package coding

import (
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Slowest levels: a loop serves nobody else while it compresses.
const (
	mostGzip   = 6
	mostBrotli = 5
)

// zstdWindow is how far back Zstandard looks, in bytes; an encoder takes a few
// times that.
const zstdWindow = 256 << 10

// Coding compresses bodies in one way. It may be used by many loops.
type Coding struct {
	Name string // as in Content-Encoding
	pool sync.Pool
}

// New makes a coding by its name: "gzip", "br" or "zstd". Levels that would
// keep a loop busy for long are lowered.
func New(name string, level int) (*Coding, error) {
	var make func() (writer, error)
	switch name {
	case "gzip":
		make = func() (writer, error) { return gzip.NewWriterLevel(nil, min(level, mostGzip)) }
	case "br":
		make = func() (writer, error) { return brotli.NewWriterLevel(nil, min(level, mostBrotli)), nil }
	case "zstd":
		make = func() (writer, error) {
			return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
				zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow),
				zstd.WithZeroFrames(true))
		}
	default:
		return nil, fmt.Errorf("there is no coding %q", name)
	}
	first, err := make()
	if err != nil {
		return nil, fmt.Errorf("coding %s: %w", name, err)
	}
	c := &Coding{Name: name}
	c.pool.New = func() any {
		w, err := make()
		if err != nil {
			return nil // it was possible before
		}
		return &Encoder{coding: c, writer: w}
	}
	c.pool.Put(&Encoder{coding: c, writer: first})
	return c, nil
}

// writer is what the three packages have in common.
type writer interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// Encoder compresses one body.
type Encoder struct {
	coding *Coding
	writer writer
	out    []byte
}

// Encoder begins a body.
func (c *Coding) Encoder() *Encoder {
	e := c.pool.Get().(*Encoder)
	e.writer.Reset(e)
	return e
}

// Write takes what the writer has compressed.
func (e *Encoder) Write(p []byte) (int, error) {
	e.out = append(e.out, p...)
	return len(p), nil
}

// Piece compresses data so that everything given so far can be read. The
// result is good until the next call.
func (e *Encoder) Piece(data []byte) []byte {
	e.out = e.out[:0]
	// Writing into memory does not fail.
	_, _ = e.writer.Write(data)
	_ = e.writer.Flush()
	return e.out
}

// End compresses the last data. The result is good until Release.
func (e *Encoder) End(data []byte) []byte {
	e.out = e.out[:0]
	_, _ = e.writer.Write(data)
	_ = e.writer.Close()
	return e.out
}

// keptBytes is the most memory that an encoder keeps for its next body.
const keptBytes = 64 << 10

// Release gives the encoder back.
func (e *Encoder) Release() {
	if cap(e.out) > keptBytes {
		e.out = nil
	}
	e.coding.pool.Put(e)
}
