package bridge

// #include "channel.h"
import "C"

import (
	"sync/atomic"
	"unsafe"
)

// Block names a block of the arena: class << 29 | index + 1; 0 is none.
type Block uint32

func (b Block) class() uint32 { return uint32(b) >> C.COVET_BLOCK_CLASS_SHIFT }
func (b Block) index() uint32 { return uint32(b)&C.COVET_BLOCK_INDEX_MASK - 1 }

// engineOwner holds blocks that are on their way to a client: the exchange
// they came from may be over before the kernel has sent them.
const engineOwner = ID(1<<64 - 1)

func (c *Channel) link(class, index uint32) *C.covet_link {
	k := &c.header.classes[class]
	return (*C.covet_link)(c.at(uint64(k.links) + uint64(index)*C.sizeof_covet_link))
}

// Alloc takes a block of at least need bytes for owner. The slice has need
// bytes.
func (c *Channel) Alloc(need int, owner ID) (Block, []byte, bool) {
	for class := uint32(0); class < C.COVET_CLASSES; class++ {
		if need > int(c.header.classes[class].block_bytes) {
			continue
		}
		if b, ok := c.take(class, owner); ok {
			return b, c.Bytes(b)[:need], true
		}
	}
	return 0, nil, false
}

func (c *Channel) take(class uint32, owner ID) (Block, bool) {
	k := &c.header.classes[class]
	index, ok := c.pop(class)
	if !ok {
		fresh := atomic.LoadUint32(half(&k.fresh))
		for fresh < uint32(k.count) && !atomic.CompareAndSwapUint32(half(&k.fresh), fresh, fresh+1) {
			fresh = atomic.LoadUint32(half(&k.fresh))
		}
		if fresh >= uint32(k.count) {
			return 0, false
		}
		index = fresh
	}
	atomic.AddInt64(signed(&k.in_use), 1)
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&c.link(class, index).owner)), uint64(owner))
	return Block(class<<C.COVET_BLOCK_CLASS_SHIFT | (index + 1)), true
}

func (c *Channel) pop(class uint32) (uint32, bool) {
	head := word(&c.header.classes[class].free_head)
	for {
		old := atomic.LoadUint64(head)
		if uint32(old) == 0 {
			return 0, false
		}
		index := uint32(old) - 1
		next := atomic.LoadUint32(half(&c.link(class, index).next))
		if atomic.CompareAndSwapUint64(head, old, (old>>32+1)<<32|uint64(next)) {
			return index, true
		}
	}
}

// Free gives a block back. It reports false, and does nothing, if owner does
// not hold it.
func (c *Channel) Free(b Block, owner ID) bool {
	if !c.valid(b) {
		return false
	}
	class, index := b.class(), b.index()
	link := c.link(class, index)
	if !atomic.CompareAndSwapUint64((*uint64)(unsafe.Pointer(&link.owner)), uint64(owner), 0) {
		return false
	}
	k := &c.header.classes[class]
	atomic.AddInt64(signed(&k.in_use), -1)
	head := word(&k.free_head)
	for {
		old := atomic.LoadUint64(head)
		atomic.StoreUint32(half(&link.next), uint32(old))
		if atomic.CompareAndSwapUint64(head, old, (old>>32+1)<<32|uint64(index+1)) {
			return true
		}
	}
}

// valid reports whether b names a block of this channel.
func (c *Channel) valid(b Block) bool {
	if b.class() >= C.COVET_CLASSES || uint32(b)&C.COVET_BLOCK_INDEX_MASK == 0 {
		return false
	}
	return b.index() < uint32(c.header.classes[b.class()].count)
}

// Bytes is the memory of a block, or nil if b names none.
func (c *Channel) Bytes(b Block) []byte {
	if !c.valid(b) {
		return nil
	}
	k := &c.header.classes[b.class()]
	offset := uint64(k.blocks) + uint64(b.index())*uint64(k.block_bytes)
	return c.memory[offset : offset+uint64(k.block_bytes)]
}

// reown passes a block from one owner to another.
func (c *Channel) reown(b Block, from, to ID) bool {
	if !c.valid(b) {
		return false
	}
	owner := (*uint64)(unsafe.Pointer(&c.link(b.class(), b.index()).owner))
	return atomic.CompareAndSwapUint64(owner, uint64(from), uint64(to))
}
