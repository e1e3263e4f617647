package bridge

// #include "channel.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// File is a part of a file that a worker has open.
type File struct {
	Offset, Length int64
	descriptor     uint32
}

// NextIsFile reports whether the next body piece of the response is a part of a file; TakeFile takes it.
func (s *Slot) NextIsFile() bool {
	return s.HasPieces() && s.out.piece[uint32(s.out.head)%C.COVET_RING].len&C.COVET_FILE_PIECE != 0
}

// TakeFile removes the next body piece of the response, which is a part of a file, and frees its block.
func (p *Port) TakeFile(id ID, s *Slot) (File, error) {
	block, _, ok := take(&s.out)
	if !ok {
		return File{}, errors.New("there is none")
	}
	defer p.Free(block, id)
	room := p.Bytes(block)
	if len(room) < C.sizeof_covet_file {
		return File{}, errors.New("its block does not exist")
	}
	f := *(*C.covet_file)(unsafe.Pointer(&room[0]))
	if f.offset > math.MaxInt64 || f.length == 0 || f.length > math.MaxInt64-f.offset {
		return File{}, fmt.Errorf("its part from %d on with %d bytes is none", f.offset, f.length)
	}
	return File{Offset: int64(f.offset), Length: int64(f.length), descriptor: uint32(f.descriptor)}, nil
}

// OpenFile opens a file that the worker of an exchange has open: the very same one, whatever has become of its path.
func (p *Port) OpenFile(s *Slot, f File) (int, error) {
	worker := s.begunBy()
	if int(worker) >= len(p.records) {
		return -1, errors.New("no worker has begun the exchange")
	}
	pid := atomic.LoadUint32(half(&p.records[worker].pid))
	path := fmt.Sprintf("/proc/%d/fd/%d", pid, f.descriptor)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, fmt.Errorf("opening %s: %w", path, err)
	}
	var info unix.Stat_t
	err = unix.Fstat(fd, &info)
	if err == nil && info.Mode&unix.S_IFMT != unix.S_IFREG {
		err = unix.EINVAL
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("looking at %s: %w", path, err)
	}
	return fd, nil
}
