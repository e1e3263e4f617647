package netio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDeadlines(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const soon, late = int64(30 * time.Millisecond), int64(time.Hour)
		s := &script{}
		v := start(t, Options{Backend: kind}, s)
		v.do(v.loop.StopAccepting)
		var early []string
		names := map[*Conn]string{}
		expired := make(chan string, 4)
		s.expired = func(c *Conn) {
			expired <- names[c]
			c.Abort()
		}
		s.opened = func(c *Conn) {
			now := v.loop.Now()
			switch names[c] = []string{"kept", "cleared", "moved", "brought forward"}[s.opens-1]; names[c] {
			case "kept":
				c.SetDeadline(now + soon)
			case "cleared":
				c.SetDeadline(now + soon)
				c.SetDeadline(0)
			case "moved":
				c.SetDeadline(now + soon)
				c.SetDeadline(now + late)
			case "brought forward":
				c.SetDeadline(now + late)
				c.SetDeadline(now + soon)
			}
		}
		v.do(v.loop.ResumeAccepting)
		for range 4 {
			v.dial()
		}
		for range 2 {
			early = append(early, wait(t, expired, "a deadline"))
		}
		v.until("two connections to be left", func() bool { return v.loop.Len() == 2 })
		if got := strings.Join(early, ","); got != "kept,brought forward" && got != "brought forward,kept" {
			t.Errorf("expired: %s", got)
		}
	})
}

func TestAbortDuringSend(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		body := lent(t, pattern(16<<20))
		released := map[uint64]int{}
		var conn *Conn
		s := &script{released: func(token uint64) { released[token]++ }}
		s.received = func(c *Conn, p []byte) int {
			conn = c
			c.Commit(append(c.Reserve(4), "head"...))
			for token := range uint64(5) {
				c.SendBorrowed(body, token)
			}
			return len(p)
		}
		v := start(t, Options{Backend: kind}, s)
		c := v.dial()
		write(t, c, []byte("x"))
		v.until("a send under way", func() bool { return conn != nil && conn.sending })
		v.do(func() {
			conn.Abort()
			conn.Abort()
			conn.CloseAfterFlush()
			conn.SendBorrowed(body, 5)
			if s.closes != 0 {
				t.Error("Closed was called inside Abort")
			}
		})
		v.until("the close", func() bool { return s.closes == 1 && len(released) == 6 })
		v.do(func() {
			for token, count := range released {
				if count != 1 {
					t.Errorf("token %d was released %d times", token, count)
				}
			}
		})
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client sees %v, want a reset", err)
		}
	})
}

// A client that goes on sending must still be able to read the answer (RFC 9112 section 9.6).
func TestCloseAfterFlushLingers(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		s := &script{received: func(c *Conn, p []byte) int {
			c.Commit(append(c.Reserve(16), "too much"...))
			c.CloseAfterFlush()
			return 0
		}}
		v := start(t, Options{Backend: kind}, s)
		c := v.dial()
		for range 10 {
			write(t, c, pattern(50_000))
		}
		answer, err := io.ReadAll(c)
		if err != nil || string(answer) != "too much" {
			t.Errorf("read %q, %v", answer, err)
		}
		v.do(func() {
			if s.closes != 0 {
				t.Error("closed while the peer may still send")
			}
		})
		_ = c.Close()
		v.until("the close", func() bool { return s.closes == 1 })
	})
}

func TestLingeringEnds(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		s := &script{received: func(c *Conn, p []byte) int { c.CloseAfterFlush(); return len(p) }}
		v := start(t, Options{Backend: kind}, s)
		quiet, endless := v.dial(), v.dial()
		write(t, quiet, []byte("x"))
		chunk := make([]byte, 64<<10)
		for {
			if _, err := endless.Write(chunk); err != nil {
				break
			}
		}
		v.until("both to be closed", func() bool { return s.closes == 2 })
	})
}

func TestGenerationsTellReusedConnectionsApart(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		var index, generation uint32
		s := &script{opened: func(c *Conn) {
			if c.User != 0 || c.Tag != 7 {
				t.Errorf("a new connection has user %d, tag %d", c.User, c.Tag)
			}
			c.User = 1
			index, generation = c.Index, c.Generation
		}}
		v := start(t, Options{Backend: kind}, s)
		c := v.dial()
		v.until("the connection", func() bool { return s.opens == 1 })
		first, before := index, generation
		v.do(func() {
			if v.loop.Conn(index, generation) == nil {
				t.Error("the open connection is not found")
			}
		})
		_ = c.Close()
		v.until("the close", func() bool { return v.loop.Len() == 0 })
		v.dial()
		v.until("the second connection", func() bool { return s.opens == 2 })
		v.do(func() {
			if index != first || generation == before {
				t.Errorf("second connection is %d/%d after %d/%d", index, generation, first, before)
			}
			if v.loop.Conn(first, before) != nil || v.loop.Conn(1<<20, 0) != nil {
				t.Error("a stale or unknown name finds a connection")
			}
			if v.loop.Conn(index, generation) == nil {
				t.Error("the open connection is not found")
			}
		})
	})
}

