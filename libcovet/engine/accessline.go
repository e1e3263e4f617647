package engine

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/http1"
)

// entry is what one access line can tell.
type entry struct {
	bridge.View
	status  int
	sent    int64              // body bytes
	elapsed int64              // nanoseconds
	reply   *exchange.Response // nil if no head was sent
	scratch []byte
}

// wallClock is the time of day as text, made once a second.
type wallClock struct {
	due    int64 // of the loop's clock
	ahead  int64 // of the loop's clock, in nanoseconds
	plain  []byte
	common []byte
	iso    []byte // without the fraction
	zone   []byte
}

func (w *wallClock) refresh(now int64) {
	if now < w.due {
		return
	}
	wall := time.Now()
	w.ahead = wall.UnixNano() - now
	w.due = now + int64(time.Second) - int64(wall.Nanosecond())
	w.plain = wall.AppendFormat(w.plain[:0], "2006-01-02 15:04:05 -0700")
	w.common = wall.AppendFormat(w.common[:0], "[02/Jan/2006:15:04:05 -0700]")
	w.iso = wall.AppendFormat(w.iso[:0], "2006-01-02T15:04:05.")
	w.zone = wall.AppendFormat(w.zone[:0], "-07:00")
}

func (w *wallClock) appendISO(b []byte, now int64) []byte {
	b = append(b, w.iso...)
	ms := (now + w.ahead) % int64(time.Second) / int64(time.Millisecond)
	b = append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	return append(b, w.zone...)
}

// appendLine appends the line of an entry at a time of the loop's clock.
func (f *lineFormat) appendLine(b []byte, e *entry, clock *wallClock, now int64) []byte {
	for i := range f.atoms {
		a := &f.atoms[i]
		switch a.kind {
		case atomText:
			b = append(b, a.text...)
		case atomStatus:
			b = strconv.AppendInt(b, int64(e.status), 10)
		case atomBytes, atomBytesOrDash:
			if a.kind == atomBytesOrDash && e.sent == 0 {
				b = append(b, '-')
			} else {
				b = strconv.AppendInt(b, e.sent, 10)
			}
		case atomElapsed:
			b = appendFraction(b, e.elapsed, a.unit, a.digits)
		case atomRequestLine:
			b = e.appendRequestLine(b)
		case atomField:
			value, ok := e.Field(a.text)
			b = f.appendOptional(b, value, ok)
		case atomAnswerField:
			value, ok := e.answerField(a.text)
			b = f.appendOptional(b, value, ok)
		default:
			if f.json {
				b = append(b, '"')
			}
			b = f.appendText(b, a, e, clock, now)
			if f.json {
				b = append(b, '"')
			}
		}
	}
	return b
}

// appendText appends what is always there.
func (f *lineFormat) appendText(b []byte, a *atom, e *entry, clock *wallClock, now int64) []byte {
	switch a.kind {
	case atomClient:
		return appendClient(b, e.Peer, true)
	case atomAddress:
		return appendClient(b, e.Peer, false)
	case atomUser:
		return e.appendUser(b)
	case atomMethod:
		return f.appendEscaped(b, e.Text(e.Verb))
	case atomPath:
		return f.appendEscaped(b, e.Text(e.Path))
	case atomQuery:
		return f.appendEscaped(b, e.Text(e.Query))
	case atomProtocol:
		return append(append(b, "HTTP/1."...), '0'+e.Minor)
	case atomScheme:
		if e.Secure {
			return append(b, "https"...)
		}
		return append(b, "http"...)
	case atomReason:
		return append(b, reasonOf(e.status)...)
	case atomTime:
		return append(b, clock.plain...)
	case atomCommonTime:
		return append(b, clock.common...)
	case atomISOTime:
		return clock.appendISO(b, now)
	}
	return b
}

func reasonOf(status int) string {
	if status == statusUnanswered {
		return "Unanswered"
	}
	return http1.ReasonPhrase(status)
}

