package bridge

import (
	"runtime"
	"sync"
	"testing"
)

// heapChannel lays a channel out in ordinary memory, which the race detector
// watches; it ignores mapped memory.
func heapChannel(config Config) *Channel {
	c := &Channel{config: config, fd: -1}
	c.adopt(make([]byte, plan(config).total))
	openAll(c)
	return c
}

func openAll(c *Channel) {
	for w := range c.config.Workers {
		c.Open(w)
	}
}

func TestQueueIsBoundedAndInOrder(t *testing.T) {
	c := heapChannel(small)
	q := c.inboxOf(1)
	for lap := range 5 {
		for i := range 16 {
			if !q.push(ID(lap*16 + i)) {
				t.Fatalf("place %d is missing", i)
			}
		}
		if q.push(99) {
			t.Fatal("pushed into a full queue")
		}
		for i := range 16 {
			if id, ok := q.pop(); !ok || id != ID(lap*16+i) {
				t.Fatalf("popped %v %v, not %d", id, ok, lap*16+i)
			}
		}
		if id, ok := q.pop(); ok {
			t.Fatalf("popped %v from an empty queue", id)
		}
	}
	if id, ok := (&queue{cells: c.cells(c.layout.inboxes, 0, 16), mask: 15, head: new(uint64), tail: new(uint64)}).pop(); ok {
		t.Errorf("the neighbouring queue holds %v", id)
	}
}

// Several loops post and several workers take, as when an idle worker steals.
func TestQueueGivesEveryIDOnce(t *testing.T) {
	const producers, consumers = 4, 3
	each := 50_000
	if testing.Short() {
		each = 10_000
	}
	c := heapChannel(small)
	q := c.inboxOf(0)
	var wait, made sync.WaitGroup
	for p := range producers {
		made.Add(1)
		go func() {
			defer made.Done()
			for i := range each {
				for !q.push(ID(p*each + i)) {
					runtime.Gosched()
				}
			}
		}()
	}
	over := make(chan struct{})
	got := make([][]ID, consumers)
	for k := range consumers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for {
				id, ok := q.pop()
				if ok {
					got[k] = append(got[k], id)
					continue
				}
				select {
				case <-over:
					return
				default:
					runtime.Gosched()
				}
			}
		}()
	}
	made.Wait()
	for !q.empty() {
		runtime.Gosched()
	}
	close(over)
	wait.Wait()
	seen := make([]int, producers*each)
	for k := range consumers {
		last := [producers]ID{}
		for _, id := range got[k] {
			seen[id]++
			if p := int(id) / each; id < last[p] {
				t.Fatalf("consumer %d got %d after %d", k, id, last[p])
			} else {
				last[p] = id
			}
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Fatalf("%d came %d times", id, n)
		}
	}
}
