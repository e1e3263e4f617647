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
	Code   uint16 // of GotClose; CodeNoStatus if the frame has none
	Data   []byte // of the message, the ping or the pong; the reason of GotClose
	Pooled bool   // Data is to be given back by Recycle: it is a whole message that was compressed
}

// Conn is the state of one connection, on the server's side. The zero value
// is not ready: see Open.
type Conn struct {
	accept  *handshake // until the connection is accepted
	limit   int64      // bytes of one message
	deflate bool       // messages may be compressed
	window  uint8      // bits of the window that our compressed messages may use
	context *context   // what messages share with those before them; nil if nothing

	header  [MaxHeader]byte
	have    uint8 // bytes of an incomplete header
	inFrame bool
	closed  bool  // a closing frame has come
	first   byte  // of the present frame
	left    int64 // bytes of its payload still to come
	key     mask
	failed  *Error

	inMessage bool
	op        Opcode // of the present message
	packed    bool   // it is compressed
	size      int64  // bytes of it that were announced
	text      checker
	gathered  []byte // what has come of a compressed message
	control   []byte // what has come of a control frame
}

// Next takes the next event off p. n is how many bytes of p it used; call it
// again with the rest while there is one. The data of the event lies in p,
// which is unmasked in place, or in c, and is valid until the next call;
// only what is Pooled stays until Recycle.
//
// What is wrong is found at the first byte of a payload or the last of a
// header that shows it, except in compressed messages, which are unpacked and
// checked when they are whole. An error stays. After GotClose whatever
// follows is thrown away.
func (c *Conn) Next(p []byte) (e Event, n int, err *Error) {
	switch {
	case c.failed != nil:
		return Event{}, 0, c.failed
	case c.closed:
		return Event{}, len(p), nil
	}
	if !c.inFrame {
		if n, err = c.readHeader(p); err != nil || !c.inFrame {
			c.failed = err
			return Event{}, n, err
		}
	}
	data := p[n:min(int64(len(p)), int64(n)+c.left)]
	n += len(data)
	c.left -= int64(len(data))
	c.key = c.key.apply(data)
	c.inFrame = c.left > 0
	switch {
	case Opcode(c.first&0x0f) >= Close:
		e, err = c.controlled(data)
	case c.packed:
		e, err = c.compressed(data)
	default:
		e, err = c.plain(data)
	}
	c.failed = err
	return e, n, err
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
			return n, errLength
		}
	case 127:
		if length = binary.BigEndian.Uint64(h[2:]); length <= 1<<16-1 {
			return n, errLength
		}
		if length >= 1<<63 {
			return n, errLengthLarge
		}
	}
	return n, c.beginFrame(h[0], int64(length), mask(binary.LittleEndian.Uint32(h[size-4:])))
}

// checkHeader checks what can be wrong in the first two bytes.
func (c *Conn) checkHeader(first, second byte) *Error {
	op := Opcode(first & 0x0f)
	switch {
	case second&bitMask == 0:
		return errUnmasked
	case first&(bitsRSV&^bitRSV1) != 0 || first&bitRSV1 != 0 && (!c.deflate || op != Text && op != Binary):
		return errReserved
	case op > Binary && op < Close || op > Pong:
		return errOpcode
	case op >= Close && (first&bitFin == 0 || second&0x7f > maxControlPayload):
		return errControl
	case op == Continuation && !c.inMessage:
		return errContinuation
	case (op == Text || op == Binary) && c.inMessage:
		return errWithin
	}
	return nil
}

func (c *Conn) beginFrame(first byte, length int64, key mask) *Error {
	if op := Opcode(first & 0x0f); op < Close {
		if op != Continuation {
			c.inMessage, c.op, c.size, c.text = true, op, 0, checker{}
			c.packed = first&bitRSV1 != 0
		}
		size := c.size + length
		if c.packed { // what cannot be compressed grows a little
			size -= size>>10 + 64
		}
		if c.size += length; size > c.limit || c.size < 0 {
			return errTooBig
		}
	}
	c.inFrame, c.first, c.left, c.key = true, first, length, key
	return nil
}

