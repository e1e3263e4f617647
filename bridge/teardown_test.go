package bridge

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

func TestClosedChannelIsHarmless(t *testing.T) {
	c, err := Create(small)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Port(0)
	id, _ := post(t, p, 0)
	b, _, _ := c.Alloc(1, id)
	token := p.Lend(id, b)
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c.SetState(StateStopped)
	p.Release(id)
	p.FreeSent(token)
	p.Ring()
	p.Awake()
	p.Reclaim(0, func(ID, *Slot, bool) { t.Error("visited an exchange") })
	c.Renew(0)
	slots, blocks := c.InUse()
	_, _, begun := p.Begin()
	_, _, news := p.Next()
	_, _, got := c.Alloc(0, 1)
	given, err := c.Trim(1)
	if slots != 0 || blocks != 0 || begun || news || got || p.Lookup(id) != nil || p.Post(0, id) || !p.Sleep() ||
		c.Bytes(b) != nil || c.Sweep() != 0 || given != 0 || err != nil || c.FD() != -1 {
		t.Error("a closed channel still has something")
	}
}

// startAndAwait starts a worker and waits until it has attached.
func startAndAwait(t *testing.T, c *Channel, binary string, number int, seed uint64, stop *atomic.Bool) *worker {
	t.Helper()
	w := startWorker(t, c, binary, number, seed, "check", stop)
	for !c.Ready(number) {
		select {
		case <-w.ended:
			t.Fatalf("worker %d: %v\n%s", number, w.err, w.out.String())
		case <-time.After(time.Millisecond):
		}
	}
	return w
}

func TestEngineEndsFirst(t *testing.T) {
	c, err := Create(small)
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	w := startAndAwait(t, c, buildWorker(t, sanitizers), 0, 1, &stop)
	c.SetState(StateStopped)
	ring(t, c.WorkerDoorbell(0))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-w.ended
	if w.err != nil {
		t.Errorf("%v\n%s", w.err, w.out.String())
	}
}

func TestWorkerEndsFirst(t *testing.T) {
	c := newChannel(t, small)
	var stop atomic.Bool
	w := startAndAwait(t, c, buildWorker(t, sanitizers), 0, 1, &stop)
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-w.ended
	p := c.Port(0)
	id, s := post(t, p, 0)
	p.Notify(id, s)
	p.Ring()
	if _, _, ok := p.Next(); ok || !p.Sleep() {
		t.Error("news from a dead worker")
	}
	p.Awake()
	found := 0
	p.Reclaim(0, func(got ID, _ *Slot, begun bool) {
		if got != id || begun {
			t.Errorf("visited %x, begun %v", got, begun)
		}
		found++
		p.Release(got)
	})
	if slots, blocks := c.InUse(); found != 1 || slots != 0 || blocks != 0 {
		t.Errorf("found %d; %d slots and %d blocks in use", found, slots, blocks)
	}
}

// TestKilledWorkersAreReplaced kills a worker under load again and again.
// Every exchange must come to an end, and nothing may stay behind.
func TestKilledWorkersAreReplaced(t *testing.T) {
	kills := 12
	if testing.Short() {
		kills = 3
	}
	binary := buildWorker(t, "-O2")
	c := newChannel(t, Config{Workers: 2, Loops: 1, SlotsPerLoop: 64, InboxCells: 64, PoolBytes: 64 << 20})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var stop, ended atomic.Bool // a worker that ends stops nothing here
	defer within(5*time.Minute, &stop)()
	c.SetTable(0, 1)
	c.SetTable(1, 1)
	workers := []*worker{
		startWorker(t, c, binary, 0, seed, "check", &ended), startWorker(t, c, binary, 1, seed, "check", &ended),
	}
	d := newDriver(c.Port(0), seed, 1<<40, 64, &stop)
	killed, begun, waiting, swept := 0, 0, 0, 0
	enough := uint64(1000)
	d.between = func() {
		if killed == kills || atomic.LoadUint64(word(&c.worker(0).begun)) < enough {
			return
		}
		enough = 1000 + d.random.Uint64N(1000)
		if killed++; killed == kills {
			d.target = d.started
		}
		_ = workers[0].cmd.Process.Kill()
		<-workers[0].ended
		c.SetTable(0, 0)
		for id, s, ok := d.port.Next(); ok; id, s, ok = d.port.Next() {
			if err := d.look(d.job(id), s); err != nil {
				t.Error(err)
			}
		}
		d.port.Reclaim(0, func(id ID, s *Slot, wasBegun bool) {
			job := d.job(id)
			if !wasBegun {
				waiting++
				if d.port.Post(1, id) {
					return
				}
			}
			begun++
			job.id = 0
			d.live--
			d.port.Release(id)
		})
		swept += c.Sweep()
		c.Renew(0)
		c.SetTable(0, 1)
		workers[0] = startWorker(t, c, binary, 0, seed, "check", &ended)
	}
	if err := d.run(); err != nil || stop.Load() {
		t.Fatalf("%v\n%s%s", err, workers[0].out.String(), workers[1].out.String())
	}
	t.Logf("%d exchanges; %d had been begun, %d waited, %d blocks swept", d.started, begun, waiting, swept)
	dismiss(t, c, workers)
	swept = c.Sweep()
	// A worker killed while it takes or frees a block takes that one with it.
	if slots, blocks := c.InUse(); slots != 0 || blocks > kills || blocks < -kills || swept != 0 {
		t.Errorf("%d slots and %d blocks in use, %d swept", slots, blocks, swept)
	}
}

