package bridge

// #include "channel.h"
import "C"

import (
	"os"
	"unsafe"
)

// layout is where each part of the shared memory begins.
type layout struct {
	workers, loops, inboxes, notices, outboxes, marks, slots uint64
	noticeCells, outboxCells                                 uint32
	classes                                                  [C.COVET_CLASSES]classLayout
	total                                                    uint64
}

type classLayout struct {
	links, blocks uint64
	bytes, count  uint32
}

// classBytes are the block sizes; classShare says how many parts of the pool
// in 16 each class gets.
var (
	classBytes = [C.COVET_CLASSES]uint32{4 << 10, 16 << 10, 64 << 10, 256 << 10}
	classShare = [C.COVET_CLASSES]int64{2, 4, 6, 4}
)

const page = 4096

// plan places the parts of a channel. Offsets are aligned to what is written
// from different sides: cache lines, or pages where parts are large.
func plan(c Config) layout {
	slots := uint64(c.Loops * c.SlotsPerLoop)
	l := layout{noticeCells: power(2 * slots), outboxCells: power(uint64(c.SlotsPerLoop))}
	at := uint64(0)
	place := func(bytes, align uint64) uint64 {
		at = (at + align - 1) &^ (align - 1)
		start := at
		at += bytes
		return start
	}
	place(C.sizeof_covet_header, page)
	workers, loops := uint64(c.Workers), uint64(c.Loops)
	l.workers = place(workers*C.sizeof_covet_worker, C.COVET_LINE)
	l.loops = place(loops*C.sizeof_covet_loop, C.COVET_LINE)
	l.marks = place(loops*workers*C.sizeof_covet_marks, C.COVET_LINE)
	l.inboxes = place(workers*uint64(c.InboxCells)*C.sizeof_covet_cell, page)
	l.notices = place(workers*uint64(l.noticeCells)*C.sizeof_covet_cell, page)
	l.outboxes = place(loops*workers*uint64(l.outboxCells)*8, page)
	l.slots = place(slots*C.COVET_SLOT_BYTES, page)
	for i := range l.classes {
		k := &l.classes[i]
		k.bytes = classBytes[i]
		k.count = uint32(max(1, c.PoolBytes*classShare[i]/16/int64(k.bytes)))
		k.links = place(uint64(k.count)*C.sizeof_covet_link, page)
		k.blocks = place(uint64(k.count)*uint64(k.bytes), page)
	}
	l.total = (at + page - 1) &^ (page - 1)
	return l
}

// power is the least power of two that is at least n and 2.
func power(n uint64) uint32 {
	p := uint32(2)
	for uint64(p) < n {
		p *= 2
	}
	return p
}

// write fills the header. Pages that need only zeros are left untouched, so a
// large pool or a place that nobody takes costs nothing.
func (l *layout) write(c *Channel) {
	h := c.header
	h.version = C.COVET_VERSION
	h.header_bytes = C.sizeof_covet_header
	h.total_bytes = C.uint64_t(l.total)
	h.workers, h.loops = C.uint32_t(c.config.Workers), C.uint32_t(c.config.Loops)
	h.inbox_cells = C.uint32_t(c.config.InboxCells)
	h.notice_cells, h.outbox_cells = C.uint32_t(l.noticeCells), C.uint32_t(l.outboxCells)
	h.slots_per_loop = C.uint32_t(c.config.SlotsPerLoop)
	h.slots = h.slots_per_loop * h.loops
	h.worker_records, h.loop_records = C.uint64_t(l.workers), C.uint64_t(l.loops)
	h.inboxes, h.notices = C.uint64_t(l.inboxes), C.uint64_t(l.notices)
	h.outboxes, h.outbox_marks = C.uint64_t(l.outboxes), C.uint64_t(l.marks)
	h.slot_base = C.uint64_t(l.slots)
	h.engine_pid = C.uint32_t(os.Getpid())
	for i := range l.classes {
		k, from := &h.classes[i], l.classes[i]
		k.block_bytes, k.count = C.uint32_t(from.bytes), C.uint32_t(from.count)
		k.blocks, k.links = C.uint64_t(from.blocks), C.uint64_t(from.links)
	}
	h.magic = C.COVET_MAGIC
}

func (c *Channel) at(offset uint64) unsafe.Pointer { return unsafe.Pointer(&c.memory[offset]) }

func (c *Channel) cells(base uint64, worker, n int) []C.covet_cell {
	offset := base + uint64(worker*n)*C.sizeof_covet_cell
	return unsafe.Slice((*C.covet_cell)(c.at(offset)), n)
}
