package websocket

import "unicode/utf8"

// checker validates text that comes in pieces. It holds the first bytes of a
// character whose end is still to come.
type checker struct {
	have uint8
	part [utf8.UTFMax]byte
}

// add looks at the next piece; false as soon as it cannot become valid.
func (k *checker) add(p []byte) bool {
	for k.have > 0 && len(p) > 0 {
		k.part[k.have] = p[0]
		k.have++
		p = p[1:]
		part := k.part[:k.have]
		switch {
		case utf8.FullRune(part):
			if r, n := utf8.DecodeRune(part); r == utf8.RuneError && n <= 1 {
				return false
			}
			k.have = 0
		case !mayBegin(part):
			return false
		}
	}
	if k.have > 0 {
		return true
	}
	end := len(p)
	for back := 1; back < utf8.UTFMax && back <= len(p); back++ {
		if at := len(p) - back; utf8.RuneStart(p[at]) {
			if !utf8.FullRune(p[at:]) {
				end = at
			}
			break
		}
	}
	if !utf8.Valid(p[:end]) {
		return false
	}
	k.have = uint8(copy(k.part[:], p[end:]))
	return k.have == 0 || mayBegin(k.part[:k.have])
}

// done reports whether the text may end here.
func (k *checker) done() bool { return k.have == 0 }

// mayBegin reports whether an incomplete character can be completed.
// FullRune says so of the bytes that come first, as it takes an invalid one
// for complete.
func mayBegin(p []byte) bool { return !utf8.FullRune(p) }
