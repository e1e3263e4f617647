package bridge

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

const benchBatch = 64

var benchConfig = Config{Workers: 1, Loops: 1, SlotsPerLoop: 1024, InboxCells: 1024, PoolBytes: 64 << 20}

func benchRequest() *Request {
	head := "GET /items/42?q=abc HTTP/1.1\r\nhost: example.org\r\nuser-agent: bench\r\naccept: */*\r\n\r\n"
	r := &exchange.Request{
		Head: []byte(head), NumHeaders: 3, Length: -1, Verb: exchange.Span{Len: 3}, Target: exchange.Span{Off: 4, Len: 15},
	}
	return &Request{Request: r, Route: 1, Params: make([]exchange.Span, 1), Peer: netip.MustParseAddrPort("127.0.0.1:5000")}
}

// BenchmarkExchange is the engine's and the worker's work for one small
// request in batches of 64, on one thread.
func BenchmarkExchange(b *testing.B) {
	c := newChannel(b, benchConfig)
	p, w, r := c.Port(0), newGoWorker(c, 0), benchRequest()
	b.ReportAllocs()
	for n := 0; n < b.N; n += benchBatch {
		for range benchBatch {
			id, s, _ := p.Begin()
			if !p.Fill(id, s, r) || !p.Post(0, id) {
				b.Fatal("no room")
			}
		}
		p.Ring()
		for id, ok := w.take(); ok; id, ok = w.take() {
			w.tell(id, WorkerHead|WorkerEnd|WorkerDone)
		}
		w.publish()
		for id, _, ok := p.Next(); ok; id, _, ok = p.Next() {
			p.Release(id)
		}
	}
}

// BenchmarkQueues leaves the filling of the request out: what the queues
// and ids cost.
func BenchmarkQueues(b *testing.B) {
	c := newChannel(b, benchConfig)
	p, w := c.Port(0), newGoWorker(c, 0)
	b.ReportAllocs()
	for n := 0; n < b.N; n += benchBatch {
		for range benchBatch {
			id, _, _ := p.Begin()
			p.Post(0, id)
		}
		p.Ring()
		for id, ok := w.take(); ok; id, ok = w.take() {
			w.tell(id, WorkerDone)
		}
		w.publish()
		for id, _, ok := p.Next(); ok; id, _, ok = p.Next() {
			p.Release(id)
		}
	}
}

func BenchmarkNotify(b *testing.B) {
	c := newChannel(b, benchConfig)
	p, w := c.Port(0), newGoWorker(c, 0)
	id, s, _ := p.Begin()
	p.Post(0, id)
	w.take()
	b.ReportAllocs()
	for b.Loop() {
		p.Notify(id, s)
		w.notice()
	}
}

func BenchmarkAllocFree(b *testing.B) {
	c := newChannel(b, benchConfig)
	b.ReportAllocs()
	for b.Loop() {
		block, _, _ := c.Alloc(4000, 7)
		c.Free(block, 7)
	}
}

// BenchmarkProcesses passes small requests to a worker process and back: at
// most window at once.
func BenchmarkProcesses(b *testing.B) {
	binary := buildWorker(b, "-O3")
	for _, window := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("%d at once", window), func(b *testing.B) {
			c := newChannel(b, benchConfig)
			var stop atomic.Bool
			w := startWorker(b, c, binary, 0, 1, "speed", &stop)
			for !c.Ready(0) && !stop.Load() {
			}
			p, r := c.Port(0), benchRequest()
			b.ReportAllocs()
			b.ResetTimer()
			if err := passAll(p, r, b.N, window, &stop); err != nil {
				b.Fatal(err, w.out.String())
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			dismiss(b, c, []*worker{w})
			if b.N > 1000 {
				b.Log(strings.TrimSpace(w.out.String()))
			}
		})
	}
}

func passAll(p *Port, r *Request, total, window int, stop *atomic.Bool) error {
	started, ended := 0, 0
	for ended < total {
		p.Awake()
		before := ended
		for id, s, ok := p.Next(); ok; id, s, ok = p.Next() {
			if _, body, ok := p.ResponseParts(s); !ok || len(body) != 64 || s.Status() != 200 {
				return fmt.Errorf("a wrong answer to %x", id)
			}
			p.Release(id)
			ended++
		}
		for started < total && started-ended < window {
			id, s, ok := p.Begin()
			if !ok {
				break
			}
			if !p.Fill(id, s, r) || !p.Post(0, id) {
				return fmt.Errorf("no room for %x", id)
			}
			started++
		}
		p.Ring()
		if ended == before && p.Sleep() && !awaitDoorbell(p.LoopDoorbell(0), 60_000, stop) {
			return fmt.Errorf("stuck after %d of %d", ended, total)
		}
	}
	return nil
}
