package bridge

// #include "channel.h"
import "C"

import (
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Flags that the engine sets in a slot while a worker works on it.
const (
	EngineCancelled   = C.COVET_E_CANCELLED
	EngineBodyEnd     = C.COVET_E_BODY_END
	EngineBodyBroken  = C.COVET_E_BODY_BROKEN
	EngineTooLarge    = C.COVET_E_TOO_LARGE
	EngineHalfClosed  = C.COVET_E_HALF_CLOSED
	EngineWaits       = C.COVET_E_WAITS
	EngineFileTaken   = C.COVET_E_FILE_TAKEN
	EngineFileRefused = C.COVET_E_FILE_REFUSED
)

// Flags that a worker sets in a slot.
const (
	WorkerHead     = C.COVET_W_HEAD
	WorkerEnd      = C.COVET_W_END
	WorkerDone     = C.COVET_W_DONE
	WorkerAbort    = C.COVET_W_ABORT
	WorkerContinue = C.COVET_W_CONTINUE
	WorkerTold     = C.COVET_W_TOLD

	workerNoticed = C.COVET_W_NOTICED
)

// Flags of a request.
const (
	RequestTLS       = C.COVET_R_TLS
	RequestBody      = C.COVET_R_BODY
	RequestBodyWhole = C.COVET_R_BODY_WHOLE
	RequestEscaped   = C.COVET_R_ESCAPED
	RequestHasQuery  = C.COVET_R_HAS_QUERY
	RequestExpect    = C.COVET_R_EXPECT
)

// The kinds of exchanges.
const (
	KindHTTP    = C.COVET_KIND_HTTP
	KindSocket  = C.COVET_KIND_SOCKET
	KindControl = C.COVET_KIND_CONTROL
)

// Request is what Fill writes into the request part of a slot. All of it is
// copied, so it needs to stay valid only for the call.
type Request struct {
	*exchange.Request
	Route   uint32
	Verdict uint16
	Flags   uint8
	Params  []exchange.Span
	Body    []byte // an inline body
	Peer    netip.AddrPort
	Local   netip.AddrPort
	Kind    uint8
}

// Fill writes the request part of a slot. It reports false when no block is
// free for a request that is larger than the slot.
func (p *Port) Fill(id ID, s *Slot, r *Request) bool {
	const word = 8
	head := len(r.Head)
	fields := (head + word - 1) &^ (word - 1)
	params := fields + r.NumHeaders*C.sizeof_covet_field
	body := params + len(r.Params)*C.sizeof_covet_span
	need := body + len(r.Body)
	room := unsafe.Slice((*byte)(unsafe.Pointer(&s.request_room)), C.COVET_REQUEST_ROOM)
	if need > len(room) {
		block, large, ok := p.Alloc(need, id)
		if !ok {
			return false
		}
		room, s.request_block = large, C.covet_block(block)
	}
	copy(room, r.Head)
	if r.NumHeaders > 0 {
		to := unsafe.Slice((*exchange.Header)(unsafe.Pointer(&room[fields])), r.NumHeaders)
		copy(to, r.Fields())
	}
	if len(r.Params) > 0 {
		copy(unsafe.Slice((*exchange.Span)(unsafe.Pointer(&room[params])), len(r.Params)), r.Params)
	}
	copy(room[body:], r.Body)
	s.head_len, s.fields_off = C.uint32_t(head), C.uint32_t(fields)
	s.params_off, s.body_off, s.body_len = C.uint32_t(params), C.uint32_t(body), C.uint32_t(len(r.Body))
	s.describe(r)
	return true
}

func (s *Slot) describe(r *Request) {
	s.route, s.verdict = C.uint32_t(r.Route), C.uint16_t(r.Verdict)
	s.method, s.proto, s.minor = C.uint8_t(r.Method), C.uint8_t(r.Proto), C.uint8_t(r.Minor)
	s.num_params, s.num_fields = C.uint8_t(len(r.Params)), C.uint8_t(r.NumHeaders)
	s.content_length = C.int64_t(r.Length)
	s.verb, s.target, s.path = span(r.Verb), span(r.Target), span(r.Path)
	s.query, s.host = span(r.Query), span(r.Host)
	flags := r.Flags
	switch addr := r.Peer.Addr(); {
	case addr.Is4():
		v4 := addr.As4()
		*(*[4]byte)(unsafe.Pointer(&s.peer)) = v4
	case addr.IsValid():
		*(*[16]byte)(unsafe.Pointer(&s.peer)) = addr.As16()
		flags |= C.COVET_R_IPV6
	default:
		flags |= C.COVET_R_UNIX
	}
	s.kind = C.uint8_t(r.Kind)
	s.peer_port, s.local_port = C.uint16_t(r.Peer.Port()), C.uint16_t(r.Local.Port())
	s.root_len = C.uint16_t(r.Root)
	s.setLocal(r.Local.Addr())
	s.request_flags = C.uint8_t(flags)
}

func (s *Slot) setLocal(addr netip.Addr) {
	switch {
	case addr.Is4():
		*(*[4]byte)(unsafe.Pointer(&s.local)) = addr.As4()
		s.local_family = 4
	case addr.IsValid():
		*(*[16]byte)(unsafe.Pointer(&s.local)) = addr.As16()
		s.local_family = 6
	default:
		s.local_family = 0
	}
}

func span(s exchange.Span) C.covet_span {
	return C.covet_span{off: C.uint16_t(s.Off), len: C.uint16_t(s.Len)}
}

// requestRoom is where the request's data is.
func (p *Port) requestRoom(s *Slot) []byte {
	if s.request_block != 0 {
		return p.Bytes(Block(s.request_block))
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s.request_room)), C.COVET_REQUEST_ROOM)
}

// RaiseEngine sets engine flags.
func (s *Slot) RaiseEngine(flags uint32) { atomic.OrUint32(half(&s.engine_flags), flags) }

// WorkerFlags are the flags that the worker has set.
func (s *Slot) WorkerFlags() uint32 { return atomic.LoadUint32(half(&s.worker_flags)) }

// Status is the response's status.
func (s *Slot) Status() uint16 { return uint16(s.status) }

// MediaType is the response's numbered content type.
func (s *Slot) MediaType() exchange.MediaType { return exchange.MediaType(s.media_type) }

// ResponseFlags are the response's flags.
func (s *Slot) ResponseFlags() exchange.ResponseFlags {
	return exchange.ResponseFlags(s.response_flags)
}

// Length is the response body's length in bytes; -1 if unknown.
func (s *Slot) Length() int64 { return int64(s.length) }

// ResponseParts are the packed fields and the first part of the body. ok is
// false if what the worker wrote does not fit its room.
func (p *Port) ResponseParts(s *Slot) (fields, body []byte, ok bool) {
	room := unsafe.Slice((*byte)(unsafe.Pointer(&s.response_room)), C.COVET_RESPONSE_ROOM)
	if s.response_block != 0 {
		room = p.Bytes(Block(s.response_block))
	}
	n, m := int(s.response_fields), int(s.response_body)
	if n+m > len(room) {
		return nil, nil, false
	}
	return room[:n], room[n : n+m], true
}