func TestMaxConns(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const limit, clients = 4, 20
		var g logLines
		most := 0
		s := &script{received: echo}
		v := start(t, Options{Backend: kind, MaxConns: limit, Log: g.log}, s)
		v.do(func() { s.opened = func(*Conn) { most = max(most, v.loop.Len()) } })
		all := make([]*net.TCPConn, clients)
		for i := range all {
			all[i] = v.dial()
			write(t, all[i], []byte{byte(i)})
		}
		v.until("the limit", func() bool { return v.loop.Len() == limit })
		// Served one after the other, each making room by its end; the order of accepting is that of connecting.
		for i, c := range all {
			got := make([]byte, 1)
			if _, err := io.ReadFull(c, got); err != nil || got[0] != byte(i) {
				t.Fatalf("client %d got %v, %v", i, got, err)
			}
			_ = c.Close()
		}
		v.until("all to be closed", func() bool { return s.closes == clients })
		v.do(func() {
			if most > limit {
				t.Errorf("%d connections were open, the limit is %d", most, limit)
			}
		})
		if lines := g.all(); len(lines) != 1 || !strings.Contains(lines[0], "limit") {
			t.Errorf("logged %q, want one line about the limit", lines)
		}
	})
}

func TestStopAndResumeAccepting(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		s := &script{received: echo}
		v := start(t, Options{Backend: kind}, s)
		v.do(v.loop.StopAccepting)
		v.until("accepting to end", func() bool { return !v.loop.accepting() })
		c := v.dial()
		write(t, c, []byte("x"))
		v.do(func() {
			if s.opens != 0 {
				t.Error("a connection was accepted")
			}
			v.loop.ResumeAccepting()
		})
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

func TestIdleLoopMakesNoTurns(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		for _, brief := range []bool{false, true} {
			v := start(t, Options{Backend: kind, BriefWaits: brief}, &script{received: echo})
			c := v.dial()
			for range 100 {
				write(t, c, []byte("x"))
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			var before, after uint64
			v.do(func() { before = v.loop.Turns() })
			time.Sleep(300 * time.Millisecond)
			v.do(func() { after = v.loop.Turns() })
			// The second task's own wake-up is one, the end of a brief wait another, a signal of Go's runtime may be a third.
			if after-before > 3 {
				t.Errorf("%d turns without any event", after-before)
			}
		}
	})
}

func TestDoorbellWakesFromAnotherThread(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		v := start(t, Options{Backend: kind}, &script{})
		for range 2000 {
			v.do(func() {})
		}
	})
}

