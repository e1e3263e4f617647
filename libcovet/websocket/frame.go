// Package websocket turns bytes into WebSocket messages and messages into
// bytes (RFC 6455), also compressed (RFC 7692). It does no input or output.
//
// A connection that is idle holds no compressor: those are borrowed from a
// pool for the length of one message. Unless Options.Takeover says otherwise,
// messages share no context either, so nothing is kept between them, and one
// compressed frame serves any number of clients. What that costs is the gain
// of repetition between messages: small messages that are alike hardly
// shrink. With Takeover each connection keeps the last bytes that went each
// way, up to 64 KiB in all, and every message pays for handing them to the
// compressor: some 15 µs for a window of 12 bits, 80 µs for one of 15.
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
		return 0, nil, errHalfCode
	}
	code, reason = binary.BigEndian.Uint16(p), p[2:]
	if !sendable(code) {
		return 0, nil, errCode
	}
	if !utf8.Valid(reason) {
		return 0, nil, errReason
	}
	return code, reason, nil
}
