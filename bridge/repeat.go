package bridge

// #include "channel.h"
import "C"

import (
	"unsafe"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Repeatable reports whether the request may be carried out a second time:
// its method is safe (RFC 9110, section 9.2.1), and its body is at hand.
func (s *Slot) Repeatable() bool {
	switch exchange.Method(s.method) {
	case exchange.MethodGet, exchange.MethodHead, exchange.MethodOptions:
		return s.request_flags&C.COVET_R_BODY == 0 || s.request_flags&C.COVET_R_BODY_WHOLE != 0
	}
	return false
}

// Route is the number of the matched route.
func (s *Slot) Route() uint32 { return uint32(s.route) }

// Repeat begins a new exchange with the request of another one, which stays as
// it is. It reports false when there is no room for it.
func (p *Port) Repeat(old ID) (ID, *Slot, bool) {
	from := p.Lookup(old)
	if from == nil {
		return 0, nil, false
	}
	id, to, ok := p.Begin()
	if !ok {
		return 0, nil, false
	}
	described := unsafe.Offsetof(to.engine_flags)
	generation := to.generation
	copy(unsafe.Slice((*byte)(unsafe.Pointer(to)), described), unsafe.Slice((*byte)(unsafe.Pointer(from)), described))
	to.generation, to.inbox, to.request_block = generation, C.COVET_NO_WORKER, 0
	to.local = from.local
	if from.request_block == 0 {
		to.request_room = from.request_room
		return id, to, true
	}
	used := int(from.body_off) + int(from.body_len)
	data := p.Bytes(Block(from.request_block))
	block, room, ok := p.Alloc(used, id)
	if !ok || used > len(data) {
		p.Release(id)
		return 0, nil, false
	}
	copy(room, data[:used])
	to.request_block = C.covet_block(block)
	return id, to, true
}
