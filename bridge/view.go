package bridge

// #include "channel.h"
import "C"

import (
	"net/netip"
	"unsafe"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// View is what the request part of a slot says. Workers can write there, so
// its spans are only good for View's own methods, which check them.
type View struct {
	Head                      []byte
	Verb, Target, Path, Query exchange.Span
	Fields                    []exchange.Header
	Minor                     uint8
	Secure                    bool           // the client speaks TLS
	Peer                      netip.AddrPort // the client, as workers see it; invalid for a unix socket
}

// Recall reads the request part of a slot that is still in use.
func (p *Port) Recall(s *Slot, v *View) {
	room := p.requestRoom(s)
	*v = View{
		Head: room[:min(int(s.head_len), len(room))],
		Verb: spanOf(s.verb), Target: spanOf(s.target), Path: wholePath(spanOf(s.path), uint16(s.root_len)), Query: spanOf(s.query),
		Minor: uint8(s.minor), Secure: s.request_flags&C.COVET_R_TLS != 0, Peer: s.peerAddress(),
	}
	from, n := int(s.fields_off), min(int(s.num_fields), exchange.MaxHeaders)
	if n > 0 && from%int(unsafe.Alignof(exchange.Header{})) == 0 && from+n*C.sizeof_covet_field <= len(room) {
		v.Fields = unsafe.Slice((*exchange.Header)(unsafe.Pointer(&room[from])), n)
	}
}

// wholePath is a path with the root path that was taken off its front.
func wholePath(path exchange.Span, root uint16) exchange.Span {
	if root > path.Off {
		return path
	}
	return exchange.Span{Off: path.Off - root, Len: path.Len + root}
}

// Text returns the bytes of a span; none if it does not fit the head.
func (v *View) Text(s exchange.Span) []byte {
	if int(s.Off)+int(s.Len) > len(v.Head) {
		return nil
	}
	return s.Of(v.Head)
}

// Field finds the first field line of a name, which is in lower case.
func (v *View) Field(name string) (value []byte, ok bool) {
	for i := range v.Fields {
		h := v.Fields[i]
		if int(h.Name.Len) == len(name) && exchange.EqualName(v.Text(h.Name), name) {
			return v.Text(h.Value), true
		}
	}
	return nil, false
}

func (s *Slot) peerAddress() netip.AddrPort {
	var address netip.Addr
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

func spanOf(s C.covet_span) exchange.Span {
	return exchange.Span{Off: uint16(s.off), Len: uint16(s.len)}
}
