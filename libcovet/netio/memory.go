package netio

import (
	"fmt"
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	smallSlab    = 4 << 10
	largeSlab    = 64 << 10
	wideSlab     = 256 << 10
	bulkSlab     = 1 << 20
	arenaSize    = 1 << 20
	keptSmall    = 64 // free slabs of a class that stay resident after a burst
	keptLarge    = 8
	keptWide     = 2
	keptBulk     = 1
	slabsPerHeap = 64
)

type slabClass uint8

const (
	classSmall slabClass = iota
	classLarge
	classWide
	classBulk
	classHuge     // its own mapping, unmapped when it is freed
	classBorrowed // memory of the engine
	classFile     // no memory but a part of a file: start and end are offsets in it, token is its descriptor
	classCount
)

// slab is a piece of memory outside of the Go heap; bytes start to end hold data. It is also the link of an output queue.
type slab struct {
	next       *slab
	base       unsafe.Pointer
	start, end int
	size       int
	token      uint64 // of borrowed memory
	class      slabClass
	resident   bool
}

// open reports whether the slab is memory of the pool, which output can be added to.
func (s *slab) open() bool { return s.class < classBorrowed }

func (s *slab) data() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.base, s.start)), s.end-s.start)
}

// whole returns all of the memory.
func (s *slab) whole() []byte { return unsafe.Slice((*byte)(s.base), s.size) }

// room returns the free bytes behind the data, with length 0.
func (s *slab) room() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.base, s.end)), s.size-s.end)[:0]
}

// pool hands out slabs, the most recently used first.
type pool struct {
	free [classCount]*slab
	warm [classCount]int // free slabs whose pages are resident
	low  [classCount]int // the fewest warm slabs since the last trim: that many were not needed
	node int             // NUMA node for new memory, -1 for none
	maps [][]byte
}

// get returns an empty slab with room for at least n bytes.
func (p *pool) get(n int) (*slab, error) {
	switch {
	case n <= smallSlab:
		return p.take(classSmall, smallSlab)
	case n <= largeSlab:
		return p.take(classLarge, largeSlab)
	case n <= wideSlab:
		return p.take(classWide, wideSlab)
	case n <= bulkSlab:
		return p.take(classBulk, bulkSlab)
	}
	size := 1 << bits.Len(uint(n-1))
	memory, err := mapMemory(size, p.node)
	if err != nil {
		return nil, err
	}
	return &slab{base: unsafe.Pointer(&memory[0]), size: size, class: classHuge}, nil
}

// borrow returns a slab that stands for p, which lies outside of the Go heap.
func (p *pool) borrow(b []byte, token uint64) *slab {
	s := p.free[classBorrowed]
	if s == nil {
		headers := make([]slab, slabsPerHeap)
		for i := range headers {
			headers[i].class = classBorrowed
			p.put(&headers[i])
		}
		s = p.free[classBorrowed]
	}
	p.free[classBorrowed], s.next = s.next, nil
	s.base, s.start, s.end, s.size, s.token = unsafe.Pointer(unsafe.SliceData(b)), 0, len(b), len(b), token
	return s
}

func (p *pool) take(class slabClass, size int) (*slab, error) {
	s := p.free[class]
	if s == nil {
		if err := p.grow(class, size); err != nil {
			return nil, err
		}
		s = p.free[class]
	}
	p.free[class], s.next = s.next, nil
	if s.resident {
		p.warm[class]--
		p.low[class] = min(p.low[class], p.warm[class])
	}
	s.start, s.end, s.resident = 0, 0, true
	return s, nil
}

func (p *pool) grow(class slabClass, size int) error {
	memory, err := mapMemory(arenaSize, p.node)
	if err != nil {
		return err
	}
	p.maps = append(p.maps, memory)
	headers := make([]slab, arenaSize/size)
	for i := range headers {
		headers[i] = slab{base: unsafe.Pointer(&memory[i*size]), size: size, class: class}
		p.put(&headers[i])
	}
	return nil
}

func (p *pool) put(s *slab) {
	switch s.class {
	case classHuge:
		_ = unix.MunmapPtr(s.base, uintptr(s.size))
		return
	case classFile:
		_ = unix.Close(int(s.token))
		return
	}
	s.next = p.free[s.class]
	p.free[s.class] = s
	if s.resident {
		p.warm[s.class]++
	}
}

// excess reports whether more free slabs are kept than a quiet loop needs.
func (p *pool) excess() bool {
	return p.warm[classSmall] > keptSmall || p.warm[classLarge] > keptLarge || p.warm[classWide] > keptWide ||
		p.warm[classBulk] > keptBulk
}

// trim gives the pages of slabs that were not needed since the last trim back to the system.
func (p *pool) trim() {
	p.trimClass(classSmall, keptSmall)
	p.trimClass(classLarge, keptLarge)
	p.trimClass(classWide, keptWide)
	p.trimClass(classBulk, keptBulk)
}

func (p *pool) trimClass(class slabClass, keep int) {
	keep = max(keep, p.warm[class]-p.low[class])
	for s := p.free[class]; s != nil; s = s.next {
		if !s.resident {
			continue
		}
		if keep--; keep < 0 {
			_ = unix.Madvise(unsafe.Slice((*byte)(s.base), s.size), unix.MADV_DONTNEED)
			s.resident = false
			p.warm[class]--
		}
	}
	p.low[class] = p.warm[class]
}

// release unmaps everything; no slab may be in use.
func (p *pool) release() {
	for _, memory := range p.maps {
		_ = unix.Munmap(memory)
	}
	*p = pool{node: p.node}
}

// mapMemory maps size bytes outside of the Go heap, preferably on a NUMA node unless node is -1.
func mapMemory(size, node int) ([]byte, error) {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("netio: mapping %d bytes: %w", size, err)
	}
	if node >= 0 {
		preferNode(memory, node)
	}
	return memory, nil
}
