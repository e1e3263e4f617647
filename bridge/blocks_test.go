package bridge

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestAllocTakesTheSmallestClassThatFits(t *testing.T) {
	c := heapChannel(small)
	for _, k := range []struct{ need, size int }{
		{0, 4096}, {4096, 4096}, {4097, 16384}, {16385, 65536}, {65536, 65536}, {262144, 262144},
	} {
		b, bytes, ok := c.Alloc(k.need, 7)
		if !ok || len(bytes) != k.need || len(c.Bytes(b)) != k.size {
			t.Fatalf("%d bytes: %v, a block of %d", k.need, ok, len(c.Bytes(b)))
		}
		if c.Free(b, 8) || c.Free(b, 0) || !c.Free(b, 7) || c.Free(b, 7) || c.Free(b, 0) {
			t.Fatalf("%d bytes: the wrong owner can free, or the right one cannot, or twice", k.need)
		}
	}
	if _, _, ok := c.Alloc(262145, 7); ok {
		t.Error("a block larger than every class")
	}
	if _, blocks := c.InUse(); blocks != 0 {
		t.Errorf("%d blocks in use", blocks)
	}
}

func TestAllocGoesOnInLargerClasses(t *testing.T) {
	c := heapChannel(small)
	var held []Block
	for {
		b, _, ok := c.Alloc(1, 7)
		if !ok {
			break
		}
		held = append(held, b)
	}
	want := 0
	for _, k := range c.layout.classes {
		want += int(k.count)
	}
	if len(held) != want {
		t.Errorf("%d blocks, not %d", len(held), want)
	}
	seen := map[Block]bool{}
	for _, b := range held {
		if seen[b] || !c.Free(b, 7) {
			t.Fatalf("block %x came twice", b)
		}
		seen[b] = true
	}
	for range held {
		if _, _, ok := c.Alloc(1, 7); !ok {
			t.Fatal("a freed block is lost")
		}
	}
}

func TestNamesOfNoBlock(t *testing.T) {
	c := heapChannel(small)
	for _, b := range []Block{0, 1 << 29, 4 << 29, 7 << 29, 1<<29 - 1, blockOf(3, 1), 1<<32 - 1} {
		if c.Bytes(b) != nil || c.Free(b, 7) || c.reown(b, 0, 7) {
			t.Errorf("%x is taken for a block", b)
		}
	}
}

// A block that comes back to the head between a look and a swap must not be
// given out twice: few blocks and many goroutines provoke it.
func TestBlocksHaveOneHolder(t *testing.T) {
	rounds := 100_000
	if testing.Short() {
		rounds = 20_000
	}
	c := heapChannel(small)
	var wait sync.WaitGroup
	for g := range 6 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			random := rand.New(rand.NewPCG(1, uint64(g)))
			owner := ID(g + 1)
			var held []Block
			for range rounds {
				if len(held) < 4 && random.IntN(2) == 0 {
					if b, bytes, ok := c.Alloc(200_000-random.IntN(199_999), owner); ok {
						bytes[0] = byte(owner)
						held = append(held, b)
					}
				} else if n := len(held); n > 0 {
					b := held[n-1]
					held = held[:n-1]
					if c.Bytes(b)[0] != byte(owner) || !c.Free(b, owner) {
						t.Errorf("block %x has another holder", b)
						return
					}
				}
			}
			for _, b := range held {
				c.Free(b, owner)
			}
		}()
	}
	wait.Wait()
	if _, blocks := c.InUse(); blocks != 0 {
		t.Errorf("%d blocks in use", blocks)
	}
}

// With the tag in its upper half, no head is like one before it: a swap that
// was prepared for an older one fails.
func TestHeadsOfFreeListsNeverRepeat(t *testing.T) {
	c := heapChannel(small)
	head := word(&c.header.classes[0].free_head)
	seen := map[uint64]bool{}
	for range 1000 {
		b, _ := c.take(0, 7)
		popped := *head
		c.Free(b, 7)
		if seen[popped] || seen[*head] || popped == *head {
			t.Fatalf("head %x or %x came back", popped, *head)
		}
		seen[popped], seen[*head] = true, true
	}
}

