package route

import "github.com/covetpy/covetpy/libcovet/exchange"

// capture matches the whole of p[from:to] and notes the parameters.
func (e *edge) capture(p []byte, from, to, params int, m *Match) bool {
	if !e.single {
		return e.captureSeveral(p, from, to, params, m)
	}
	to -= len(e.suffix)
	if to < from || string(p[to:to+len(e.suffix)]) != e.suffix || !e.parts[0].kind.matches(p[from:to]) {
		return false
	}
	m.Params[params] = exchange.Span{Off: uint16(from), Len: uint16(to - from)}
	return true
}

// captureSeveral gives each parameter in turn the longest value with which the
// rest still matches, as a regular expression does. It first finds, from right
// to left, from where every part can reach the end, so the work is the length
// times the number of parts whatever the text is.
func (e *edge) captureSeveral(p []byte, from, to, params int, m *Match) bool {
	text := p[from:to]
	if last := e.parts[len(e.parts)-1]; last.kind == literal {
		n := len(text) - len(last.text)
		if n < 0 || string(text[n:]) != last.text {
			return false
		}
	}
	words := len(text)/64 + 1
	rows := m.rows(words * (len(e.parts) + 1))
	row := func(i int) bitset { return bitset(rows[i*words : (i+1)*words]) }
	row(len(e.parts)).set(len(text))
	for i := len(e.parts) - 1; i >= 0; i-- {
		e.parts[i].reach(text, row(i), row(i+1))
	}
	if !row(0).has(0) {
		return false
	}
	at := 0
	for i, q := range e.parts {
		end := q.longest(text, at, row(i+1))
		if q.kind != literal {
			m.Params[params] = exchange.Span{Off: uint16(from + at), Len: uint16(end - at)}
			params++
		}
		at = end
	}
	return true
}

// rows returns n cleared words of scratch memory.
func (m *Match) rows(n int) []uint64 {
	if cap(m.reach) < n {
		m.reach = make([]uint64, n)
	}
	m.reach = m.reach[:n]
	clear(m.reach)
	return m.reach
}

// bitset is a set of positions in a text.
type bitset []uint64

func (b bitset) has(i int) bool { return b[i>>6]>>(i&63)&1 != 0 }
func (b bitset) set(i int)      { b[i>>6] |= 1 << (i & 63) }

// reach sets in here every position from which the part leads to one in after.
func (q part) reach(text []byte, here, after bitset) {
	switch q.kind {
	case literal:
		for i := 0; i+len(q.text) <= len(text); i++ {
			if end := i + len(q.text); after.has(end) && string(text[i:end]) == q.text {
				here.set(i)
			}
		}
	case kindUUID:
		for i := range text {
			if n := uuidLen(text[i:]); n > 0 && after.has(i+n) {
				here.set(i)
			}
		}
	case kindFloat:
		reachFloat(text, here, after)
	default:
		reachRun(q.kind, text, here, after)
	}
}

// reachRun is reach for a run of bytes of one class.
func reachRun(k kind, text []byte, here, after bitset) {
	leads := k == kindPath && after.has(len(text))
	if leads {
		here.set(len(text))
	}
	for i := len(text) - 1; i >= 0; i-- {
		if !k.accepts(text[i]) {
			leads = false
			continue
		}
		if leads = leads || after.has(i+1) || k == kindPath && after.has(i); leads {
			here.set(i)
		}
	}
}

func reachFloat(text []byte, here, after bitset) {
	var digits, fraction, number bool // what leads on from i+1: digits, ".digits", a float
	for i := len(text) - 1; i >= 0; i-- {
		if !isDigit(text[i]) {
			fraction = text[i] == '.' && digits
			digits, number = false, false
			continue
		}
		number = number || fraction || after.has(i+1)
		digits = digits || after.has(i+1)
		if number {
			here.set(i)
		}
	}
}

// longest returns the end of the longest value at a position in here.
func (q part) longest(text []byte, at int, after bitset) int {
	switch q.kind {
	case literal:
		return at + len(q.text)
	case kindUUID:
		return at + uuidLen(text[at:])
	}
	end := at
	for end < len(text) && q.kind.accepts(text[end]) {
		end++
	}
	if q.kind == kindFloat {
		end = at + floatLen(text[at:])
	}
	for end > at && (!after.has(end) || q.kind == kindFloat && text[end-1] == '.') {
		end--
	}
	return end
}

// matches reports whether the whole of v is a value of the kind; v has no
// slash unless the kind is kindPath.
func (k kind) matches(v []byte) bool {
	switch k {
	case kindPath:
		return true
	case kindStr:
		return len(v) > 0
	case kindUUID:
		return len(v) > 0 && uuidLen(v) == len(v)
	case kindFloat:
		return len(v) > 0 && floatLen(v) == len(v)
	}
	for _, b := range v {
		if !isDigit(b) {
			return false
		}
	}
	return len(v) > 0
}

// accepts is the class of bytes of the kinds that are runs.
func (k kind) accepts(b byte) bool {
	switch k {
	case kindInt:
		return isDigit(b)
	case kindStr:
		return b != '/'
	}
	return k == kindPath
}

// floatLen returns the length of the longest float that v begins with, or 0.
func floatLen(v []byte) int {
	n := digitsLen(v)
	if n > 0 && n < len(v) && v[n] == '.' {
		if fraction := digitsLen(v[n+1:]); fraction > 0 {
			return n + 1 + fraction
		}
	}
	return n
}

func digitsLen(v []byte) int {
	n := 0
	for n < len(v) && isDigit(v[n]) {
		n++
	}
	return n
}

// uuidLen returns the length of the UUID that v begins with, or 0.
func uuidLen(v []byte) int {
	n := 0
	for group, size := range [...]int{8, 4, 4, 4, 12} {
		if group > 0 && n < len(v) && v[n] == '-' {
			n++
		}
		for end := n + size; n < end; n++ {
			if n >= len(v) || hexValue(v[n]) < 0 {
				return 0
			}
		}
	}
	return n
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