// ends reports whether the message ends with what has come of its frame.
func (c *Conn) ends() bool { return !c.inFrame && c.first&bitFin != 0 }

// plain takes data of a message that is not compressed.
func (c *Conn) plain(data []byte) (Event, *Error) {
	if len(data) == 0 && c.inFrame {
		return Event{}, nil
	}
	last := c.ends()
	if c.op == Text && (!c.text.add(data) || last && !c.text.done()) {
		return Event{}, errText
	}
	c.inMessage = !last
	return Event{Kind: MessagePart, Op: c.op, Last: last, Data: data}, nil
}

// compressed gathers a compressed message and unpacks it when it is whole.
func (c *Conn) compressed(data []byte) (Event, *Error) {
	if !c.ends() {
		c.gathered = append(c.gathered, data...)
		return Event{}, nil
	}
	whole := c.gathered
	if whole == nil {
		whole = takeBuffer()
	}
	whole = append(append(whole, data...), tail...)
	c.inMessage, c.packed, c.gathered = false, false, nil
	out, err := inflate(whole, c.limit, c.context.received())
	Recycle(whole)
	if err != nil {
		return Event{}, err
	}
	if c.op == Text && !(c.text.add(out) && c.text.done()) {
		Recycle(out)
		return Event{}, errText
	}
	c.context.addReceived(out)
	return Event{Kind: MessagePart, Op: c.op, Last: true, Data: out, Pooled: true}, nil
}

// controlled gathers a control frame.
func (c *Conn) controlled(data []byte) (Event, *Error) {
	if c.inFrame || len(c.control) > 0 {
		c.control = append(c.control, data...)
		if c.inFrame {
			return Event{}, nil
		}
		data, c.control = c.control, c.control[:0]
	}
	switch Opcode(c.first & 0x0f) {
	case Ping:
		return Event{Kind: GotPing, Data: data}, nil
	case Pong:
		return Event{Kind: GotPong, Data: data}, nil
	}
	code, reason, err := parseClose(data)
	if err != nil {
		return Event{}, err
	}
	c.closed = true
	return Event{Kind: GotClose, Code: code, Data: reason}, nil
}

// Deflates reports whether a message of n bytes would be compressed.
func (c *Conn) Deflates(n int) bool { return c.deflate && n >= leastPacked }

// AppendMessage appends a message as one frame, compressed if that was agreed
// on and makes it shorter.
func (c *Conn) AppendMessage(dst []byte, op Opcode, payload []byte) []byte {
	if c.Deflates(len(payload)) {
		if packed, ok := appendPacked(dst, op, payload, c.window, c.context.sent()); ok {
			c.context.addSent(payload)
			return packed
		}
	}
	return AppendFrame(dst, op, true, payload)
}

// Shares reports whether this connection can be sent what Shared makes: not
// if it was agreed on a smaller window.
func (c *Conn) Shares() bool { return c.deflate && c.window == maxWindow }

// Shared is a message as one frame, compressed if that makes it shorter, for
// all connections that say so with Shares. It refers to no message before it.
func Shared(op Opcode, payload []byte) []byte {
	if len(payload) >= leastPacked {
		if packed, ok := appendPacked(nil, op, payload, maxWindow, nil); ok {
			return packed
		}
	}
	return AppendFrame(nil, op, true, payload)
}

// AppendShared appends a frame that Shared has made of a payload. Messages
// after it may refer to it.
func (c *Conn) AppendShared(dst, frame, payload []byte) []byte {
	if frame[0]&bitRSV1 != 0 {
		c.context.addSent(payload)
	}
	return append(dst, frame...)
}

// Release gives up what is kept of messages. Nothing more can be read.
func (c *Conn) Release() {
	c.accept, c.gathered, c.control, c.context = nil, nil, nil, nil
	c.closed = true
}
