package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/covetpy/covetpy/bridge"
)

const (
	// trimEvery is how often free blocks are looked at while there are many.
	trimEvery = 2 * time.Second
	// trimAbove is how many bytes of free blocks are worth looking at.
	trimAbove = 1 << 20
)

// trimmer gives the memory of free blocks back to the system after a burst.
// It has a timer only while there is something to give back, so an idle
// server does nothing.
type trimmer struct {
	busy    atomic.Bool // a look is due
	mu      sync.Mutex  // guards what follows
	channel *bridge.Channel
	timer   *time.Timer
	log     *log
}

func (t *trimmer) open(c *bridge.Channel, log *log) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channel, t.log = c, log
}

// poke is called by the loops after work.
func (t *trimmer) poke(warm int64) {
	if warm < trimAbove || !t.busy.CompareAndSwap(false, true) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.channel != nil {
		t.timer = time.AfterFunc(trimEvery, t.look)
	}
}

func (t *trimmer) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.channel == nil {
		return
	}
	if _, err := t.channel.Trim(time.Now().UnixNano()); err != nil {
		t.log.warn("memory of free blocks could not be given back: " + err.Error())
		return // and not tried again
	}
	if t.channel.Warm() < trimAbove {
		t.busy.Store(false)
		return
	}
	t.timer.Reset(trimEvery)
}

// close ends the looks; the channel may be unmapped afterwards.
func (t *trimmer) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channel = nil
	if t.timer != nil {
		t.timer.Stop()
	}
}
