// Package websocket turns bytes into WebSocket messages and messages into
// bytes (RFC 6455), also compressed (RFC 7692). It does no input or output,
// and keeps nothing of a connection that is idle but a few words.
package websocket

import (
	"encoding/binary"
	"unicode/utf8"
)

// Opcode says what a frame holds (RFC 6455, section 5.2).
type Opcode uint8

// The opcodes there are.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

const (
	// MaxHeader is the most bytes that a header has in front of a payload.
	MaxHeader = 14
	// MaxControl is the most bytes that a control frame of a server has.
	MaxControl = 2 + maxControlPayload

	maxControlPayload = 125

	bitFin  = 0x80
	bitRSV1 = 0x40
	bitsRSV = 0x70
	bitMask = 0x80
)

// The close codes that the codec itself gives (RFC 6455, section 7.4.1).
const (
	CodeNoStatus = 1005
	codeProtocol = 1002
	codeBadData  = 1007
	codeTooBig   = 1009
)

// Error is why a connection must be closed, with the close code to send.
type Error struct {
	Code   uint16
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// AppendHeader appends the header of a frame with n bytes of payload.
func AppendHeader(dst []byte, op Opcode, fin bool, n int) []byte {
	first := byte(op)
	if fin {
		first |= bitFin
	}
	return appendLength(append(dst, first), n)
}

func appendLength(dst []byte, n int) []byte {
	switch {
	case n <= maxControlPayload:
		return append(dst, byte(n))
	case n <= 1<<16-1:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
}

// AppendFrame appends a whole frame.
func AppendFrame(dst []byte, op Opcode, fin bool, payload []byte) []byte {
	return append(AppendHeader(dst, op, fin, len(payload)), payload...)
}

// AppendPing appends a ping. A payload of more than 125 bytes is cut.
func AppendPing(dst, payload []byte) []byte {
	return AppendFrame(dst, Ping, true, payload[:min(len(payload), maxControlPayload)])
}

// AppendPong appends a pong. A payload of more than 125 bytes is cut.
func AppendPong(dst, payload []byte) []byte {
	return AppendFrame(dst, Pong, true, payload[:min(len(payload), maxControlPayload)])
}

// AppendClose appends a closing frame. A code that may not be sent, such as
// CodeNoStatus, leaves it empty. A reason that is too long is cut between
// characters.
func AppendClose(dst []byte, code uint16, reason []byte) []byte {
	if !sendable(code) {
		return AppendFrame(dst, Close, true, nil)
	}
	const room = maxControlPayload - 2
	if len(reason) > room {
		end := room
		for end > 0 && !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	dst = AppendHeader(dst, Close, true, 2+len(reason))
	return append(binary.BigEndian.AppendUint16(dst, code), reason...)
}

// sendable reports whether a code may stand in a closing frame: those of RFC
// 6455, section 7.4, and those registered with IANA since.
func sendable(code uint16) bool {
	switch {
	case code < 1000, code == 1004, code == CodeNoStatus, code == 1006, code >= 5000:
		return false
	}
	return code <= 1014 || code >= 3000
}

// parseClose reads the payload of a closing frame.
func parseClose(p []byte) (code uint16, reason []byte, err *Error) {
	switch {
	case len(p) == 0:
		return CodeNoStatus, nil, nil
	case len(p) == 1:
		return 0, nil, &Error{codeProtocol, "a close code has two bytes"}
	}
	code, reason = binary.BigEndian.Uint16(p), p[2:]
	if !sendable(code) {
		return 0, nil, &Error{codeProtocol, "invalid close code"}
	}
	if !utf8.Valid(reason) {
		return 0, nil, &Error{codeBadData, "the close reason is not UTF-8"}
	}
	return code, reason, nil
}

// mask is a masking key, turned so that its first byte is the next to use.
type mask uint32

// apply unmasks p in place (RFC 6455, section 5.3) and returns the key for
// what follows.
func (m mask) apply(p []byte) mask {
	wide := uint64(m)<<32 | uint64(m)
	for len(p) >= 32 {
		q := p[:32]
		binary.LittleEndian.PutUint64(q, binary.LittleEndian.Uint64(q)^wide)
		binary.LittleEndian.PutUint64(q[8:], binary.LittleEndian.Uint64(q[8:])^wide)
		binary.LittleEndian.PutUint64(q[16:], binary.LittleEndian.Uint64(q[16:])^wide)
		binary.LittleEndian.PutUint64(q[24:], binary.LittleEndian.Uint64(q[24:])^wide)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(m)
		m = m>>8 | m<<24
	}
	return m
}
