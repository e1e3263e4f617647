// Package http1 turns bytes into HTTP/1.1 requests and responses into bytes
// (RFC 9112). It holds no connection and does no input or output.
package http1

import (
	"github.com/covetpy/covetpy/libcovet/exchange"
)

// maxMethod is the most bytes that a method may have.
const maxMethod = 64

// maxEmptyLines is how many empty lines before a request are forgiven
// (RFC 9112, section 2.2).
const maxEmptyLines = 2

// Limits bounds what a request head may be, in bytes and lines. Zero means
// the most that [exchange.Request] can hold, and so does anything larger.
type Limits struct {
	// MaxTarget is the most bytes of a request target; more is a 414.
	MaxTarget int
	// MaxHead is the most bytes of a whole head, from its method to its empty
	// line; more is a 431, or a 414 if the target has not ended by then.
	MaxHead int
	// MaxHeaders is the most header field lines; more is a 431.
	MaxHeaders int
	// NoSIMD turns the eight-byte-wide scans off. The result is the same.
	NoSIMD bool
}

func bounded(limit, most int) int {
	if limit <= 0 || limit > most {
		return most
	}
	return limit
}

// ParseRequest reads the request head at the start of p into req, whose Head
// then is the head inside p, from its method to its empty line.
//
// It returns how many bytes of p the head and the empty lines before it take,
// or 0 without an error if p holds only the beginning of a head. An error is
// always an [*Error], is found at the first byte that shows it, and leaves in
// req what was read before it. What p begins with decides the result: the
// way in which a head arrives in pieces does not change it.
//
// Stricter than RFC 9112: a repeated Content-Length is refused even if the
// values agree, and so are a comma or a percent-encoding in a Host.
func (l *Limits) ParseRequest(p []byte, req *exchange.Request) (n int, err error) {
	skipped, e := skipEmptyLines(p)
	if e != nil {
		return 0, e
	}
	p = p[skipped:]
	if len(p) == 1 && p[0] == '\r' { // half of one more empty line
		return 0, nil
	}
	most := bounded(l.MaxHead, exchange.MaxHead)
	if len(p) > most {
		p = p[:most]
	}
	req.Reset(p)
	n, e = l.requestLine(p, req)
	if e != nil {
		return 0, e
	}
	if n == 0 {
		if len(p) == most {
			return 0, errTargetLong
		}
		return 0, nil
	}
	n, e = l.fieldLines(p, n, req)
	if e != nil {
		return 0, e
	}
	if n == 0 {
		if len(p) == most {
			return 0, errHeadLong
		}
		return 0, nil
	}
	req.Head = p[:n]
	return skipped + n, nil
}

// skipEmptyLines returns how many bytes the complete empty lines at the start
// of p take.
func skipEmptyLines(p []byte) (int, *Error) {
	i := 0
	for i < len(p) && (p[i] == '\r' || p[i] == '\n') {
		switch {
		case i == 2*maxEmptyLines:
			return 0, errEmptyLines
		case p[i] == '\n':
			return 0, errBareLF
		case i+1 == len(p):
			return i, nil
		case p[i+1] != '\n':
			return 0, errBareCR
		}
		i += 2
	}
	return i, nil
}

// requestLine reads the first line and returns where the next one begins, or
// 0 if it is incomplete.
func (l *Limits) requestLine(p []byte, req *exchange.Request) (int, *Error) {
	i, e := methodOf(p, req)
	if i == 0 {
		return 0, e
	}
	wide := !l.NoSIMD
	end := skipTarget(p, i, wide)
	if end-i > bounded(l.MaxTarget, exchange.MaxHead) {
		return 0, errTargetLong
	}
	if end == len(p) {
		return 0, nil
	}
	if p[end] != ' ' {
		return 0, targetByteError(p, end)
	}
	if end == i {
		return 0, errSpaces
	}
	req.Target = span(i, end)
	if e := readTarget(p, req, wide); e != nil {
		return 0, e
	}
	return versionOf(p, end+1, req)
}

// methodOf reads the method and its space, and returns where the target
// begins, or 0 if that is not known yet.
func methodOf(p []byte, req *exchange.Request) (int, *Error) {
	if len(p) >= 4 && string(p[:4]) == "GET " {
		req.Method, req.Verb = exchange.MethodGet, exchange.Span{Off: 0, Len: 3}
		return 4, nil
	}
	end := skipName(p, 0)
	if end > maxMethod {
		return 0, errMethodLong
	}
	if end == len(p) {
		return 0, nil
	}
	if end == 0 || p[end] != ' ' {
		return 0, errMethod
	}
	req.Method, req.Verb = exchange.ParseMethod(p[:end]), span(0, end)
	return end + 1, nil
}

func targetByteError(p []byte, i int) *Error {
	switch p[i] {
	case '\r', '\n':
		return errVersion // HTTP/0.9, or the version is missing
	case '\t':
		return errSpaces
	}
	return errTarget
}

// versionOf reads "HTTP/1.1" and the end of the line, and returns where the
// next line begins, or 0 if the line is incomplete.
func versionOf(p []byte, i int, req *exchange.Request) (int, *Error) {
	const form = "HTTP/1.1\r\n"
	if len(p)-i >= len(form) && string(p[i:i+len(form)]) == form {
		req.Minor = 1
		return i + len(form), nil
	}
	for k := 0; k < len(form); k++ {
		if i+k == len(p) {
			return 0, nil
		}
		b := p[i+k]
		switch {
		case k == 5 || k == 7:
			if classes[b]&isDigit == 0 {
				return 0, errVersion
			}
		case b != form[k]:
			return 0, versionError(b, k)
		}
	}
	if p[i+5] != '1' {
		return 0, errMajor
	}
	req.Minor = min(p[i+7]-'0', 1)
	return i + len(form), nil
}

func versionError(b byte, k int) *Error {
	switch {
	case k == 0 && isBlank(b):
		return errSpaces
	case k == 8 && b == '\n':
		return errBareLF
	case k == 9:
		return errBareCR
	}
	return errVersion
}

func span(from, to int) exchange.Span {
	return exchange.Span{Off: uint16(from), Len: uint16(to - from)}
}
