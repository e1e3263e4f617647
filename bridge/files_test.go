package bridge

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

const filePiece = 1 << 31 // COVET_FILE_PIECE

// respondFile appends a part of a file to the response, as a worker does.
func (s *Slot) respondFile(t *testing.T, c *Channel, p *Port, id ID, offset, length uint64, descriptor int) {
	t.Helper()
	b, _, ok := c.Alloc(24, id)
	if !ok {
		t.Fatal("no block")
	}
	room := p.Bytes(b)
	binary.NativeEndian.PutUint64(room, offset)
	binary.NativeEndian.PutUint64(room[8:], length)
	binary.NativeEndian.PutUint32(room[16:], uint32(descriptor))
	s.respond(b, filePiece)
}

func TestAFileOfAWorker(t *testing.T) {
	c := heapChannel(small)
	p := c.Port(0)
	id, s := begin(t, p)
	s.setClaim(id.Generation(), 0)
	atomic.StoreUint32(half(&p.records[0].pid), uint32(os.Getpid()))
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(theirs) }()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.respondFile(t, c, p, id, 2, 3, theirs)
	if !s.NextIsFile() {
		t.Fatal("a file is taken for bytes")
	}
	file, err := p.TakeFile(id, s)
	if err != nil || file.Offset != 2 || file.Length != 3 || s.NextIsFile() {
		t.Fatal(file, err)
	}
	ours, err := p.OpenFile(s, file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(ours) }()
	got := make([]byte, 3)
	if _, err := unix.Pread(ours, got, 2); err != nil || string(got) != "nte" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, blocks := c.InUse(); blocks != 0 {
		t.Errorf("%d blocks in use", blocks)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	c := heapChannel(small)
	p := c.Port(0)
	id, s := begin(t, p)
	s.setClaim(id.Generation(), 0)
	atomic.StoreUint32(half(&p.records[0].pid), uint32(os.Getpid()))
	pipe := make([]int, 2)
	if err := unix.Pipe2(pipe, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(pipe[0]), unix.Close(pipe[1]) }()
	for _, descriptor := range []int{pipe[0], 999_999, -1} {
		s.respondFile(t, c, p, id, 0, 1, descriptor)
		file, err := p.TakeFile(id, s)
		if err != nil {
			t.Fatal(err)
		}
		if fd, err := p.OpenFile(s, file); err == nil {
			t.Errorf("descriptor %d was opened as %d", descriptor, fd)
		}
	}
	for _, part := range [][2]uint64{{0, 0}, {1 << 63, 1}, {1, 1<<63 - 1}, {0, 1 << 63}, {1<<64 - 1, 1<<64 - 1}} {
		s.respondFile(t, c, p, id, part[0], part[1], 0)
		if file, err := p.TakeFile(id, s); err == nil {
			t.Errorf("a part from %d with %d bytes is taken as %v", part[0], part[1], file)
		}
	}
	s.respond(blockOf(3, 1<<20), filePiece)
	if _, err := p.TakeFile(id, s); err == nil {
		t.Error("a file in a block that cannot be")
	}
	if _, err := p.TakeFile(id, s); err == nil || s.NextIsFile() {
		t.Error("a file in an empty ring")
	}
	if _, blocks := c.InUse(); blocks != 0 {
		t.Errorf("%d blocks in use", blocks)
	}
}