// appendFraction appends a time in units, with so many digits after the point.
func appendFraction(b []byte, ns, unit int64, digits int) []byte {
	ns = max(ns, 0)
	b = strconv.AppendInt(b, ns/unit, 10)
	if digits == 0 {
		return b
	}
	b = append(b, '.')
	rest := ns % unit
	for range digits {
		rest *= 10
		b = append(b, byte('0'+rest/unit))
		rest %= unit
	}
	return b
}

func appendClient(b []byte, peer netip.AddrPort, port bool) []byte {
	switch {
	case !peer.IsValid():
		return append(b, "unix"...)
	case port:
		return peer.AppendTo(b)
	}
	return peer.Addr().AppendTo(b)
}

func (e *entry) appendRequestLine(b []byte) []byte {
	b = append(appendVisible(b, e.Text(e.Verb)), ' ')
	b = appendVisible(b, e.Text(e.Target))
	return append(append(b, " HTTP/1."...), '0'+e.Minor)
}

// answerField finds a line in the response. Some of them the engine writes by
// itself, so they are not among its fields.
func (e *entry) answerField(name string) (value []byte, ok bool) {
	if e.reply == nil {
		return nil, false
	}
	for packed := e.reply.Fields; ; {
		key, value, rest, ok := exchange.NextField(packed)
		if !ok {
			break
		}
		if exchange.EqualName(key, name) {
			return value, true
		}
		packed = rest
	}
	switch {
	case name == "content-type" && e.reply.Type != exchange.TypeNone:
		e.scratch = append(e.scratch[:0], e.reply.Type.String()...)
	case name == "content-length" && e.reply.Length >= 0:
		e.scratch = strconv.AppendInt(e.scratch[:0], e.reply.Length, 10)
	default:
		return nil, false
	}
	return e.scratch, true
}

// appendUser appends the name in Basic credentials (RFC 7617).
func (e *entry) appendUser(b []byte) []byte {
	value, ok := e.Field("authorization")
	var decoded [192]byte
	if !ok || len(value) < 6 || !exchange.EqualName(value[:6], "basic ") || len(value) > 250 {
		return append(b, '-')
	}
	n, err := base64.StdEncoding.Decode(decoded[:], value[6:])
	if err != nil {
		return append(b, '-')
	}
	for i, c := range decoded[:n] {
		if c == ':' && i > 0 {
			return appendVisible(b, decoded[:i])
		}
	}
	return append(b, '-')
}

// appendOptional appends a value that may be missing.
func (f *lineFormat) appendOptional(b, value []byte, ok bool) []byte {
	switch {
	case ok && f.json:
		return append(appendJSON(append(b, '"'), value), '"')
	case ok:
		return appendVisible(b, value)
	case f.json:
		return append(b, "null"...)
	}
	return append(b, '-')
}

func (f *lineFormat) appendEscaped(b, value []byte) []byte {
	if f.json {
		return appendJSON(b, value)
	}
	return appendVisible(b, value)
}

const hexDigits = "0123456789abcdef"

// appendVisible appends text from a client in which nothing can end the line,
// the quotes around it or a terminal's mode: such bytes become \xHH.
func appendVisible(b, value []byte) []byte {
	for _, c := range value {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

// appendJSON appends the inside of a JSON string. Bytes that are no UTF-8
// count as Latin-1, and control characters are escaped, also those that JSON
// would let through.
func appendJSON(b, value []byte) []byte {
	for i := 0; i < len(value); {
		c, n := rune(value[i]), 1
		if c >= utf8.RuneSelf {
			if r, size := utf8.DecodeRune(value[i:]); size > 1 {
				c, n = r, size
			}
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ' || c >= 0x7f && c < 0xa0 || n == 1 && c >= utf8.RuneSelf:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, value[i:i+n]...)
		}
		i += n
	}
	return b
}
