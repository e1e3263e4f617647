package bridge

// #include "channel.h"
import "C"

import (
	"net/netip"
	"unsafe"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Peer is the client's address as the workers see it; it is invalid for a
// unix socket.
func (s *Slot) Peer() netip.AddrPort {
	address := netip.Addr{}
	switch {
	case s.request_flags&C.COVET_R_UNIX != 0:
		return netip.AddrPort{}
	case s.request_flags&C.COVET_R_IPV6 != 0:
		address = netip.AddrFrom16(*(*[16]byte)(unsafe.Pointer(&s.peer)))
	default:
		address = netip.AddrFrom4(*(*[4]byte)(unsafe.Pointer(&s.peer)))
	}
	return netip.AddrPortFrom(address, uint16(s.peer_port))
}

// Secure reports whether the client speaks TLS.
func (s *Slot) Secure() bool { return s.request_flags&C.COVET_R_TLS != 0 }

// Target is the path and the query of the request, as received.
func (p *Port) Target(s *Slot) (path, query []byte) {
	head := p.requestRoom(s)
	return part(head, exchange.Span{Off: uint16(s.path.off), Len: uint16(s.path.len)}),
		part(head, exchange.Span{Off: uint16(s.query.off), Len: uint16(s.query.len)})
}

// Field is the value of the request's first field of a name in lower case; nil
// if it has none.
func (p *Port) Field(s *Slot, name string) []byte {
	head := p.requestRoom(s)
	from, n := int(s.fields_off), int(s.num_fields)
	if from%int(unsafe.Alignof(exchange.Header{})) != 0 || from+n*C.sizeof_covet_field > len(head) || n == 0 {
		return nil
	}
	fields := unsafe.Slice((*exchange.Header)(unsafe.Pointer(&head[from])), n)
	for i := range fields {
		if int(fields[i].Name.Len) == len(name) && exchange.EqualName(part(head, fields[i].Name), name) {
			return part(head, fields[i].Value)
		}
	}
	return nil
}

// part is a part of the head; nil if a worker has overwritten where it is.
func part(head []byte, s exchange.Span) []byte {
	if int(s.Off)+int(s.Len) > len(head) {
		return nil
	}
	return s.Of(head)
}
