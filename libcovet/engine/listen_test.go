package engine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func listenOn(listeners ...ListenerConfig) func(*Config) {
	return func(c *Config) { c.Listeners = listeners }
}

// ping asks for /ping on a connection of its own.
func ping(t testing.TB, network, address string) {
	t.Helper()
	c := dial(t, network, address)
	c.send(request("GET /ping"))
	if r, body := c.answer("GET"); r.StatusCode != 200 || body != "pong" {
		t.Errorf("%s %s: %d %q", network, address, r.StatusCode, body)
	}
	_ = c.Close()
}

// refused starts an engine that cannot listen, and returns why.
func refused(t *testing.T, listeners ...ListenerConfig) error {
	t.Helper()
	c, _ := newConfig(listenOn(listeners...))
	e, err := New(c)
	if err == nil {
		e.Free()
		t.Fatal("listening succeeded")
	}
	return err
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// descriptorOf is the number of a listening socket, as a process inherits one.
func descriptorOf(t *testing.T, l net.Listener) string {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return strconv.Itoa(int(f.Fd()))
}

func TestListenersOfEveryKindAtOnce(t *testing.T) {
	dir := t.TempDir()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	local, err := net.Listen("unix", filepath.Join(dir, "given"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "own")
	for _, loops := range []int{1, 2} {
		for _, uring := range []bool{false, true} {
			r := serve(t, func(c *Config) { c.Loops, c.EnableIOUring = loops, uring }, listenOn(
				ListenerConfig{Network: "tcp", Address: "127.0.0.1:0"},
				ListenerConfig{Network: "unix", Address: path},
				ListenerConfig{Network: "fd", Address: descriptorOf(t, tcp)},
				ListenerConfig{Network: "fd", Address: descriptorOf(t, local)},
				ListenerConfig{Network: "tcp", Address: "[::1]:0"},
			))
			want := []string{"", path, tcp.Addr().String(), local.Addr().String(), ""}
			for i, network := range []string{"tcp", "unix", "tcp", "unix", "tcp"} {
				if want[i] != "" && r.Address(i) != want[i] {
					t.Errorf("listener %d is bound to %q, not %q", i, r.Address(i), want[i])
				}
				for range 3 {
					ping(t, network, r.Address(i))
				}
			}
			if r.Address(-1) != "" || r.Address(5) != "" {
				t.Error("there is an address without a listener")
			}
			r.end(t)
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket's file is left behind: %v", err)
			}
			if _, err := os.Lstat(local.Addr().String()); err != nil {
				t.Errorf("the file of a socket that was given is gone: %v", err)
			}
		}
	}
}

func TestAFileThatIsNotOursStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	first := serve(t, listenOn(ListenerConfig{Network: "unix", Address: path}))
	err := refused(t, ListenerConfig{Network: "tcp", Address: "127.0.0.1:0"}, ListenerConfig{Network: "unix", Address: path})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
	ping(t, "unix", path) // the failed start has left the file where it was

	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	serve(t, listenOn(ListenerConfig{Network: "unix", Address: path}))
	first.end(t)
	ping(t, "unix", path)

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, ListenerConfig{Network: "unix", Address: file}); !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("got %v", err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
		t.Errorf("the file holds %q, %v", content, err)
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	mode := uint32(0o640)
	serve(t, listenOn(ListenerConfig{Network: "unix", Address: path, Mode: &mode}))
	ping(t, "unix", path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestDescriptorsThatCannotListen(t *testing.T) {
	datagrams, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(datagrams) }()
	for number, want := range map[string]string{
		strconv.Itoa(datagrams): "not a stream socket", "1000000": "descriptor 1000000", "x": "not a file descriptor", "-1": "not a file descriptor",
	} {
		if err := refused(t, ListenerConfig{Network: "fd", Address: number}); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", number, err)
		}
	}
	bound, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(bound) }()
	if err := unix.Bind(bound, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	r := serve(t, listenOn(ListenerConfig{Network: "fd", Address: strconv.Itoa(bound)}))
	ping(t, "tcp", r.Address(0))
}

func TestANameWithSeveralAddressesHasOnePort(t *testing.T) {
	all := []netip.AddrPort{
		netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("203.0.113.1:0"), netip.MustParseAddrPort("[::1]:0"),
	}
	for _, loops := range []int{1, 2} {
		e := &Engine{config: Config{Loops: loops, Backlog: 16}}
		if err := e.listenAll(3, all); err != nil {
			t.Fatal(err)
		}
		if len(e.listeners) != 2 || len(e.listeners[1].fds) != loops || e.Address(3) != e.listeners[0].address || e.Address(0) != "" {
			t.Errorf("%+v", e.listeners)
		}
		_, first, _ := net.SplitHostPort(e.listeners[0].address)
		_, second, _ := net.SplitHostPort(e.listeners[1].address)
		if first != second || first == "0" {
			t.Errorf("ports %s and %s", first, second)
		}
		e.closeListeners()
	}
	e := &Engine{config: Config{Loops: 1, Backlog: 16}}
	if err := e.listenAll(0, all[1:2]); !errors.Is(err, unix.EADDRNOTAVAIL) || len(e.listeners) != 0 {
		t.Errorf("got %v", err)
	}
}

func TestAFailedStartLeavesNothingOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	taken := serve(t)
	before := openDescriptors(t)
	for _, bad := range []ListenerConfig{
		{Network: "tcp", Address: taken.Address(0)}, {Network: "tcp", Address: "203.0.113.1:0"}, {Network: "udp", Address: ":0"},
		{Network: "tcp", Address: "no.such.host.invalid:0"},
	} {
		err := refused(t, ListenerConfig{Network: "unix", Address: path}, ListenerConfig{Network: "tcp", Address: "127.0.0.1:0"}, bad)
		if !strings.Contains(err.Error(), "cannot listen on") {
			t.Errorf("got %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket's file is left behind: %v", err)
		}
	}
	if after := openDescriptors(t); after > before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}
