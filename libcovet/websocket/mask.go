package websocket

import "encoding/binary"

// mask is a masking key, turned so that its first byte is the next to use.
type mask uint32

// apply unmasks p in place (RFC 6455, section 5.3) and returns the key for
// what follows.
func (m mask) apply(p []byte) mask {
	wide := uint64(m)<<32 | uint64(m)
	for len(p) >= 32 {
		q := p[:32]
		binary.LittleEndian.PutUint64(q, binary.LittleEndian.Uint64(q)^wide)
		binary.LittleEndian.PutUint64(q[8:], binary.LittleEndian.Uint64(q[8:])^wide)
		binary.LittleEndian.PutUint64(q[16:], binary.LittleEndian.Uint64(q[16:])^wide)
		binary.LittleEndian.PutUint64(q[24:], binary.LittleEndian.Uint64(q[24:])^wide)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(m)
		m = m>>8 | m<<24
	}
	return m
}
