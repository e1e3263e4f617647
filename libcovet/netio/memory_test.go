package netio

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSlabsAreReused(t *testing.T) {
	p := pool{node: -1}
	defer p.release()
	for _, c := range []struct {
		size  int
		class slabClass
	}{{1, classSmall}, {smallSlab, classSmall}, {smallSlab + 1, classLarge}, {largeSlab, classLarge}, {largeSlab + 1, classWide}, {wideSlab, classWide}, {wideSlab + 1, classBulk}, {bulkSlab, classBulk}, {bulkSlab + 1, classHuge}} {
		s, err := p.get(c.size)
		if err != nil {
			t.Fatal(err)
		}
		if s.class != c.class || s.size < c.size || len(s.data()) != 0 || cap(s.room()) != s.size {
			t.Errorf("get(%d) gives class %d, size %d", c.size, s.class, s.size)
		}
		s.whole()[s.size-1] = 1
		p.put(s)
		if c.class == classHuge {
			continue
		}
		if again, err := p.get(c.size); err != nil || again != s {
			t.Errorf("the slab of %d bytes is not reused (%v)", c.size, err)
		}
	}
}

func TestPoolShrinksAfterABurst(t *testing.T) {
	p := pool{node: -1}
	defer p.release()
	const count = 2000
	slabs := make([]*slab, count)
	for i := range slabs {
		s, err := p.get(largeSlab)
		if err != nil {
			t.Fatal(err)
		}
		clear(s.whole())
		for b := 0; b < s.size; b += smallSlab {
			s.whole()[b] = 1
		}
		slabs[i] = s
	}
	full := resident(t)
	for _, s := range slabs {
		p.put(s)
	}
	for trims := 0; p.excess(); trims++ {
		if trims == 3 {
			t.Fatal("three trims don't end the excess")
		}
		p.trim()
	}
	if shrunk := full - resident(t); shrunk < (count-2*keptLarge)*largeSlab/2 {
		t.Errorf("trimming gave back %d bytes of %d", shrunk, count*largeSlab)
	}
	if p.warm[classLarge] != keptLarge {
		t.Errorf("%d slabs stay resident, want %d", p.warm[classLarge], keptLarge)
	}
	for range count {
		s, err := p.get(largeSlab)
		if err != nil {
			t.Fatal(err)
		}
		s.whole()[0] = 1
	}
	if p.warm[classLarge] != 0 {
		t.Errorf("%d slabs are counted as free", p.warm[classLarge])
	}
}

// resident returns the process's resident memory in bytes.
func resident(t *testing.T) int {
	t.Helper()
	content, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(content))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * unix.Getpagesize()
}

func TestLoopGivesMemoryBackAfterABurst(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const count, each = 50, 8 << 20
		message := pattern(each)
		s := &script{received: func(c *Conn, p []byte) int {
			for rest := message; len(rest) > 0; {
				n := min(len(rest), largeSlab)
				c.Commit(append(c.Reserve(n), rest[:n]...))
				rest = rest[n:]
			}
			return len(p)
		}}
		v := start(t, Options{Backend: kind}, s)
		for range count {
			c := v.dial()
			write(t, c, []byte("x"))
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}
		v.until("all to be closed", func() bool { return s.closes == count })
		v.until("the trim", func() bool { return !v.loop.pool.excess() && v.loop.trimAt == 0 })
	})
}

// A peer that sends everything before it reads must not be cut off.
func TestFlushingReadsOn(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const size = 900 << 10
		answer := pattern(16 << 20)
		s := &script{received: func(c *Conn, p []byte) int {
			c.PauseRead()
			c.Commit(append(c.Reserve(len(answer)), answer...))
			c.CloseAfterFlush()
			return len(p)
		}}
		v := start(t, Options{Backend: kind}, s)
		c := v.dial()
		write(t, c, make([]byte, size))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, answer) {
			t.Errorf("got %d bytes of %d, %v", len(got), len(answer), err)
		}
	})
}
