package route

// encodedSlash stands for "%2F" in a decoded path. NUL is free for it, because
// a path with a NUL is refused and no pattern has one.
const encodedSlash = 0

// decode removes the percent-encoding of a path (RFC 3986, section 2.1) into
// m.decoded. It is false for a malformed escape and for a NUL.
func (m *Match) decode(p []byte) bool {
	m.decoded, m.offsets = m.decoded[:0], m.offsets[:0]
	for i := 0; i < len(p); i++ {
		b := p[i]
		m.offsets = append(m.offsets, uint16(i))
		if b == '%' {
			if i+2 >= len(p) {
				return false
			}
			high, low := hexValue(p[i+1]), hexValue(p[i+2])
			if high < 0 || low < 0 {
				return false
			}
			b = byte(high<<4 | low)
			i += 2
			if b == '/' {
				m.decoded = append(m.decoded, encodedSlash)
				continue
			}
		}
		if b == 0 {
			return false
		}
		m.decoded = append(m.decoded, b)
	}
	m.offsets = append(m.offsets, uint16(len(p)))
	return true
}

func hexValue(b byte) int {
	switch {
	case isDigit(b):
		return int(b - '0')
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return -1
}
