package bridge

// #include "channel.h"
import "C"

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// RecordKind says what a record of a WebSocket's exchange is.
type RecordKind uint8

// The kinds of records. Close and what follows it come from workers alone.
const (
	RecordText          RecordKind = C.COVET_TEXT
	RecordBinary        RecordKind = C.COVET_BINARY
	RecordClose         RecordKind = C.COVET_CLOSE
	RecordSubscribe     RecordKind = C.COVET_SUBSCRIBE
	RecordUnsubscribe   RecordKind = C.COVET_UNSUBSCRIBE
	RecordPublishText   RecordKind = C.COVET_PUBLISH_TEXT
	RecordPublishBinary RecordKind = C.COVET_PUBLISH_BINARY
)

// recordHeader is the bytes of a record before its data.
const recordHeader = 8

// RecordHeader is how much more room in a piece a record needs than its data.
const RecordHeader = recordHeader

// Record is one record of a piece.
type Record struct {
	Kind  RecordKind
	More  bool   // the next record goes on with the same message
	Topic int    // so many bytes at the start of the message are a topic's name
	Data  []byte // in the piece
}

// NextRecord takes the first record off a piece. It reports false at the end,
// and for what is no record.
func NextRecord(piece []byte) (r Record, rest []byte, ok bool) {
	if len(piece) < recordHeader {
		return Record{}, nil, false
	}
	n := uint64(binary.NativeEndian.Uint32(piece))
	if n > uint64(len(piece)-recordHeader) {
		return Record{}, nil, false
	}
	r = Record{
		Kind: RecordKind(piece[4]), More: piece[5] != 0, Topic: int(binary.NativeEndian.Uint16(piece[6:])),
		Data: piece[recordHeader : recordHeader+n],
	}
	return r, piece[recordHeader+n:], true
}

// PutRecordHeader writes the header of a record of n bytes to the start of p.
func PutRecordHeader(p []byte, kind RecordKind, more bool, n int) {
	binary.NativeEndian.PutUint32(p, uint32(n))
	p[4], p[5], p[6], p[7] = byte(kind), 0, 0, 0
	if more {
		p[5] = 1
	}
}

// BodyGoesOn withdraws EngineWaits.
func (s *Slot) BodyGoesOn() { atomic.AndUint32(half(&s.engine_flags), ^uint32(EngineWaits)) }

// EndMessages tells the worker that no message follows what is in the ring,
// and why: only the first call counts. Notify must follow.
func (s *Slot) EndMessages(code uint16, reason []byte, flags uint32) {
	if s.close_code == 0 {
		room := unsafe.Slice((*byte)(unsafe.Pointer(&s.close_reason)), C.COVET_CLOSE_REASON)
		s.close_code, s.close_len = C.uint16_t(code), C.uint8_t(copy(room, reason))
	}
	s.RaiseEngine(EngineBodyEnd | flags)
}

// BegunBy reports whether a worker has begun the exchange.
func (s *Slot) BegunBy(worker int) bool { return s.begunBy() == uint32(worker) }

// OpenControl gives a worker the exchange in which it tells what belongs to
// no exchange. It reports false when there is no slot for it.
func (p *Port) OpenControl(worker int) bool {
	id, s, ok := p.Begin()
	if !ok {
		return false
	}
	s.kind = C.COVET_KIND_CONTROL
	s.head_len, s.fields_off, s.params_off, s.body_off, s.body_len = 0, 0, 0, 0, 0
	s.num_fields, s.num_params, s.request_flags, s.route = 0, 0, 0, 0
	s.setClaim(id.Generation(), uint32(worker))
	atomic.StoreUint64(word(&p.records[worker].control), uint64(id))
	return true
}

// IsControl reports whether nobody asked for the exchange: see OpenControl.
func (s *Slot) IsControl() bool { return s.kind == C.COVET_KIND_CONTROL }

// WakeLoop rings another loop's doorbell if that loop sleeps.
func (p *Port) WakeLoop(loop int) {
	records := unsafe.Slice((*C.covet_loop)(p.at(p.layout.loops)), p.config.Loops)
	if sleeping := half(&records[loop].sleeping); atomic.LoadUint32(sleeping) != 0 && atomic.SwapUint32(sleeping, 0) != 0 {
		p.wake(p.loops[loop])
	}
}

// BodyWaiting is how many pieces the worker has not taken.
func (s *Slot) BodyWaiting() int {
	return int(uint32(s.in.tail) - atomic.LoadUint32(half(&s.in.head)))
}

// Used is how many slots of the loop are not free.
func (p *Port) Used() int { return int(p.used.Load()) }
