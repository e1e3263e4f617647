package bridge

import "encoding/binary"

// What one exchange of the stress test carries is derived from its id on both
// sides: pybind/stress/pattern.h must compute the same.

const (
	requestHead = 1 + iota
	requestBody
	responseFields
	responseBody
	requestIndex
)

const (
	noBody = iota
	inlineBody
	streamedBody
)

const streamedResponse = 2

func mix(x uint64) uint64 {
	x ^= x >> 31
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 29
	x *= 0x94d049bb133111eb
	return x ^ x>>32
}

func draw(seed uint64, id ID, what uint64) uint64 {
	return mix(mix(seed^uint64(id)) + what*0x9e3779b97f4a7c15)
}

func patternByte(stream uint64, at int) byte {
	return byte(mix(stream+uint64(at>>3)) >> (at & 7 * 8))
}

// patternFill writes the bytes of a stream from a position on.
func patternFill(stream uint64, at int, to []byte) {
	i := 0
	for ; i < len(to) && (at+i)&7 != 0; i++ {
		to[i] = patternByte(stream, at+i)
	}
	for ; i+8 <= len(to); i += 8 {
		binary.LittleEndian.PutUint64(to[i:], mix(stream+uint64((at+i)>>3)))
	}
	for ; i < len(to); i++ {
		to[i] = patternByte(stream, at+i)
	}
}

// patternCheck returns the first place that differs, or -1.
func patternCheck(stream uint64, at int, from []byte) int {
	i := 0
	for ; i < len(from) && (at+i)&7 != 0; i++ {
		if from[i] != patternByte(stream, at+i) {
			return i
		}
	}
	for ; i+8 <= len(from) && binary.LittleEndian.Uint64(from[i:]) == mix(stream+uint64((at+i)>>3)); i += 8 {
	}
	for ; i < len(from); i++ {
		if from[i] != patternByte(stream, at+i) {
			return i
		}
	}
	return -1
}

// sizeOf is mostly small, sometimes larger than a slot's room, seldom larger
// than a block.
func sizeOf(r uint64, limit uint64) int {
	switch kind, rest := r%100, r>>8; {
	case kind < 90:
		return int(rest % 200)
	case kind < 98:
		return int(rest % 4096)
	default:
		return int(rest % limit)
	}
}

type exchangePlan struct {
	head, headers, params, body, fields, answer int
	bodyKind, responseKind                      int
	route                                       uint64
}

func planOf(seed uint64, id ID) exchangePlan {
	r := draw(seed, id, 100)
	p := exchangePlan{
		headers: int(r & 15), params: int(r >> 4 & 7),
		bodyKind: int((r >> 8 & 255) % 3), responseKind: int((r >> 16 & 255) % 3),
		head: 1 + sizeOf(draw(seed, id, 101), 60000), fields: sizeOf(draw(seed, id, 103), 20000),
		route: draw(seed, id, 105),
	}
	switch p.bodyKind {
	case inlineBody:
		p.body = sizeOf(draw(seed, id, 102), 65536)
	case streamedBody:
		p.body = sizeOf(draw(seed, id, 102), 400000)
	}
	limit := uint64(200000)
	if p.responseKind == streamedResponse {
		limit = 400000
	}
	p.answer = sizeOf(draw(seed, id, 104), limit)
	return p
}
