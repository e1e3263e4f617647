package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const unixSocketMode = 0o666 // before the umask: whoever may reach the path may connect

// Listen opens a listening socket for Loop.AddListener. The network is "tcp", "tcp4", "tcp6" or "unix"; a TCP address is
// "host:port", where port 0 picks a free one. Of the IPv6 sockets only that of [::] takes IPv4 connections too, unless the
// port is taken there.
//
// With reusePort several sockets, one per loop, may share the address. The address is first bound exclusively, so that one
// that another program uses is an error and not a silent sharing; share further sockets of the same program with Share.
// A unix socket file that nobody listens on is replaced.
func Listen(network, address string, backlog int, reusePort bool) (fd int, bound net.Addr, err error) {
	if network == "unix" {
		return ListenUnix(address, backlog, nil)
	}
	to, err := resolve(network, address)
	if err != nil {
		return -1, nil, err
	}
	if reusePort {
		probe, err := bindTCP(to, false)
		if err != nil {
			return -1, nil, describe(network, address, err)
		}
		if err := unix.Close(probe); err != nil {
			return -1, nil, describe(network, address, err)
		}
	}
	if fd, err = bindTCP(to, reusePort); err != nil {
		return -1, nil, describe(network, address, err)
	}
	return listenOn(fd, network, address, backlog)
}

// Share opens one more listening socket on the address that an earlier Listen with reusePort has bound.
func Share(bound net.Addr, backlog int) (fd int, err error) {
	tcp, ok := bound.(*net.TCPAddr)
	if !ok {
		return -1, fmt.Errorf("cannot share %s: only TCP addresses can be shared", bound)
	}
	if fd, err = bindTCP(tcp.AddrPort(), true); err != nil {
		return -1, describe("tcp", bound.String(), err)
	}
	fd, _, err = listenOn(fd, "tcp", bound.String(), backlog)
	return fd, err
}

func resolve(network, address string) (netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return netip.AddrPort{}, fmt.Errorf("cannot listen on network %q: want tcp, tcp4, tcp6 or unix", network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("cannot listen on %q: %w", address, err)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil {
			if family := familyOf(ip); network != "tcp" && network != family {
				return netip.AddrPort{}, fmt.Errorf("cannot listen on %q: not an address of network %s", address, network)
			}
			return netip.AddrPortFrom(ip, uint16(number)), nil
		}
	}
	tcp, err := net.ResolveTCPAddr(network, address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("cannot listen on %q: %w", address, err)
	}
	to := tcp.AddrPort()
	if !to.Addr().IsValid() {
		any := netip.IPv4Unspecified()
		if network == "tcp6" {
			any = netip.IPv6Unspecified()
		}
		return netip.AddrPortFrom(any, to.Port()), nil
	}
	if network != "tcp6" {
		to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	}
	return to, nil
}

func familyOf(ip netip.Addr) string {
	if ip.Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// bindTCP returns a bound socket with the options that accepted connections inherit.
func bindTCP(to netip.AddrPort, reusePort bool) (fd int, err error) {
	family := unix.AF_INET6
	if to.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
			fd = -1
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, fmt.Errorf("SO_REUSEADDR: %w", err)
	}
	if reusePort {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return -1, fmt.Errorf("SO_REUSEPORT: %w", err)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return -1, fmt.Errorf("TCP_NODELAY: %w", err)
	}
	address, err := sockaddr(to)
	if err != nil {
		return -1, err
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return -1, fmt.Errorf("IPV6_V6ONLY: %w", err)
		}
	}
	if to.Addr() == netip.IPv6Unspecified() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err == nil && unix.Bind(fd, address) == nil {
			return fd, nil
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return -1, fmt.Errorf("IPV6_V6ONLY: %w", err)
		}
	}
	return fd, unix.Bind(fd, address)
}

func sockaddr(to netip.AddrPort) (unix.Sockaddr, error) {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, nil
	}
	address := &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	if zone := to.Addr().Zone(); zone != "" {
		device, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, fmt.Errorf("zone %q: %w", zone, err)
		}
		address.ZoneId = uint32(device.Index)
	}
	return address, nil
}

// listenOn makes a bound socket listen, or closes it.
func listenOn(fd int, network, address string, backlog int) (int, net.Addr, error) {
	if err := unix.Listen(fd, backlog); err != nil {
		_ = unix.Close(fd)
		return -1, nil, describe(network, address, err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		_ = unix.Close(fd)
		return -1, nil, describe(network, address, err)
	}
	switch n := name.(type) {
	case *unix.SockaddrUnix:
		return fd, &net.UnixAddr{Name: n.Name, Net: "unix"}, nil
	case *unix.SockaddrInet6:
		at := netip.AddrPortFrom(netip.AddrFrom16(n.Addr), uint16(n.Port))
		return fd, net.TCPAddrFromAddrPort(at), nil
	}
	return fd, net.TCPAddrFromAddrPort(addrPort(name, nil)), nil
}

// ListenUnix is Listen for a unix socket whose file has the given permissions; nil leaves them to the umask. Nobody can
// connect before it has them.
func ListenUnix(path string, backlog int, mode *uint32) (fd int, bound net.Addr, err error) {
	if err := removeStale(path); err != nil {
		return -1, nil, err
	}
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("cannot listen on unix:%s: %w", path, err)
	}
	// The socket file's mode is that of the socket, less the umask.
	if err := unix.Fchmod(fd, unixSocketMode); err != nil {
		_ = unix.Close(fd)
		return -1, nil, fmt.Errorf("cannot listen on unix:%s: %w", path, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(fd)
		return -1, nil, describe("unix", path, err)
	}
	if mode != nil {
		if err := unix.Chmod(path, *mode); err != nil {
			_ = unix.Close(fd)
			return -1, nil, describe("unix", path, err)
		}
	}
	return listenOn(fd, "unix", path, backlog)
}

// removeStale unlinks a socket file that refuses connections, as its owner is gone.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot listen on unix:%s: %w", path, err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("cannot listen on unix:%s: the file exists and is not a socket", path)
	}
	client, err := net.Dial("unix", path)
	if err == nil {
		_ = client.Close()
		return describe("unix", path, unix.EADDRINUSE)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("cannot listen on unix:%s: the file exists: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("cannot replace the stale socket unix:%s: %w", path, err)
	}
	return nil
}

// describe words a failed bind or listen so that the reader knows what to change.
func describe(network, address string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		hint = " (is another server running there?)"
	case errors.Is(err, unix.EACCES):
		hint = " (no permission; ports below 1024 need CAP_NET_BIND_SERVICE)"
		if network == "unix" {
			hint = " (no permission in that directory)"
		}
	case errors.Is(err, unix.EADDRNOTAVAIL):
		hint = " (this machine has no such address)"
	}
	return fmt.Errorf("cannot listen on %s:%s: %w%s", network, address, err, hint)
}
