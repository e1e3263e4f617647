// Package proactor holds the few plain types that the io_uring and the epoll loop share with netio.
package proactor

import "unsafe"

// Flag bits of an Event; they are those of an io_uring completion, so that a ring's entries can be copied as they are.
const (
	FlagBuffer uint32 = 1 << 0 // the upper 16 bits of Flags name the provided buffer that holds the data
	FlagMore   uint32 = 1 << 1 // the operation stays armed and completes again
)

// Event is the completion of one operation.
type Event struct {
	Token uint64 // given when the operation was started
	Res   int32  // bytes, a descriptor or poll mask; -errno on failure
	Flags uint32
}

// More reports whether the operation stays armed.
func (e *Event) More() bool { return e.Flags&FlagMore != 0 }

// Buffer returns the provided buffer's number, and whether the event carries one.
func (e *Event) Buffer() (id uint16, ok bool) {
	return uint16(e.Flags >> 16), e.Flags&FlagBuffer != 0
}

// BufferEvent returns the flags of an event that carries buffer id.
func BufferEvent(id uint16) uint32 { return FlagBuffer | uint32(id)<<16 }

// Segment is one piece of output; the layout is that of struct iovec.
type Segment struct {
	Base unsafe.Pointer
	Len  uint64
}

// Buffers is the memory, outside of the Go heap, that received bytes are put in.
type Buffers struct {
	Base   unsafe.Pointer
	Count  int // at most 2,048 and a power of two
	Size   int // usable bytes of one buffer
	Stride int // distance in bytes between two buffers, at least Size
}

// Address returns the start of buffer id.
func (b *Buffers) Address(id uint16) unsafe.Pointer {
	return unsafe.Add(b.Base, int(id)*b.Stride)
}

// Bytes returns the first n bytes of buffer id.
func (b *Buffers) Bytes(id uint16, n int) []byte {
	return unsafe.Slice((*byte)(b.Address(id)), n)
}
