package bridge

// #include "channel.h"
import "C"

import "sync/atomic"

const noWorker = C.COVET_NO_WORKER

// The claim of a slot says who has begun its exchange. The generation is part
// of it, so that an id from an earlier use claims nothing.

func claimOf(generation, worker uint32) uint64 { return uint64(generation)<<32 | uint64(worker) }

// begunBy is the worker that has begun the exchange, or a number that no
// worker has.
func (s *Slot) begunBy() uint32 { return uint32(atomic.LoadUint64(word(&s.claim))) }

// pass hands the claim on; false if it is not held by from.
func (s *Slot) pass(generation, from, to uint32) bool {
	return atomic.CompareAndSwapUint64(word(&s.claim), claimOf(generation, from), claimOf(generation, to))
}

func (s *Slot) setClaim(generation, worker uint32) {
	atomic.StoreUint64(word(&s.claim), claimOf(generation, worker))
}
