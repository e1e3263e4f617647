package websocket

// A small reader of the deflate format (RFC 1951) that looks at distances
// only, as no library tells them.

type bitReader struct {
	p  []byte
	at int // in bits
}

func (b *bitReader) bits(n int) (v int) {
	for i := range n {
		v |= int(b.p[b.at/8]>>(b.at%8)&1) << i
		b.at++
	}
	return v
}

// prefixCode is a canonical code: how many symbols have each length, and the
// symbols in the order of their codes.
type prefixCode struct {
	count   [16]int
	symbols []int
}

func newPrefixCode(lengths []int) (c prefixCode) {
	for length := 1; length < 16; length++ {
		for symbol, n := range lengths {
			if n == length {
				c.count[length]++
				c.symbols = append(c.symbols, symbol)
			}
		}
	}
	return c
}

func (b *bitReader) symbol(c prefixCode) int {
	code, first, index := 0, 0, 0
	for length := 1; length < 16; length++ {
		code |= b.bits(1)
		if n := c.count[length]; code-first < n {
			return c.symbols[index+code-first]
		} else {
			index, first = index+n, (first+n)<<1
		}
		code <<= 1
	}
	panic("no such code")
}

var (
	lengthExtra  = []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	lengthsOrder = []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// farthest is the largest distance that a valid stream refers back to.
func farthest(p []byte) (most int) {
	b := &bitReader{p: p}
	for last := false; !last; {
		last = b.bits(1) == 1
		switch b.bits(2) {
		case 0:
			b.at = (b.at + 7) / 8 * 8
			n := b.bits(16)
			b.at += 16 + 8*n
		case 1:
			most = max(most, b.block(fixedCodes()))
		case 2:
			most = max(most, b.block(b.dynamicCodes()))
		}
	}
	return most
}

func fixedCodes() (literals, distances prefixCode) {
	lengths := make([]int, 288)
	for i := range lengths {
		switch {
		case i < 144 || i > 279:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	fives := make([]int, 30)
	for i := range fives {
		fives[i] = 5
	}
	return newPrefixCode(lengths), newPrefixCode(fives)
}

func (b *bitReader) dynamicCodes() (literals, distances prefixCode) {
	nl, nd, nc := b.bits(5)+257, b.bits(5)+1, b.bits(4)+4
	var codes [19]int
	for _, at := range lengthsOrder[:nc] {
		codes[at] = b.bits(3)
	}
	code := newPrefixCode(codes[:])
	var lengths []int
	for len(lengths) < nl+nd {
		length, times := b.symbol(code), 1
		switch length {
		case 16:
			length, times = lengths[len(lengths)-1], 3+b.bits(2)
		case 17:
			length, times = 0, 3+b.bits(3)
		case 18:
			length, times = 0, 11+b.bits(7)
		}
		for range times {
			lengths = append(lengths, length)
		}
	}
	return newPrefixCode(lengths[:nl]), newPrefixCode(lengths[nl:])
}

func (b *bitReader) block(literals, distances prefixCode) (most int) {
	for {
		symbol := b.symbol(literals)
		switch {
		case symbol == 256:
			return most
		case symbol > 256:
			b.bits(lengthExtra[symbol-257])
			d := b.symbol(distances)
			extra := max(0, d/2-1)
			distance := d + 1
			if d > 3 {
				distance = (2+d%2)<<extra + 1
			}
			most = max(most, distance+b.bits(extra))
		}
	}
}