func TestStopAbortsWhatIsOpen(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		before, goroutines := openDescriptors(t), runtime.NumGoroutine()
		body := lent(t, pattern(16<<20))
		released := 0
		s := &script{released: func(uint64) { released++ }}
		s.opened = func(c *Conn) { c.SendBorrowed(body, 1) }
		v := start(t, Options{Backend: kind}, s)
		clients := make([]*net.TCPConn, 20)
		for i := range clients {
			clients[i] = v.dial()
		}
		v.until("all connections", func() bool { return s.opens == len(clients) })
		v.stop()
		if s.closes != len(clients) || released != len(clients) {
			t.Errorf("%d closed, %d released, want %d", s.closes, released, len(clients))
		}
		for _, c := range clients {
			_ = c.Close()
		}
		for deadline := time.Now().Add(patience); openDescriptors(t) > before || runtime.NumGoroutine() > goroutines; {
			if time.Now().After(deadline) {
				t.Fatalf("%d descriptors, were %d; %d goroutines, were %d",
					openDescriptors(t), before, runtime.NumGoroutine(), goroutines)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func TestAddresses(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		var conn *Conn
		v := start(t, Options{Backend: kind}, &script{opened: func(c *Conn) { conn = c }})
		c := v.dial()
		v.until("the connection", func() bool { return conn != nil })
		v.do(func() {
			if got, want := conn.Remote(), c.LocalAddr().String(); got != netip.MustParseAddrPort(want) {
				t.Errorf("remote is %s, want %s", got, want)
			}
			if got := conn.Local().String(); got != v.address {
				t.Errorf("local is %s, want %s", got, v.address)
			}
			if delay, err := unix.GetsockoptInt(conn.Descriptor(), unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || delay == 0 {
				t.Errorf("TCP_NODELAY is %d, %v", delay, err)
			}
		})
	})
}

// Few descriptors are left to a process of its own; accepting must pause without spinning and go on when there are more.
func TestDescriptorExhaustion(t *testing.T) {
	if kind := os.Getenv("NETIO_EXHAUST"); kind != "" {
		exhaust(t, map[string]Kind{"io_uring": IOUring, "epoll": Epoll}[kind])
		return
	}
	eachBackend(t, func(t *testing.T, kind Kind) {
		command := exec.Command(os.Args[0], "-test.run=^TestDescriptorExhaustion$", "-test.v")
		command.Env = append(os.Environ(), "NETIO_EXHAUST="+map[Kind]string{IOUring: "io_uring", Epoll: "epoll"}[kind])
		if output, err := command.CombinedOutput(); err != nil || !bytes.Contains(output, []byte("PASS")) {
			t.Fatalf("%v\n%s", err, output)
		}
	})
}

func exhaust(t *testing.T, kind Kind) {
	var g logLines
	s := &script{received: echo}
	v := start(t, Options{Backend: kind, Log: g.log}, s)
	first := v.dial()
	v.until("the first connection", func() bool { return s.opens == 1 })
	second, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort(v.address)
	// io_uring takes the limit at the time when the accept is armed.
	v.do(v.loop.StopAccepting)
	v.until("accepting to end", func() bool { return !v.loop.accepting() })
	next, err := unix.Dup(second)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(next)
	limit := syscall.Rlimit{Cur: uint64(next), Max: 1 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(second, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	v.do(v.loop.ResumeAccepting)
	v.until("the pause", func() bool { return v.loop.acceptRetryAt != 0 })
	var before, after uint64
	v.do(func() { before = v.loop.Turns() })
	time.Sleep(300 * time.Millisecond)
	v.do(func() { after = v.loop.Turns() })
	if after-before > 20 {
		t.Errorf("%d turns while accepting should pause", after-before)
	}
	_ = first.Close()
	v.until("the second connection", func() bool { return s.opens == 2 })
	if lines := g.all(); len(lines) == 0 || !strings.Contains(lines[0], "too many open files") {
		t.Errorf("logged %q", lines)
	}
	_ = unix.Close(second)
}

func TestPoolKeepsAndGivesBackConnections(t *testing.T) {
	var tab table
	l := &Loop{}
	tab.pool = 300
	tab.prepare(l)
	if tab.Kept() != 512 {
		t.Fatalf("a pool of 300 keeps %d connections, want 512", tab.Kept())
	}
	var open []*Conn
	for range 1000 {
		c := tab.take(l)
		c.state = stateOpen
		open = append(open, c)
	}
	if tab.Kept() != 1024 || tab.Len() != 1000 {
		t.Fatalf("%d kept and %d open, want 1024 and 1000", tab.Kept(), tab.Len())
	}
	last := open[999]
	index, generation := last.Index, last.Generation
	for _, c := range open {
		tab.give(c)
	}
	if tab.Kept() != 512 || tab.Len() != 0 {
		t.Fatalf("%d kept and %d open after closing, want 512 and 0", tab.Kept(), tab.Len())
	}
	if tab.Conn(index, generation) != nil {
		t.Fatal("a connection was found whose memory was given back")
	}
	for range 1000 {
		c := tab.take(l)
		c.state = stateOpen
		if c.Index == index && c.Generation == generation {
			t.Fatal("a generation was used twice")
		}
	}
}

// Entries of the submission queue are used again by other operations: nothing of the last one may be left, or closes fail.
func TestBusyLoopClosesEveryDescriptor(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		s := &script{received: echo}
		s.ended = func(c *Conn) { c.CloseAfterFlush() }
		v := start(t, Options{Backend: kind}, s)
		before := openDescriptors(t)
		done := make(chan struct{})
		for range 16 {
			go func() {
				defer func() { done <- struct{}{} }()
				for range 60 {
					c, err := net.Dial("tcp", v.address)
					if err != nil {
						t.Error(err)
						return
					}
					for range 5 {
						buffer := make([]byte, 16)
						if _, err := c.Write([]byte("ping")); err != nil {
							t.Error(err)
						}
						if _, err := c.Read(buffer); err != nil {
							t.Error(err)
						}
					}
					_ = c.Close()
				}
			}()
		}
		for range 16 {
			wait(t, done, "the clients")
		}
		v.until("every connection to end", func() bool { return v.loop.Len() == 0 })
		deadline := time.Now().Add(5 * time.Second)
		for openDescriptors(t) > before && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		if after := openDescriptors(t); after > before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}
