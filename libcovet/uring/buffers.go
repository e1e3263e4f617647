package uring

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const (
	bufferGroup     = 0
	maxGroupBuffers = 2048
	entrySize       = unsafe.Sizeof(giouring.BufAndRing{})
)

// bufferRing is a provided-buffer ring. Entries are written here and not with giouring's BufRingAdd, which multiplies in
// 16 bits; the tail, which shares entry 0's last two bytes, is stored together with entry 0's buffer number as one word.
type bufferRing struct {
	entries unsafe.Pointer
	mask    uint16
	tail    uint16
	memory  proactor.Buffers
}

// register hands all buffers of memory to the kernel.
func (b *bufferRing) register(owner *giouring.Ring, memory proactor.Buffers) error {
	if memory.Count < 1 || memory.Count > maxGroupBuffers || memory.Count&(memory.Count-1) != 0 {
		return fmt.Errorf("buffer ring: %d buffers; want a power of two up to %d", memory.Count, maxGroupBuffers)
	}
	entries, err := owner.SetupBufRing(uint32(memory.Count), bufferGroup, 0)
	if err != nil {
		return fmt.Errorf("registering a ring of %d buffers: %w", memory.Count, err)
	}
	b.entries, b.mask, b.memory = unsafe.Pointer(entries), uint16(memory.Count-1), memory
	for id := range memory.Count {
		b.add(uint16(id))
	}
	b.publish()
	return nil
}

func (b *bufferRing) entry(index uint16) *giouring.BufAndRing {
	return (*giouring.BufAndRing)(unsafe.Add(b.entries, uintptr(index&b.mask)*entrySize))
}

func (b *bufferRing) add(id uint16) {
	e := b.entry(b.tail)
	e.Addr = uint64(uintptr(b.memory.Address(id)))
	e.Len = uint32(b.memory.Size)
	e.Bid = id
	b.tail++
}

func (b *bufferRing) publish() {
	first := b.entry(0)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&first.Bid)), uint32(first.Bid)|uint32(b.tail)<<16)
}

// free gives the ring's own memory back; the ring must have been closed before.
func (b *bufferRing) free() {
	if b.entries != nil {
		_ = unix.MunmapPtr(b.entries, uintptr(b.memory.Count)*entrySize)
		b.entries = nil
	}
}
