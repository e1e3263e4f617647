package websocket

import (
	"encoding/binary"
)

// Kind says what Conn.Next has found.
type Kind uint8

// The kinds of events.
const (
	NeedMore    Kind = iota // nothing: more bytes are needed
	MessagePart             // the next bytes of a message
	GotPing
	GotPong
	GotClose
)

// Event is one thing that has come.
type Event struct {
	Kind   Kind
	Op     Opcode // Text or Binary, of a MessagePart
	Last   bool   // the message ends with this part
	Code   uint16 // of GotClose
	Data   []byte // of the message, the ping or the pong; the reason of GotClose
	Pooled bool   // Data is to be given back by Recycle: it is a whole message that was compressed
}

// Conn is the state of one connection, on the server's side. The zero value
// is not ready: see Open.
type Conn struct {
	accept  *handshake // until the connection is accepted
	limit   int64      // bytes of one message
	deflate bool       // messages may be compressed

	header  [MaxHeader]byte
	have    uint8 // bytes of an incomplete header
	inFrame bool
	first   byte  // of the present frame
	left    int64 // bytes of its payload still to come
	key     mask

	inMessage bool
	op        Opcode // of the present message
	packed    bool   // it is compressed
	size      int64  // bytes of it that have come
	text      checker
	gathered  []byte // the payload of a control frame, or of a compressed message, as far as it has come
	aside     []byte // of a compressed message, while a control frame is gathered
}

// Next takes the next event off p. n is how many bytes of p it used; the data
// of the event lies in p, which is unmasked in place. After an error nothing
// more can be read.
func (c *Conn) Next(p []byte) (e Event, n int, err *Error) {
	if !c.inFrame {
		if n, err = c.readHeader(p); err != nil || !c.inFrame {
			return Event{}, n, err
		}
	}
	data := p[n:min(int64(len(p)), int64(n)+c.left)]
	n += len(data)
	c.left -= int64(len(data))
	c.key = c.key.apply(data)
	ended := c.left == 0
	c.inFrame = !ended
	switch {
	case Opcode(c.first&0x0f) >= Close:
		return c.control(data, ended, n)
	case c.packed:
		return c.compressed(data, ended, n)
	case len(data) == 0 && !ended:
		return Event{}, n, nil
	}
	last := ended && c.first&bitFin != 0
	e = Event{Kind: MessagePart, Op: c.op, Last: last, Data: data}
	if c.op == Text && (!c.text.add(data) || last && !c.text.done()) {
		return Event{}, n, &Error{codeBadData, "the text is not UTF-8"}
	}
	if last {
		c.inMessage = false
	}
	return e, n, nil
}

