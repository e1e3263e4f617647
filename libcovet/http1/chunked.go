package http1

import (
	"bytes"
	"math"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

const (
	// maxSizeDigits is the most digits of a chunk size, leading zeros included.
	maxSizeDigits = 16
	// maxChunkLine is the most bytes of a chunk's size line.
	maxChunkLine = 256
	// maxTrailers is the most bytes of a trailer section.
	maxTrailers = 8 << 10
	// maxOverhead is how many bytes of size lines a body may have beyond what
	// its data excuses: a peer must not make us work for data it never sends.
	maxOverhead = 16 << 10
)

// chunkState says what the next byte of a chunked body may be.
type chunkState uint8

const (
	atSize      chunkState = iota // a digit of the size
	atExtension                   // the first byte of an extension's name
	inExtName
	atExtValue // the first byte of an extension's value
	inExtToken
	inQuoted
	inEscape   // after '\' in a quoted string
	afterQuote // after the closing quote
	atLineEnd  // the LF of the size line
	inData
	atDataCR
	atDataLF
	inTrailers
	atEnd
	atError
)

// Chunked decodes a body in the chunked coding (RFC 9112, section 7.1) as it
// arrives. The zero value is ready for a body.
//
// Stricter than RFC 9112: no white space is taken around chunk sizes and
// extensions, a size line has at most 256 bytes and 16 digits, and a body of
// tiny chunks with large extensions is refused.
type Chunked struct {
	state    chunkState
	digits   uint8
	line     uint16 // bytes of the size line so far
	size     uint64 // of the chunk, then what is left of its data
	overhead int
	pending  []byte // a trailer line that has not ended
	section  int    // bytes of the trailer section so far
	trailers []byte
	err      *Error
}

// Reset makes c ready for the next body without giving up memory.
func (c *Chunked) Reset() { *c = Chunked{pending: c.pending[:0], trailers: c.trailers[:0]} }

// Trailers returns the trailer fields in the packed form of
// [exchange.AppendField], without those that could change how the message is
// framed, routed, authorized or understood (RFC 9110, section 6.5.1). They
// are complete when Next has said done, and valid until Reset.
func (c *Chunked) Trailers() []byte { return c.trailers }

// Next decodes from the start of p. It consumes n bytes; data is the part of
// them that is body, and may be empty. done is set once the trailer section
// has ended; what follows belongs to the next message. Call it again with the
// rest of p until n is 0 or done. An error is always an [*Error] and stays.
func (c *Chunked) Next(p []byte) (data []byte, n int, done bool, err error) {
	for n < len(p) && c.state < atEnd {
		switch c.state {
		case inData:
			take := int(min(c.size, uint64(len(p)-n)))
			data = p[n : n+take]
			c.size -= uint64(take)
			if c.size == 0 {
				c.state = atDataCR
			}
			return data, n + take, false, nil
		case inTrailers:
			n += c.trailer(p[n:])
		default:
			c.step(p[n])
			n++
		}
	}
	if c.state == atError {
		return nil, n, false, c.err
	}
	return nil, n, c.state == atEnd, nil
}

func (c *Chunked) fail(e *Error) {
	c.state, c.err = atError, e
}

// step takes one byte of what is around the data.
func (c *Chunked) step(b byte) {
	switch c.state {
	case atDataCR:
		c.expect(b, '\r', atDataLF, errChunkEnd)
	case atDataLF:
		c.expect(b, '\n', atSize, errChunkEnd)
	case atLineEnd:
		c.expect(b, '\n', atLineEnd, errBareCR)
		if c.state == atLineEnd {
			c.lineEnded()
		}
	case atSize:
		c.sizeByte(b)
	default:
		c.extensionByte(b)
	}
}

func (c *Chunked) expect(b, want byte, next chunkState, e *Error) {
	c.state = next
	if b != want {
		c.fail(e)
	}
}

func (c *Chunked) sizeByte(b byte) {
	class := classes[b]
	if class&isHex == 0 {
		if c.digits == 0 {
			c.fail(errChunkSize)
			return
		}
		c.afterItem(b, errChunkSize)
		return
	}
	if c.digits == maxSizeDigits {
		c.fail(errChunkLarge)
		return
	}
	c.digits++
	c.line++
	d := uint64(b - '0')
	if class&isDigit == 0 {
		d = uint64(b|0x20-'a') + 10
	}
	c.size = c.size<<4 | d
	if c.size > math.MaxInt64 {
		c.fail(errChunkLarge)
	}
}

// afterItem takes the byte that ends a size or an extension.
func (c *Chunked) afterItem(b byte, e *Error) {
	c.line++
	switch {
	case c.line > maxChunkLine:
		c.fail(errChunkLine)
	case b == ';':
		c.state = atExtension
	case b == '\r':
		c.state = atLineEnd
	case b == '\n':
		c.fail(errBareLF)
	default:
		c.fail(e)
	}
}

// extensionByte takes one byte of the chunk extensions (RFC 9112, section
// 7.1.1).
func (c *Chunked) extensionByte(b byte) {
	token := classes[b]&isToken != 0
	switch {
	case c.state == afterQuote:
		c.afterItem(b, errChunkExt)
		return
	case c.state == inEscape && classes[b]&isValue != 0:
		c.state = inQuoted
	case c.state == inQuoted && b == '"':
		c.state = afterQuote
	case c.state == inQuoted && b == '\\':
		c.state = inEscape
	case c.state == inQuoted && classes[b]&isValue != 0:
	case c.state == inEscape || c.state == inQuoted:
		c.fail(errChunkExt)
	case c.state == atExtension && token:
		c.state = inExtName
	case c.state == atExtValue && token:
		c.state = inExtToken
	case c.state == atExtValue && b == '"':
		c.state = inQuoted
	case c.state == inExtName && b == '=':
		c.state = atExtValue
	case token && (c.state == inExtName || c.state == inExtToken):
	case c.state == inExtName || c.state == inExtToken:
		c.afterItem(b, errChunkExt)
		return
	default:
		c.fail(errChunkExt)
	}
	if c.line++; c.line > maxChunkLine && c.state != atError {
		c.fail(errChunkLine)
	}
}

// lineEnded begins the data of a chunk, or the trailer section after the last.
func (c *Chunked) lineEnded() {
	c.overhead = max(0, c.overhead+int(c.line)-16-int(min(c.size, maxOverhead))*2)
	switch {
	case c.overhead > maxOverhead:
		c.fail(errChunkOverhead)
	case c.size == 0:
		c.state = inTrailers
	default:
		c.state = inData
	}
	c.digits, c.line = 0, 0
}

// trailer takes bytes of the trailer section up to the end of a line, and
// returns how many.
func (c *Chunked) trailer(p []byte) int {
	n := bytes.IndexByte(p, '\n') + 1
	take := n
	if n == 0 {
		take = len(p)
	}
	if c.section += take; c.section > maxTrailers {
		c.fail(errTrailerLarge)
		return take
	}
	line := p[:take]
	if n == 0 || len(c.pending) > 0 {
		c.pending = append(c.pending, line...)
		line = c.pending
	}
	if n > 0 {
		c.trailerLine(line)
		c.pending = c.pending[:0]
	}
	return take
}

// trailerLine takes one whole line, of which the last byte is LF.
func (c *Chunked) trailerLine(line []byte) {
	if string(line) == "\r\n" {
		c.state = atEnd
		return
	}
	colon := skipName(line, 0)
	if colon == 0 || line[colon] != ':' {
		c.fail(nameError(line, 0, colon))
		return
	}
	end := skipValue(line, colon+1, true)
	if line[end] != '\r' || line[end+1] != '\n' {
		c.fail(valueError(line, end))
		return
	}
	if name := line[:colon]; !forbiddenTrailer(name) {
		c.trailers = exchange.AppendField(c.trailers, name, trim(line[colon+1:end]))
	}
}
