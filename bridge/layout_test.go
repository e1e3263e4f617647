package bridge

import (
	"math"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var small = Config{Workers: 2, Loops: 2, SlotsPerLoop: 8, InboxCells: 16, PoolBytes: 1 << 20}

func TestPartsDoNotOverlap(t *testing.T) {
	for _, config := range []Config{
		small,
		{Workers: 1, Loops: 1, SlotsPerLoop: 1, InboxCells: 2, PoolBytes: 1 << 20},
		{Workers: 64, Loops: 32, SlotsPerLoop: 1000, InboxCells: 1024, PoolBytes: 3<<30 + 4097},
		{Workers: 64, Loops: 32, SlotsPerLoop: 1 << 20, InboxCells: 1 << 20, PoolBytes: maxPool},
	} {
		if err := config.check(); err != nil {
			t.Fatal(err)
		}
		l := plan(config)
		workers, loops := uint64(config.Workers), uint64(config.Loops)
		slots := loops * uint64(config.SlotsPerLoop)
		type part struct{ at, size uint64 }
		parts := []part{
			{0, 640}, {l.workers, workers * 320}, {l.loops, loops * 128}, {l.marks, workers * loops * 128},
			{l.inboxes, workers * uint64(config.InboxCells) * 16}, {l.notices, workers * uint64(l.noticeCells) * 16},
			{l.outboxes, workers * loops * uint64(l.outboxCells) * 8}, {l.slots, slots * 4096},
		}
		var pool uint64
		for _, k := range l.classes {
			parts = append(parts, part{k.links, uint64(k.count) * 16}, part{k.blocks, uint64(k.count) * uint64(k.bytes)})
			pool += uint64(k.count) * uint64(k.bytes)
			if k.count > math.MaxUint32>>3 {
				t.Errorf("%+v: %d blocks cannot be named", config, k.count)
			}
		}
		sort.Slice(parts, func(i, j int) bool { return parts[i].at < parts[j].at })
		for i, p := range parts[1:] {
			if before := parts[i]; before.at+before.size > p.at || p.at%64 != 0 {
				t.Errorf("%+v: a part of %d bytes at %d comes before %d", config, before.size, before.at, p.at)
			}
		}
		if last := parts[len(parts)-1]; last.at+last.size > l.total {
			t.Errorf("%+v: the last part ends after %d", config, l.total)
		}
		if pool > uint64(config.PoolBytes) || pool < uint64(config.PoolBytes)*9/10 {
			t.Errorf("%+v: the blocks have %d bytes", config, pool)
		}
		if uint64(l.noticeCells) < 2*slots || int(l.outboxCells) < config.SlotsPerLoop {
			t.Errorf("%+v: %d notice cells, %d outbox cells", config, l.noticeCells, l.outboxCells)
		}
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		says   string
	}{
		{func(c *Config) { c.Workers = 0 }, "workers"},
		{func(c *Config) { c.Workers = 129 }, "workers"},
		{func(c *Config) { c.Loops = 33 }, "loops"},
		{func(c *Config) { c.SlotsPerLoop = 0 }, "slots"},
		{func(c *Config) { c.SlotsPerLoop = 1<<20 + 1 }, "slots"},
		{func(c *Config) { c.InboxCells = 12 }, "inbox"},
		{func(c *Config) { c.InboxCells = 1 << 21 }, "inbox"},
		{func(c *Config) { c.PoolBytes = 1<<20 - 1 }, "pool"},
		{func(c *Config) { c.PoolBytes = 1<<40 + 1 }, "pool"},
	} {
		config := small
		c.change(&config)
		got, err := Create(config)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", config, err)
		}
		if got != nil {
			t.Errorf("%+v: made a channel all the same", config)
		}
	}
}

// resident is how many bytes of memory the channel really has.
func resident(t testing.TB, c *Channel) int64 {
	t.Helper()
	var info unix.Stat_t
	if err := unix.Fstat(c.FD(), &info); err != nil {
		t.Fatal(err)
	}
	return info.Blocks * 512
}

func TestUnusedMemoryCostsNothing(t *testing.T) {
	c := newChannel(t, Config{Workers: 1, Loops: 2, SlotsPerLoop: 4096, InboxCells: 4096, PoolBytes: 1 << 30})
	if n := resident(t, c); n > 1<<20 {
		t.Errorf("a new channel holds %d bytes", n)
	}
	if err := unix.Ftruncate(c.FD(), 4096); err == nil {
		t.Error("the channel can be cut short under its users")
	}
}
