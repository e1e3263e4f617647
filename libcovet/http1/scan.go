package http1

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Classes of bytes, one bit each.
const (
	isToken  = 1 << iota // tchar (RFC 9110, section 5.6.2)
	isValue              // HTAB, SP, VCHAR, obs-text: what a field value may hold
	isTarget             // visible ASCII without '#'
	isHost               // reg-name without percent-encoding and comma
	isHex
	isDigit
)

var classes = classify()

func classify() (t [256]uint8) {
	for b := range t {
		alnum := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
		if alnum || in("!#$%&'*+-.^_`|~", b) {
			t[b] |= isToken
		}
		if b == '\t' || b >= ' ' && b != 0x7f {
			t[b] |= isValue
		}
		if b > ' ' && b < 0x7f && b != '#' {
			t[b] |= isTarget
		}
		if alnum || in("-._~!$&'()*+;=", b) {
			t[b] |= isHost
		}
		if b >= '0' && b <= '9' {
			t[b] |= isDigit | isHex
		}
		if b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' {
			t[b] |= isHex
		}
	}
	return t
}

func in(set string, b int) bool {
	return b < 0x80 && bytes.IndexByte([]byte(set), byte(b)) >= 0
}

// Eight bytes at a time: every byte of a word is tested by arithmetic that
// leaves its top bit set where the test holds. A borrow can set a false bit
// only above a true one, so the lowest set bit is always right.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

func below(w, n uint64) uint64 { return (w - ones*n) &^ w }

func equal(w, b uint64) uint64 { w ^= ones * b; return (w - ones) &^ w }

func first(mask uint64) int { return bits.TrailingZeros64(mask) >> 3 }

// skipClass returns the index of the first byte of p from i on that is not of
// the class, or len(p).
func skipClass(p []byte, i int, class uint8) int {
	for i < len(p) && classes[p[i]]&class != 0 {
		i++
	}
	return i
}

// skipName returns the index of the first byte of p from i on that is no
// tchar, or len(p). Names are too short for wide compares to pay.
func skipName(p []byte, i int) int { return skipClass(p, i, isToken) }

// skipValue returns the index of the first byte of p from i on that a field
// value may not hold, or len(p).
func skipValue(p []byte, i int, wide bool) int {
	for wide && len(p)-i >= 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		stop := (below(w, ' ') | equal(w, 0x7f)) & tops
		if stop == 0 {
			i += 8
			continue
		}
		i += first(stop)
		if p[i] != '\t' {
			return i
		}
		i++
	}
	return skipClass(p, i, isValue)
}

// skipTarget returns the index of the first byte of p from i on that a
// request target may not hold, or len(p).
func skipTarget(p []byte, i int, wide bool) int {
	for wide && len(p)-i >= 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		stop := (below(w, '!') | equal(w, 0x7f) | equal(w, '#') | w) & tops
		if stop == 0 {
			i += 8
			continue
		}
		return i + first(stop)
	}
	return skipClass(p, i, isTarget)
}

func indexByte(p []byte, b byte, wide bool) int {
	if wide {
		return bytes.IndexByte(p, b)
	}
	for i := range p {
		if p[i] == b {
			return i
		}
	}
	return -1
}

// equalFold reports whether p is the lower-case ASCII text, in any case. It
// is right for names and values whose bytes have been checked: no byte that
// they may hold, other than a letter, changes under |0x20 into another of text.
func equalFold(p []byte, text string) bool {
	if len(p) != len(text) {
		return false
	}
	for i := range p {
		if p[i]|0x20 != text[i] {
			return false
		}
	}
	return true
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

func trim(p []byte) []byte {
	for len(p) > 0 && isBlank(p[0]) {
		p = p[1:]
	}
	for len(p) > 0 && isBlank(p[len(p)-1]) {
		p = p[:len(p)-1]
	}
	return p
}