func TestCorruptFreeListIsNoCrash(t *testing.T) {
	c := heapChannel(small)
	for _, head := range []uint64{1<<32 - 1, 1 << 31, 34} {
		*word(&c.header.classes[0].free_head) = head
		if _, _, ok := c.Alloc(1, 7); !ok {
			t.Error("nothing left where fresh blocks are")
		}
	}
}

func TestTrimGivesIdleMemoryBack(t *testing.T) {
	c := newChannel(t, Config{Workers: 1, Loops: 1, SlotsPerLoop: 8, InboxCells: 16, PoolBytes: 256 << 20})
	base := resident(t, c)
	var held []Block
	for i := range 400 {
		b, _, ok := c.Alloc(40_000+i%2*100_000, 7)
		if !ok {
			t.Fatal("no block")
		}
		for bytes := c.Bytes(b); len(bytes) > 0; bytes = bytes[4096:] {
			bytes[0] = 1
		}
		held = append(held, b)
	}
	for _, b := range held[4:] {
		c.Free(b, 7)
	}
	full := resident(t, c)
	second := int64(time.Second)
	for now := second; now <= 9*second; now += second {
		if n := trim(t, c, now); n != 0 {
			t.Fatalf("%d bytes given back after %d s", n, now/second)
		}
	}
	var given int64
	for now := 10 * second; now < 40*second; now += second {
		given += trim(t, c, now)
	}
	left := resident(t, c)
	if given == 0 || full-left < given*9/10 || left > base+4*262144+1<<20 {
		t.Errorf("%d bytes at first, %d in use, %d given back, %d left", base, full, given, left)
	}
	for _, b := range held[:4] {
		if c.Bytes(b)[4096] != 1 {
			t.Error("a block in use was trimmed")
		}
		c.Free(b, 7)
	}
	seen := map[Block]bool{}
	for range 390 {
		b, bytes, ok := c.Alloc(65536, 7)
		if !ok || seen[b] {
			t.Fatalf("block %x is lost or came twice after trimming", b)
		}
		seen[b] = true
		bytes[0] = 2
	}
	if c.warm(2) != 0 || c.header.classes[2].bare > c.header.classes[2].fresh {
		t.Errorf("%d warm, %d bare", c.warm(2), c.header.classes[2].bare)
	}
}

func trim(t *testing.T, c *Channel, now int64) int64 {
	t.Helper()
	n, err := c.Trim(now)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTrimKeepsWhatIsNeededAgain(t *testing.T) {
	c := newChannel(t, small)
	second := int64(time.Second)
	for now := second; now < 60*second; now += second {
		b, _, _ := c.Alloc(5000, 7)
		if n := trim(t, c, now); n != 0 {
			t.Fatalf("trimmed %d bytes in use now and then", n)
		}
		c.Free(b, 7)
	}
}

func TestTrimWhileOthersAllocate(t *testing.T) {
	c := newChannel(t, small)
	rounds := 50_000
	if testing.Short() {
		rounds = 5_000
	}
	var wait sync.WaitGroup
	for g := range 3 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := range rounds {
				b, bytes, ok := c.Alloc(6000, ID(g+1))
				if !ok {
					continue
				}
				patternFill(uint64(i), 0, bytes[:64])
				if patternCheck(uint64(i), 0, bytes[:64]) >= 0 {
					t.Error("a block in use lost its bytes")
				}
				c.Free(b, ID(g+1))
			}
		}()
	}
	for range rounds / 10 {
		if _, err := c.strip(1); err != nil {
			t.Error(err)
		}
	}
	wait.Wait()
	k := &c.header.classes[1]
	for n := k.fresh; n > 0; n-- {
		if b, ok := c.take(1, 9); !ok || !c.valid(b) {
			t.Fatalf("%d of %d blocks are lost", n, k.fresh)
		}
	}
	if k.bare != 0 {
		t.Errorf("%d bare blocks are left of none", k.bare)
	}
}
