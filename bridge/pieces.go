package bridge

// #include "channel.h"
import "C"

import "sync/atomic"

// take removes the oldest piece of a ring. A tail that is impossible counts
// as an empty ring.
func take(r *C.covet_pieces) (Block, int, bool) {
	head := uint32(r.head)
	if waiting := atomic.LoadUint32(half(&r.tail)) - head; waiting-1 >= C.COVET_RING {
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

// PushBody appends a filled block of n bytes to the request body. The worker
// frees it. It reports false while the ring is full.
func (p *Port) PushBody(s *Slot, b Block, n int) bool {
	if !s.BodyRoom() {
		return false
	}
	tail := uint32(s.in.tail)
	s.in.piece[tail%C.COVET_RING] = C.covet_piece{block: C.covet_block(b), len: C.uint32_t(n)}
	atomic.StoreUint32(half(&s.in.tail), tail+1)
	return true
}

// Room takes a block of at least n bytes for the kernel to write a part of a
// request body to, of whichever exchange that will be; the token is for
// Adopt, or for FreeSent.
func (p *Port) Room(n int) (room []byte, token uint64, ok bool) {
	b, room, ok := p.Alloc(n, engineOwner)
	return room, uint64(b), ok
}

// Adopt makes a block that Room gave an exchange's own. The room is nil if it
// was given back before.
func (p *Port) Adopt(token uint64, id ID) (Block, []byte) {
	b := Block(token)
	if !p.reown(b, engineOwner, id) {
		return 0, nil
	}
	return b, p.Bytes(b)
}

// HasPieces reports whether body pieces of the response wait.
func (s *Slot) HasPieces() bool {
	return atomic.LoadUint32(half(&s.out.tail))-uint32(s.out.head)-1 < C.COVET_RING
}

// TakePiece removes the next body piece of the response. The block still
// belongs to the exchange: Free it, or Lend it to have it outlive the
// exchange. A length beyond the block is cut.
func (p *Port) TakePiece(s *Slot) (Block, int, bool) {
	b, n, ok := take(&s.out)
	if !ok {
		return 0, 0, false
	}
	return b, min(n, len(p.Bytes(b))), true
}

// Lend takes a block over from an exchange for as long as the kernel sends
// it, and returns the token for FreeSent. The exchange may end meanwhile.
func (p *Port) Lend(id ID, b Block) uint64 {
	if !p.reown(b, id, engineOwner) {
		return 0 // a block that the worker had no right to: nothing to free
	}
	return uint64(b)
}

// LendResponse lends the block that holds the response's first body part.
func (p *Port) LendResponse(id ID, s *Slot) uint64 {
	b := Block(s.response_block)
	s.response_block = 0
	return p.Lend(id, b)
}

// FreeSent gives back a block that was lent.
func (p *Port) FreeSent(token uint64) { p.Free(Block(token), engineOwner) }
