package bridge

// #include "channel.h"
import "C"

import "sync/atomic"

// Block names a block of the arena: class << 29 | index + 1; 0 is none.
type Block uint32

func (b Block) class() uint32 { return uint32(b) >> C.COVET_BLOCK_CLASS_SHIFT }
func (b Block) index() uint32 { return uint32(b)&C.COVET_BLOCK_INDEX_MASK - 1 }

func blockOf(class, index uint32) Block {
	return Block(class<<C.COVET_BLOCK_CLASS_SHIFT | (index + 1))
}

// engineOwner holds blocks that are on their way to a client: the exchange
// they came from may be over before the kernel has sent them.
const engineOwner = ID(1<<64 - 1)

func (c *Channel) link(class, index uint32) *C.covet_link {
	return (*C.covet_link)(c.at(c.layout.classes[class].links + uint64(index)*C.sizeof_covet_link))
}

// owner is the word that says who holds a block; 0 is nobody.
func (c *Channel) owner(class, index uint32) *uint64 { return word(&c.link(class, index).owner) }

// Alloc takes a block of at least need bytes for owner. The slice has need
// bytes. It reports false if no class that large has a free block.
func (c *Channel) Alloc(need int, owner ID) (Block, []byte, bool) {
	for class := range uint32(C.COVET_CLASSES) {
		if need > int(c.layout.classes[class].bytes) {
			continue
		}
		if b, ok := c.take(class, owner); ok {
			return b, c.Bytes(b)[:need], true
		}
	}
	return 0, nil, false
}

// take prefers memory that is warm, then blocks given up by Trim, then blocks
// that nobody has used yet.
func (c *Channel) take(class uint32, owner ID) (Block, bool) {
	if c.layout.classes[class].count == 0 {
		return 0, false
	}
	k := &c.header.classes[class]
	index, ok := c.pop(class, word(&k.free_head))
	if !ok {
		if index, ok = c.pop(class, word(&k.bare_head)); ok {
			atomic.AddUint32(half(&k.bare), ^uint32(0))
		} else if index, ok = c.unused(class); !ok {
			return 0, false
		}
	}
	atomic.AddInt64(signed(&k.in_use), 1)
	atomic.StoreUint64(c.owner(class, index), uint64(owner))
	return blockOf(class, index), true
}

// unused takes a block that has never been used.
func (c *Channel) unused(class uint32) (uint32, bool) {
	fresh := half(&c.header.classes[class].fresh)
	for {
		index := atomic.LoadUint32(fresh)
		if index >= c.layout.classes[class].count {
			return 0, false
		}
		if atomic.CompareAndSwapUint32(fresh, index, index+1) {
			return index, true
		}
	}
}

// pop takes the first block of a list. The tag in the upper half of the head
// changes with every pop and push, so a head that came back is not mistaken
// for one that never went.
func (c *Channel) pop(class uint32, head *uint64) (uint32, bool) {
	for {
		old := atomic.LoadUint64(head)
		index := uint32(old) - 1
		if index >= c.layout.classes[class].count { // empty, or not a list any more
			return 0, false
		}
		next := atomic.LoadUint32(half(&c.link(class, index).next))
		if atomic.CompareAndSwapUint64(head, old, (old>>32+1)<<32|uint64(next)) {
			return index, true
		}
	}
}

func (c *Channel) push(class, index uint32, head *uint64) {
	next := half(&c.link(class, index).next)
	for {
		old := atomic.LoadUint64(head)
		atomic.StoreUint32(next, uint32(old))
		if atomic.CompareAndSwapUint64(head, old, (old>>32+1)<<32|uint64(index+1)) {
			return
		}
	}
}

// Free gives a block back. It reports false, and does nothing, if owner does
// not hold it.
func (c *Channel) Free(b Block, owner ID) bool {
	if !c.valid(b) || owner == 0 {
		return false
	}
	class, index := b.class(), b.index()
	if !atomic.CompareAndSwapUint64(c.owner(class, index), uint64(owner), 0) {
		return false
	}
	k := &c.header.classes[class]
	atomic.AddInt64(signed(&k.in_use), -1)
	c.push(class, index, word(&k.free_head))
	return true
}

// valid reports whether b names a block of this channel.
func (c *Channel) valid(b Block) bool {
	return b.class() < C.COVET_CLASSES && b.index() < c.layout.classes[b.class()].count
}

// Bytes is the memory of a block, or nil if b names none.
func (c *Channel) Bytes(b Block) []byte {
	if !c.valid(b) {
		return nil
	}
	k := &c.layout.classes[b.class()]
	offset := k.blocks + uint64(b.index())*uint64(k.bytes)
	return c.memory[offset : offset+uint64(k.bytes) : offset+uint64(k.bytes)]
}

// reown passes a block from one owner to another. It reports false if from
// does not hold it.
func (c *Channel) reown(b Block, from, to ID) bool {
	return c.valid(b) && atomic.CompareAndSwapUint64(c.owner(b.class(), b.index()), uint64(from), uint64(to))
}
