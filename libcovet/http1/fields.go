package http1

import (
	"github.com/covetpy/covetpy/libcovet/exchange"
)

// framing is what the field lines say about the message and its connection.
type framing struct {
	host    bool // a Host field was seen
	chunked bool
	close   bool
	keep    bool
	upgrade bool // Connection names upgrade
	wanted  bool // an Upgrade field was seen
}

// fieldLines reads the field lines from i on and the empty line after them,
// and returns where the body begins, or 0 if the head is incomplete.
func (l *Limits) fieldLines(p []byte, i int, req *exchange.Request) (int, *Error) {
	var f framing
	wide := !l.NoSIMD
	most := bounded(l.MaxHeaders, exchange.MaxHeaders)
	for i < len(p) && p[i] != '\r' {
		if req.NumHeaders == most {
			return 0, errManyFields
		}
		colon := skipName(p, i)
		if colon == len(p) {
			return 0, nil
		}
		if p[colon] != ':' || colon == i {
			return 0, nameError(p, i, colon)
		}
		start := colon + 1
		for start < len(p) && isBlank(p[start]) {
			start++
		}
		end := skipValue(p, start, wide)
		if end+1 >= len(p) && (end == len(p) || p[end] == '\r') {
			return 0, nil
		}
		if p[end] != '\r' || p[end+1] != '\n' {
			return 0, valueError(p, end)
		}
		last := end
		for last > start && isBlank(p[last-1]) {
			last--
		}
		req.Headers[req.NumHeaders] = exchange.Header{Name: span(i, colon), Value: span(start, last)}
		req.NumHeaders++
		switch colon - i {
		case 4, 6, 7, 10, 14, 17:
			if e := f.note(p, i, colon, span(start, last), req); e != nil {
				return 0, e
			}
		}
		i = end + 2
	}
	if len(p)-i < 2 {
		return 0, nil
	}
	if p[i+1] != '\n' {
		return 0, errBareCR
	}
	return i + 2, f.finish(req)
}

func nameError(p []byte, i, stop int) *Error {
	switch b := p[stop]; {
	case b == '\n':
		return errBareLF
	case b == '\r':
		return errName
	case stop == i && b == ':':
		return errNoName
	case stop == i && isBlank(b):
		return errFold
	case isBlank(b):
		return errNameSpace
	}
	return errName
}

func valueError(p []byte, stop int) *Error {
	switch p[stop] {
	case '\r':
		return errBareCR
	case '\n':
		return errBareLF
	}
	return errValue
}

// note looks at a field whose name is as long as one that matters here.
func (f *framing) note(p []byte, i, colon int, value exchange.Span, req *exchange.Request) *Error {
	name := p[i:colon]
	switch {
	case len(name) == 4 && equalFold(name, "host"):
		return f.noteHost(p, value, req)
	case len(name) == 10 && equalFold(name, "connection"):
		f.noteConnection(value.Of(p))
	case len(name) == 14 && equalFold(name, "content-length"):
		return f.noteLength(value.Of(p), req)
	case len(name) == 17 && equalFold(name, "transfer-encoding"):
		return f.noteCoding(value.Of(p), req)
	case len(name) == 7 && equalFold(name, "upgrade"):
		f.wanted = f.wanted || value.Len > 0
	case len(name) == 6 && equalFold(name, "expect"):
		if !equalFold(value.Of(p), "100-continue") {
			return errExpectation
		}
		if req.Minor > 0 {
			req.Flags |= exchange.Expect100
		}
	}
	return nil
}

// noteHost checks the Host field. The authority of an absolute target has
// been noted before and wins (RFC 9112, section 3.2.2).
func (f *framing) noteHost(p []byte, value exchange.Span, req *exchange.Request) *Error {
	if f.host {
		return errManyHosts
	}
	f.host = true
	if _, ok := splitAuthority(value.Of(p)); !ok {
		return errHost
	}
	if req.Host.Len == 0 {
		req.Host = value
	}
	return nil
}

func (f *framing) noteConnection(value []byte) {
	for len(value) > 0 {
		token := value
		if comma := indexByte(value, ',', false); comma >= 0 {
			token, value = value[:comma], value[comma+1:]
		} else {
			value = nil
		}
		token = trim(token)
		f.close = f.close || equalFold(token, "close")
		f.keep = f.keep || equalFold(token, "keep-alive")
		f.upgrade = f.upgrade || equalFold(token, "upgrade")
	}
}

func (f *framing) noteLength(value []byte, req *exchange.Request) *Error {
	if req.Length >= 0 {
		return errManyLengths
	}
	if f.chunked {
		return errLengthAndTE
	}
	if len(value) == 0 || skipClass(value, 0, isDigit) != len(value) {
		return errLength
	}
	n := int64(0)
	for _, b := range value {
		if n >= 1<<59 {
			return errLengthLarge
		}
		n = n*10 + int64(b-'0')
	}
	req.Length = n
	return nil
}

func (f *framing) noteCoding(value []byte, req *exchange.Request) *Error {
	switch {
	case f.chunked:
		return errManyTEs
	case req.Length >= 0:
		return errLengthAndTE
	case req.Minor == 0:
		return errTEOldHTTP
	case !equalFold(value, "chunked"):
		return codingError(value)
	}
	f.chunked = true
	return nil
}

// codingError tells a list that ends with chunked, of which the others are
// not known here, from one that cannot frame a request at all (RFC 9112,
// section 6.3).
func codingError(value []byte) *Error {
	for {
		comma := indexByte(value, ',', false)
		if comma < 0 {
			break
		}
		coding := trim(value[:comma])
		if skipClass(coding, 0, isToken) == 0 || equalFold(coding, "chunked") {
			return errTE
		}
		value = value[comma+1:]
	}
	if equalFold(trim(value), "chunked") {
		return errTEUnknown
	}
	return errTE
}

// finish checks what only the whole head can show.
func (f *framing) finish(req *exchange.Request) *Error {
	if !f.host && req.Minor > 0 {
		return errNoHost
	}
	if f.chunked {
		req.Flags |= exchange.Chunked
	}
	if !f.close && (req.Minor > 0 || f.keep) {
		req.Flags |= exchange.KeepAlive
	}
	if f.upgrade && f.wanted && req.Minor > 0 {
		req.Flags |= exchange.Upgrade
	}
	return nil
}