// readHeader reads a frame's header; inFrame says whether it is complete.
func (c *Conn) readHeader(p []byte) (n int, err *Error) {
	n = copy(c.header[c.have:], p)
	have := int(c.have) + n
	h := c.header[:have]
	if have < 2 {
		c.have = uint8(have)
		return n, nil
	}
	if err := c.checkHeader(h[0], h[1]); err != nil {
		return n, err
	}
	size := 2 + 4
	switch h[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if have < size {
		c.have = uint8(have)
		return n, nil
	}
	n = size - int(c.have)
	c.have = 0
	length := uint64(h[1] & 0x7f)
	switch length {
	case 126:
		if length = uint64(binary.BigEndian.Uint16(h[2:])); length < 126 {
			return n, &Error{codeProtocol, "a length is not in its shortest form"}
		}
	case 127:
		if length = binary.BigEndian.Uint64(h[2:]); length <= 1<<16-1 || length >= 1<<63 {
			return n, &Error{codeProtocol, "a length is not in its shortest form"}
		}
	}
	return n, c.beginFrame(h[0], int64(length), mask(binary.LittleEndian.Uint32(h[size-4:])))
}

// checkHeader checks what can be wrong in the first two bytes.
func (c *Conn) checkHeader(first, second byte) *Error {
	op := Opcode(first & 0x0f)
	switch {
	case second&bitMask == 0:
		return &Error{codeProtocol, "a client's frames must be masked"}
	case first&(bitsRSV&^bitRSV1) != 0 || first&bitRSV1 != 0 && (!c.deflate || op != Text && op != Binary):
		return &Error{codeProtocol, "a reserved bit is set"}
	case op > Binary && op < Close || op > Pong:
		return &Error{codeProtocol, "unknown opcode"}
	case op >= Close && (first&bitFin == 0 || second&0x7f > maxControlPayload):
		return &Error{codeProtocol, "a control frame is too long or in fragments"}
	case op == Continuation && !c.inMessage:
		return &Error{codeProtocol, "a continuation without a beginning"}
	case (op == Text || op == Binary) && c.inMessage:
		return &Error{codeProtocol, "a message begins within another one"}
	}
	return nil
}

func (c *Conn) beginFrame(first byte, length int64, key mask) *Error {
	op := Opcode(first & 0x0f)
	if op < Close {
		if op != Continuation {
			c.inMessage, c.op, c.size, c.text = true, op, 0, checker{}
			c.packed = first&bitRSV1 != 0
		}
		if c.size += length; c.size > c.limit || c.size < 0 {
			return c.tooBig()
		}
	} else if c.gathered != nil {
		c.aside, c.gathered = c.gathered, nil
	}
	c.inFrame, c.first, c.left, c.key = true, first, length, key
	return nil
}

func (c *Conn) tooBig() *Error { return &Error{codeTooBig, "the message is too big"} }

// control gathers a control frame.
func (c *Conn) control(data []byte, ended bool, n int) (Event, int, *Error) {
	if !ended || c.gathered != nil {
		c.gathered = append(c.gathered, data...)
		if !ended {
			if c.gathered == nil {
				c.gathered = []byte{}
			}
			return Event{}, n, nil
		}
		data = c.gathered
	}
	c.gathered, c.aside = c.aside, nil
	e := Event{Kind: GotPing, Data: data}
	switch Opcode(c.first & 0x0f) {
	case Pong:
		e.Kind = GotPong
	case Close:
		code, reason, err := parseClose(data)
		return Event{Kind: GotClose, Code: code, Data: reason}, n, err
	}
	return e, n, nil
}

// compressed gathers a compressed message and unpacks it when it is whole.
func (c *Conn) compressed(data []byte, ended bool, n int) (Event, int, *Error) {
	last := ended && c.first&bitFin != 0
	whole := data
	if !last || len(c.gathered) > 0 {
		c.gathered = append(c.gathered, data...)
		whole = c.gathered
	}
	if !last {
		return Event{}, n, nil
	}
	c.inMessage, c.packed = false, false
	out, err := inflate(whole, c.limit)
	c.gathered = nil
	if err != nil {
		return Event{}, n, err
	}
	if c.op == Text && !(c.text.add(out) && c.text.done()) {
		Recycle(out)
		return Event{}, n, &Error{codeBadData, "the text is not UTF-8"}
	}
	return Event{Kind: MessagePart, Op: c.op, Last: true, Data: out, Pooled: true}, n, nil
}

// Deflates reports whether a message of n bytes would be compressed.
func (c *Conn) Deflates(n int) bool { return c.deflate && n >= leastPacked }

// AppendMessage appends a message as one frame, compressed if that was agreed
// on and makes it shorter.
func (c *Conn) AppendMessage(dst []byte, op Opcode, payload []byte) []byte {
	if c.Deflates(len(payload)) {
		if packed, ok := appendPacked(dst, op, payload); ok {
			return packed
		}
	}
	return AppendFrame(dst, op, true, payload)
}

// Release gives up what is kept of an incomplete message.
func (c *Conn) Release() { c.accept, c.gathered, c.aside = nil, nil, nil }
