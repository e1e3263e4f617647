package bridge

import (
	"sync/atomic"
	"testing"
)

// TestWorkerLooksAgain has the worker's calls made once each, on queues in a
// known state.
func TestWorkerLooksAgain(t *testing.T) {
	binary := buildWorker(t, sanitizers)
	notify := func(p *Port, n int) {
		for range n {
			id, s := begin(t, p)
			s.setClaim(id.Generation(), 0)
			p.Notify(id, s)
		}
	}
	for name, c := range map[string]struct {
		prepare func(p *Port)
		want    string
	}{
		"nothing": {func(*Port) {}, "sleep 1, take 0, notices 0, take 0, sleep 1, repeat 0"},
		"request": {func(p *Port) { post(t, p, 0) }, "sleep 0, take 1, notices 0, take 0, sleep 1, repeat 0"},
		"notice":  {func(p *Port) { notify(p, 1) }, "sleep 0, take 0, notices 1, take 0, sleep 1, repeat 0"},
		"both":    {func(p *Port) { notify(p, 2); post(t, p, 0) }, "sleep 0, take 1, notices 2, take 0, sleep 1, repeat 0"},
		"as many notices as may be": {func(p *Port) {
			post(t, p, 0)
			for range 16 {
				p.notice[0].push(ID(1 << 32))
			}
		}, "sleep 0, take 1, notices 0, take 0, sleep 1, repeat 0"},
		"too many notices": {func(p *Port) {
			post(t, p, 0)
			for range 13 {
				p.notice[0].push(ID(1 << 32))
			}
			notify(p, 4)
		}, "sleep 0, take 0, notices 4, take 1, sleep 1, repeat 0"},
		"another worker's": {func(p *Port) { post(t, p, 1) }, "sleep 1, take 0, notices 0, take 0, sleep 1, repeat 0"},
		"a stale notice": {func(p *Port) {
			notify(p, 1)
			for i := range p.fresh {
				p.Release(ID(1<<32 | uint64(p.base+i)))
			}
		}, "sleep 0, take 0, notices 0, take 0, sleep 1, repeat 0"},
	} {
		t.Run(name, func(t *testing.T) {
			channel := newChannel(t, small)
			c.prepare(channel.Port(1))
			var stop atomic.Bool
			w := startWorker(t, channel, binary, 0, 1, "probe", &stop)
			<-w.ended
			if got := w.out.String(); got != c.want || w.err != nil {
				t.Errorf("%s (%v), not %s", got, w.err, c.want)
			}
		})
	}
}
