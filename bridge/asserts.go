package bridge

// #include "channel.h"
import "C"

import (
	"unsafe"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Both sides must see one layout. An index other than 0 does not compile.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(C.covet_header{})-C.sizeof_covet_header]
	_ = [1]struct{}{}[unsafe.Offsetof(C.covet_header{}.classes)-2*C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Sizeof(C.covet_class{})-2*C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Offsetof(C.covet_class{}.block_bytes)-C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Offsetof(C.covet_class{}.bare_head)%8]
	_ = [1]struct{}{}[unsafe.Sizeof(C.covet_link{})-16]
	_ = [1]struct{}{}[unsafe.Sizeof(C.covet_cell{})-16]
	_ = [1]struct{}{}[unsafe.Sizeof(C.covet_marks{})-2*C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Offsetof(C.covet_marks{}.head)-C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Sizeof(C.covet_worker{})-5*C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Offsetof(C.covet_worker{}.inbox_tail)-C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Offsetof(C.covet_worker{}.notice_head)-4*C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Sizeof(C.covet_loop{})-2*C.COVET_LINE]
	_ = [1]struct{}{}[unsafe.Sizeof(Slot{})-C.COVET_SLOT_BYTES]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.content_length)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.kind)-112]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.engine_flags)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.claim)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.status)-268]
	_ = [1]struct{}{}[C.sizeof_covet_record-recordHeader]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.request_room)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(Slot{}.response_room)-384-C.COVET_REQUEST_ROOM]
)

// What the parser found is copied into a slot as it is.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(exchange.Span{})-C.sizeof_covet_span]
	_ = [1]struct{}{}[unsafe.Offsetof(exchange.Span{}.Len)-unsafe.Offsetof(C.covet_span{}.len)]
	_ = [1]struct{}{}[unsafe.Sizeof(exchange.Header{})-C.sizeof_covet_field]
	_ = [1]struct{}{}[unsafe.Offsetof(exchange.Header{}.Value)-unsafe.Offsetof(C.covet_field{}.value)]
)
