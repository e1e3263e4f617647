package netio

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func listen(t *testing.T, network, address string, reusePort bool) net.Addr {
	t.Helper()
	fd, bound, err := Listen(network, address, 16, reusePort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return bound
}

func TestListenOnTCP(t *testing.T) {
	for _, c := range []struct{ network, address, host string }{
		{"tcp", "127.0.0.1:0", "127.0.0.1"},
		{"tcp4", "localhost:0", "127.0.0.1"},
		{"tcp", "[::1]:0", "::1"},
		{"tcp6", "[::1]:0", "::1"},
		{"tcp", ":0", "0.0.0.0"},
		{"tcp6", ":0", "::"},
	} {
		bound := listen(t, c.network, c.address, false).(*net.TCPAddr)
		if bound.IP.String() != c.host || bound.Port == 0 {
			t.Errorf("%s %s is bound to %s", c.network, c.address, bound)
		}
	}
}

func TestListenErrorsNameTheAddress(t *testing.T) {
	for _, c := range []struct{ network, address, want string }{
		{"udp", "127.0.0.1:0", "network"},
		{"tcp", "127.0.0.1", "missing port"},
		{"tcp", "127.0.0.1:x", "port"},
		{"tcp", "203.0.113.1:0", "no such address"},
		{"tcp4", "[::1]:0", "tcp4"},
		{"unix", "/nowhere/at/all", "/nowhere/at/all"},
	} {
		fd, _, err := Listen(c.network, c.address, 16, false)
		if err == nil {
			_ = unix.Close(fd)
			t.Errorf("listening on %s %s succeeded", c.network, c.address)
		} else if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "cannot listen") {
			t.Errorf("%s %s: %v", c.network, c.address, err)
		}
	}
}

func TestPortInUseIsAnErrorEvenWithReusePort(t *testing.T) {
	for _, first := range []bool{false, true} {
		bound := listen(t, "tcp", "127.0.0.1:0", first)
		for _, second := range []bool{false, true} {
			fd, _, err := Listen("tcp", bound.String(), 16, second)
			if err == nil {
				_ = unix.Close(fd)
			}
			if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "another server") {
				t.Errorf("reusePort %v after %v: %v", second, first, err)
			}
		}
	}
}

func TestShareAddsASocketToThePort(t *testing.T) {
	bound := listen(t, "tcp", "127.0.0.1:0", true)
	for range 3 {
		fd, err := Share(bound, 16)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Close(fd) }()
	}
	if _, err := Share(&net.UnixAddr{Name: "x"}, 16); err == nil {
		t.Error("a unix socket was shared")
	}
}

func TestListenOnUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	before := unix.Umask(0o027)
	defer unix.Umask(before)
	fd, bound, err := Listen("unix", path, 16, false)
	if err != nil {
		t.Fatal(err)
	}
	if bound.String() != path {
		t.Errorf("bound to %s", bound)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, %v; want 0666 less the umask", info.Mode().Perm(), err)
	}
	if _, _, err := Listen("unix", path, 16, false); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening twice: %v", err)
	}
	_ = unix.Close(fd)
	listen(t, "unix", path, false)
}

func TestUnixSocketReplacesNoOtherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Listen("unix", path, 16, false); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("got %v", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("the file now holds %q, %v", content, err)
	}
}
