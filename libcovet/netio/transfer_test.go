package netio

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestEchoOfSplitAndPipelinedData(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		v := start(t, Options{Backend: kind, BriefWaits: true}, &script{received: echo})
		c := v.dial()
		sent := pattern(300_000)
		go func() {
			random := rand.New(rand.NewPCG(1, 2))
			for rest := sent; len(rest) > 0; {
				n := min(1+random.IntN(5000), len(rest))
				if _, err := c.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, sent) {
			t.Error("the echo differs from what was sent")
		}
	})
}

func TestThousandConcurrentConnections(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const count = 1000
		v := start(t, Options{Backend: kind}, &script{received: echo})
		var all sync.WaitGroup
		for i := range count {
			c := v.dial()
			all.Go(func() {
				message := pattern(100 + i)
				got := make([]byte, len(message))
				for range 3 {
					if _, err := c.Write(message); err != nil {
						t.Error(err)
						return
					}
					if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, message) {
						t.Errorf("connection %d: echo differs (%v)", i, err)
						return
					}
				}
			})
		}
		all.Wait()
		v.until("all connections", func() bool { return v.loop.Len() == count })
	})
}

// More sends in one turn than the submission queue has entries.
func TestWritingToManyConnectionsInOneTurn(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const count = 1500
		v := start(t, Options{Backend: kind}, &script{})
		clients := make([]io.Reader, count)
		for i := range clients {
			clients[i] = v.dial()
		}
		v.until("all connections", func() bool { return v.loop.Len() == count })
		v.do(func() {
			v.loop.Each(func(c *Conn) {
				c.Commit(append(c.Reserve(5), "first"...))
				c.SendBorrowed(nil, 1)
				c.Commit(append(c.Reserve(5000), "second"...))
			})
		})
		for _, c := range clients {
			got := make([]byte, 11)
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "firstsecond" {
				t.Fatalf("got %q, %v", got, err)
			}
		}
	})
}

func TestBackpressureOfASlowReader(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const total, chunk, high, low = 10 << 20, 10_000, 200_000, 50_000
		message := pattern(total)
		written, drained, most := 0, 0, 0
		fill := func(c *Conn) {
			for written < total && !c.AboveHighWater() {
				n := min(chunk, total-written)
				c.Commit(append(c.Reserve(n), message[written:written+n]...))
				written += n
				most = max(most, c.Buffered())
			}
			if written == total {
				c.CloseAfterFlush()
			}
		}
		s := &script{received: func(c *Conn, p []byte) int { fill(c); return len(p) }}
		s.drained = func(c *Conn) {
			drained++
			if c.Buffered() > low {
				t.Errorf("drained with %d bytes buffered", c.Buffered())
			}
			fill(c)
		}
		v := start(t, Options{Backend: kind, HighWater: high, LowWater: low}, s)
		c := v.dial()
		write(t, c, []byte("go"))
		v.until("the socket to be full", func() bool { return written > high && v.loop.dirtyOrFull() })
		got, err := io.ReadAll(slowReader{c})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, message) {
			t.Errorf("got %d bytes, or others than were sent", len(got))
		}
		v.do(func() {
			if most > high+chunk {
				t.Errorf("%d bytes were buffered, above the mark of %d", most, high)
			}
			if drained == 0 {
				t.Error("Drained was never called")
			}
		})
	})
}

// dirtyOrFull reports whether some connection is above its high-water mark.
func (l *Loop) dirtyOrFull() (above bool) {
	l.Each(func(c *Conn) { above = above || c.AboveHighWater() })
	return above
}

type slowReader struct{ io.Reader }

func (r slowReader) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Microsecond)
	return r.Reader.Read(p[:min(len(p), 50_000)])
}

func TestTenMegabytesIn(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		message := pattern(10 << 20)
		var got bytes.Buffer
		v := start(t, Options{Backend: kind}, &script{
			received: func(c *Conn, p []byte) int { got.Write(p); return len(p) },
		})
		c := v.dial()
		write(t, c, message)
		v.until("all input", func() bool { return got.Len() == len(message) })
		v.do(func() {
			if !bytes.Equal(got.Bytes(), message) {
				t.Error("the input differs from what was sent")
			}
		})
	})
}

func TestFewAndSmallReceiveBuffers(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		v := start(t, Options{Backend: kind, Buffers: 2, BufferSize: 64}, &script{received: echo})
		var all sync.WaitGroup
		for range 50 {
			c := v.dial()
			all.Go(func() {
				message := pattern(20_000)
				go func() { _, _ = c.Write(message) }()
				got := make([]byte, len(message))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, message) {
					t.Errorf("the echo differs (%v)", err)
				}
			})
		}
		all.Wait()
	})
}

func TestBorrowedMemoryIsSentInOrder(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		message := pattern(3 << 20)
		body := lent(t, message)
		var released []uint64
		s := &script{released: func(token uint64) { released = append(released, token) }}
		s.received = func(c *Conn, p []byte) int {
			c.Commit(append(c.Reserve(4), "head"...))
			c.SendBorrowed(body[:1<<20], 1)
			c.SendBorrowed(nil, 2)
			c.SendBorrowed(body[1<<20:], 3)
			c.Commit(append(c.Reserve(4), "tail"...))
			c.CloseAfterFlush()
			return len(p)
		}
		v := start(t, Options{Backend: kind}, s)
		c := v.dial()
		write(t, c, []byte("x"))
		got, err := io.ReadAll(slowReader{c})
		if err != nil {
			t.Fatal(err)
		}
		want := append(append([]byte("head"), message...), "tail"...)
		if !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, want %d, or others", len(got), len(want))
		}
		v.until("the release", func() bool { return len(released) == 3 })
		v.do(func() {
			for i, token := range released {
				if token != uint64(i+1) {
					t.Errorf("released %v", released)
				}
			}
		})
	})
}

func TestCommitOfASliceThatAppendMoved(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		message := pattern(500_000)
		v := start(t, Options{Backend: kind}, &script{received: func(c *Conn, p []byte) int {
			c.Commit(append(c.Reserve(1), "begin"...))
			c.Commit(append(c.Reserve(10), message...))
			c.Reserve(100)
			c.Reserve(100_000)
			c.Commit(append(c.Reserve(1), "end"...))
			return len(p)
		}})
		c := v.dial()
		write(t, c, []byte("x"))
		got := make([]byte, len(message)+8)
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if string(got[:5]) != "begin" || !bytes.Equal(got[5:len(got)-3], message) || string(got[len(got)-3:]) != "end" {
			t.Error("the output differs from what was committed")
		}
		v.until("the output to be gone", func() bool {
			empty := true
			v.loop.Each(func(c *Conn) { empty = empty && c.Buffered() == 0 && c.head == nil && c.kept == nil })
			return empty
		})
	})
}
