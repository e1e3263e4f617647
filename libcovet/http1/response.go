package http1

import (
	"strconv"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// typeLines holds the Content-Type line of every numbered media type.
var typeLines = makeTypeLines()

func makeTypeLines() (lines [exchange.NumTypes]string) {
	for t := exchange.TypeNone + 1; t < exchange.NumTypes; t++ {
		lines[t] = "content-type: " + t.String() + "\r\n"
	}
	return lines
}

// AppendHead appends the head of a response, from its status line to its
// empty line, to dst. minor is that of the request's version: a client of
// HTTP/1.0 gets no chunked coding, and a body of unknown length that ends
// with the connection. keepAlive says whether the connection may live on; the
// head says "close" if it may not, if r asks for that, or if the body ends
// with the connection. A status outside 100 to 999 goes out as 500.
//
// The framing is always that of r.Length. Of r.Fields these lines are left
// out, silently: those with a name that is no token or a value with a control
// byte such as CR, LF or NUL, for they would forge other lines; any
// Transfer-Encoding; any Content-Length, except the first that is a number
// when r has both OwnLength and NoBody, which then replaces r.Length;
// and Connection, except with 101 and 426, which need it. A 1xx, 204 or 304
// has no framing at all (RFC 9110, section 8.6; RFC 9112, section 6.3), and a
// 1xx has no stamp and no line about the connection.
func AppendHead(dst []byte, r *exchange.Response, minor uint8, keepAlive bool, stamp *Stamp) []byte {
	status := int(r.Status)
	dst = appendStatus(dst, &status)
	if status >= 200 {
		dst = appendStamp(dst, r.Flags, stamp)
	}
	if r.Type < exchange.NumTypes {
		dst = append(dst, typeLines[r.Type]...)
	}
	bodiless := status < 200 || status == 204 || status == 304
	noBody := r.Flags&exchange.NoBody != 0
	own := !bodiless && noBody && r.Flags&exchange.OwnLength != 0
	switch {
	case bodiless || own:
	case r.Length >= 0:
		dst = append(dst, "content-length: "...)
		dst = strconv.AppendInt(dst, r.Length, 10)
		dst = append(dst, "\r\n"...)
	case noBody:
	case minor > 0:
		dst = append(dst, "transfer-encoding: chunked\r\n"...)
	default:
		keepAlive = false
	}
	if len(r.Fields) > 0 {
		dst = appendFields(dst, r.Fields, own, status == 101 || status == 426)
	}
	switch {
	case status < 200:
	case !keepAlive || r.Flags&exchange.CloseAfter != 0:
		dst = append(dst, "connection: close\r\n"...)
	case minor == 0:
		dst = append(dst, "connection: keep-alive\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// SentStatus is the status that goes out for one that an answerer gave.
func SentStatus(status uint16) uint16 {
	if status < 100 || status > 999 {
		return 500
	}
	return status
}

func appendStatus(dst []byte, status *int) []byte {
	if *status == 200 {
		return append(dst, "HTTP/1.1 200 OK\r\n"...)
	}
	*status = int(SentStatus(uint16(*status)))
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(*status), 10)
	dst = append(dst, ' ')
	dst = append(dst, ReasonPhrase(*status)...)
	return append(dst, "\r\n"...)
}

func appendStamp(dst []byte, flags exchange.ResponseFlags, stamp *Stamp) []byte {
	if flags&(exchange.OwnDate|exchange.OwnServer) == 0 {
		return append(dst, stamp.lines...)
	}
	dst = append(dst, stamp.lines[:stamp.server]...)
	if flags&exchange.OwnServer == 0 {
		dst = append(dst, stamp.lines[stamp.server:stamp.date]...)
	}
	if flags&exchange.OwnDate == 0 {
		dst = append(dst, stamp.lines[stamp.date:]...)
	}
	return dst
}

// appendFields appends packed field lines. ownLength lets one Content-Length
// through, and connection lets Connection through.
func appendFields(dst, packed []byte, ownLength, connection bool) []byte {
	for {
		name, value, rest, ok := exchange.NextField(packed)
		if !ok {
			return dst
		}
		packed = rest
		if len(name) == 0 || skipName(name, 0) != len(name) || skipValue(value, 0, true) != len(value) {
			continue
		}
		switch len(name) {
		case 10:
			if !connection && equalFold(name, "connection") {
				continue
			}
		case 14:
			if equalFold(name, "content-length") {
				if !ownLength || len(value) == 0 || skipClass(value, 0, isDigit) != len(value) {
					continue
				}
				ownLength = false
			}
		case 17:
			if equalFold(name, "transfer-encoding") {
				continue
			}
		}
		dst = appendLine(dst, name, value)
	}
}

func appendLine(dst, name, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendChunk appends data as one chunk (RFC 9112, section 7.1). Empty data
// appends nothing, for an empty chunk would end the body.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkHead(dst, len(data))
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// AppendChunkHead appends the size line of a chunk of n bytes; the caller
// sends the bytes and CR LF after it. It appends nothing unless n is positive.
func AppendChunkHead(dst []byte, n int) []byte {
	if n <= 0 {
		return dst
	}
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the end of a chunked body. trailers holds packed
// field lines; those that AppendHead would leave out, and those that may not
// be in a trailer section, are left out.
func AppendLastChunk(dst, trailers []byte) []byte {
	dst = append(dst, "0\r\n"...)
	for {
		name, value, rest, ok := exchange.NextField(trailers)
		if !ok {
			return append(dst, "\r\n"...)
		}
		trailers = rest
		if len(name) > 0 && skipName(name, 0) == len(name) &&
			skipValue(value, 0, true) == len(value) && !forbiddenTrailer(name) {
			dst = appendLine(dst, name, value)
		}
	}
}
