package netio

import (
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// rawClient is a connected socket outside of Go's poller, so that only the loop's allocations are counted.
func rawClient(t testing.TB, v *server) int {
	t.Helper()
	fd := openClient(t, v)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func openClient(t testing.TB, v *server) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort(v.address)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	return fd
}

func roundTrip(t testing.TB, fd int, message []byte) {
	if _, err := unix.Write(fd, message); err != nil {
		t.Fatal(err)
	}
	for got := 0; got < len(message); {
		n, err := unix.Read(fd, message[got:])
		if err != nil || n == 0 {
			t.Fatalf("read %d bytes: %v", n, err)
		}
		got += n
	}
}

func echoWithDeadline(l **Loop) func(c *Conn, p []byte) int {
	return func(c *Conn, p []byte) int {
		c.SetDeadline((*l).Now() + 5e9)
		return echo(c, p)
	}
}

func benchmarkEcho(b *testing.B, kind Kind) {
	var l *Loop
	s := &script{received: echoWithDeadline(&l)}
	v := start(b, Options{Backend: kind}, s)
	v.do(func() { l = v.loop })
	fd := rawClient(b, v)
	message := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		roundTrip(b, fd, message)
	}
}

func BenchmarkEchoIOUring(b *testing.B) { benchmarkEcho(b, IOUring) }
func BenchmarkEchoEpoll(b *testing.B)   { benchmarkEcho(b, Epoll) }

func TestRequestsAndConnectionsAllocateNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		var l *Loop
		v := start(t, Options{Backend: kind}, &script{received: echoWithDeadline(&l)})
		v.do(func() { l = v.loop })
		fd := rawClient(t, v)
		message := make([]byte, 9000)
		roundTrip(t, fd, message)
		if allocations := testing.AllocsPerRun(2000, func() { roundTrip(t, fd, message) }); allocations > 0 {
			t.Errorf("a request allocates %v times", allocations)
		}
		// Opening and closing: the client's own calls are the same with and without the loop's work.
		address := &unix.SockaddrInet4{}
		to := netip.MustParseAddrPort(v.address)
		address.Port, address.Addr = int(to.Port()), to.Addr().As4()
		connect := func() {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Connect(fd, address); err != nil {
				t.Fatal(err)
			}
			roundTrip(t, fd, message[:10])
			_ = unix.Close(fd)
		}
		connect()
		if allocations := testing.AllocsPerRun(500, connect); allocations > 0 {
			t.Errorf("a connection allocates %v times", allocations)
		}
	})
}

// An idle connection holds its entry in the table and in the wheel, and no buffer.
func TestMemoryOfIdleConnections(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const count, limit = 2000, 1 << 10
		var l *Loop
		s := &script{received: echoWithDeadline(&l)}
		v := start(t, Options{Backend: kind}, s)
		v.do(func() { l = v.loop })
		roundTrip(t, rawClient(t, v), make([]byte, 10))
		clients, message := make([]int, count), make([]byte, 10)
		before := heapInUse()
		for i := range clients {
			clients[i] = openClient(t, v)
			roundTrip(t, clients[i], message)
		}
		after := heapInUse()
		v.do(func() {
			l.Each(func(c *Conn) {
				if c.head != nil || c.kept != nil {
					t.Fatal("an idle connection holds a buffer")
				}
			})
		})
		for _, fd := range clients {
			_ = unix.Close(fd)
		}
		each := (int64(after) - int64(before)) / count
		t.Logf("%d bytes of Go memory per idle connection", each)
		if each > limit {
			t.Errorf("more than %d bytes", limit)
		}
	})
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
