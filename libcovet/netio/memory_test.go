package netio

import (
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
	}{{1, classSmall}, {smallSlab, classSmall}, {smallSlab + 1, classLarge}, {largeSlab, classLarge}, {largeSlab + 1, classHuge}} {
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
