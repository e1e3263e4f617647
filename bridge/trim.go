package bridge

// #include "channel.h"
import "C"

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// trimAfter is how long blocks must have been surplus to be trimmed.
	trimAfter = 10 * time.Second
	// trimAtOnce is the most blocks of one class that one call trims.
	trimAtOnce = 256
)

// surplus watches how many free blocks of a class were never needed.
type surplus struct {
	since int64 // when the watch began, in nanoseconds; 0 before the first call
	least int   // fewest free blocks with memory seen since then
	due   int   // blocks still to be trimmed
}

// Trim gives the memory of free blocks back to the system once they have been
// surplus for ten seconds, and returns how many bytes it gave back. now is a
// monotonic time in nanoseconds. It is to be called now and then, once a
// second say, from one goroutine at a time; a call does a bounded amount of
// work.
func (c *Channel) Trim(now int64) (int64, error) {
	var given int64
	if c.header == nil {
		return 0, nil
	}
	for class := range uint32(C.COVET_CLASSES) {
		watch := &c.surplus[class]
		watch.look(now, c.warm(class))
		for n := 0; n < trimAtOnce && watch.due > 0; n++ {
			ok, err := c.strip(class)
			if err != nil {
				return given, err
			}
			if !ok {
				watch.due = 0
				break
			}
			watch.due--
			given += int64(c.layout.classes[class].bytes)
		}
	}
	return given, nil
}

// look notes the number of free blocks with memory.
func (s *surplus) look(now int64, warm int) {
	if s.since == 0 {
		s.since, s.least = now, warm
	}
	s.least = min(s.least, warm)
	s.due = min(s.due, warm)
	if now-s.since >= int64(trimAfter) {
		s.due, s.since, s.least = s.least, now, warm
	}
}

// warm is about how many free blocks of a class may hold memory.
func (c *Channel) warm(class uint32) int {
	k := &c.header.classes[class]
	used := int(atomic.LoadInt64(signed(&k.in_use)))
	return max(0, int(atomic.LoadUint32(half(&k.fresh)))-used-int(atomic.LoadUint32(half(&k.bare))))
}

// strip moves one free block to the bare list and frees its pages. Nobody
// else can reach the block meanwhile.
func (c *Channel) strip(class uint32) (bool, error) {
	k := &c.header.classes[class]
	index, ok := c.pop(class, word(&k.free_head))
	if !ok {
		return false, nil
	}
	if err := unix.Madvise(c.Bytes(blockOf(class, index)), unix.MADV_REMOVE); err != nil {
		c.push(class, index, word(&k.free_head))
		return false, fmt.Errorf("give a free block's memory back: %w", err)
	}
	atomic.AddUint32(half(&k.bare), 1)
	c.push(class, index, word(&k.bare_head))
	return true, nil
}

// Warm is how many bytes of free blocks have memory behind them.
func (c *Channel) Warm() int64 {
	var bytes int64
	if c.header == nil {
		return 0
	}
	for class := range uint32(C.COVET_CLASSES) {
		bytes += int64(c.warm(class)) * int64(c.layout.classes[class].bytes)
	}
	return bytes
}