// A worker must refuse a channel whose layout leads out of it.
func TestAttachRefusesBadLayouts(t *testing.T) {
	binary := buildWorker(t, sanitizers)
	for name, spoil := range map[string]func(c *Channel){
		"magic":       func(c *Channel) { c.header.magic++ },
		"version":     func(c *Channel) { c.header.version++ },
		"header":      func(c *Channel) { c.header.header_bytes++ },
		"total":       func(c *Channel) { c.header.total_bytes++ },
		"workers":     func(c *Channel) { c.header.workers = 1 << 20 },
		"no worker":   func(c *Channel) { c.header.workers = 0 },
		"loops":       func(c *Channel) { c.header.loops++ },
		"slots":       func(c *Channel) { c.header.slots *= 2 },
		"all slots":   func(c *Channel) { c.header.slots, c.header.slots_per_loop = 1<<30, 1<<29 },
		"slot base":   func(c *Channel) { c.header.slot_base = 1 << 40 },
		"odd":         func(c *Channel) { c.header.slot_base++ },
		"inbox":       func(c *Channel) { c.header.inbox_cells = 3 },
		"no inbox":    func(c *Channel) { c.header.inbox_cells = 0 },
		"inboxes":     func(c *Channel) { c.header.inboxes = 1<<64 - 8 },
		"notices":     func(c *Channel) { c.header.notice_cells = 1 << 31 },
		"few notices": func(c *Channel) { c.header.notice_cells = 2 },
		"outbox":      func(c *Channel) { c.header.outbox_cells = 1 << 31 },
		"few outbox":  func(c *Channel) { c.header.outbox_cells = 4 },
		"marks":       func(c *Channel) { c.header.outbox_marks = c.header.total_bytes - 64 },
		"block bytes": func(c *Channel) { c.header.classes[1].block_bytes = 12345 },
		"block count": func(c *Channel) { c.header.classes[3].count = 1 << 30 },
		"blocks":      func(c *Channel) { c.header.classes[0].blocks = c.header.total_bytes },
		"links":       func(c *Channel) { c.header.classes[0].links = 1 << 63 },
	} {
		t.Run(name, func(t *testing.T) {
			c := newChannel(t, small)
			spoil(c)
			var stop atomic.Bool
			w := startWorker(t, c, binary, 0, 1, "check", &stop)
			<-w.ended
			if w.err == nil || !strings.Contains(w.out.String(), "attach: Protocol error") {
				t.Errorf("%v\n%s", w.err, w.out.String())
			}
		})
	}
}

// A header overwritten after a worker has attached must not lead it astray.
func TestHeaderIsReadOnce(t *testing.T) {
	c := newChannel(t, Config{Workers: 1, Loops: 1, SlotsPerLoop: 16, InboxCells: 16, PoolBytes: 16 << 20})
	var stop atomic.Bool
	w := startAndAwait(t, c, buildWorker(t, sanitizers), 0, 7, &stop)
	state := c.header.engine_state
	geometry := unsafe.Slice((*byte)(unsafe.Pointer(c.header)), unsafe.Offsetof(c.header.engine_state))
	for i := range geometry {
		geometry[i] = 0xff
	}
	for i := range c.header.classes {
		k := &c.header.classes[i]
		k.block_bytes, k.count, k.blocks, k.links = 1<<31, 1<<31, 1<<63, 1<<63
	}
	d := newDriver(c.Port(0), 7, 2000, 16, &stop)
	if err := d.run(); err != nil || stop.Load() || c.header.engine_state != state {
		t.Fatalf("%v\n%s", err, w.out.String())
	}
	dismiss(t, c, []*worker{w})
}
