package bridge

// #include "channel.h"
import "C"

import "sync/atomic"

// take removes the oldest piece of a ring.
func take(r *C.covet_pieces) (Block, int, bool) {
	head := uint32(r.head)
	if head == atomic.LoadUint32(half(&r.tail)) {
		return 0, 0, false
	}
	piece := r.piece[head%C.COVET_RING]
	atomic.StoreUint32(half(&r.head), head+1)
	return Block(piece.block), int(piece.len), true
}

// BodyRoom reports whether PushBody would succeed.
func (s *Slot) BodyRoom() bool {
	return uint32(s.in.tail)-atomic.LoadUint32(half(&s.in.head)) < C.COVET_RING
}

// PushBody appends a filled block of n bytes to the request body.
func (p *Port) PushBody(s *Slot, b Block, n int) bool {
	if !s.BodyRoom() {
		return false
	}
	tail := uint32(s.in.tail)
	s.in.piece[tail%C.COVET_RING] = C.covet_piece{block: C.covet_block(b), len: C.uint32_t(n)}
	atomic.StoreUint32(half(&s.in.tail), tail+1)
	return true
}

// HasPieces reports whether body pieces of the response wait.
func (s *Slot) HasPieces() bool {
	return uint32(s.out.head) != atomic.LoadUint32(half(&s.out.tail))
}

// TakePiece removes the next body piece of the response. The block still
// belongs to the exchange. A length beyond the block is cut.
func (p *Port) TakePiece(s *Slot) (Block, int, bool) {
	b, n, ok := take(&s.out)
	if !ok {
		return 0, 0, false
	}
	return b, min(n, len(p.Bytes(b))), true
}
