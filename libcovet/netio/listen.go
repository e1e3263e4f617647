package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
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
	all, err := Addresses(network, address)
	if err != nil {
		return -1, nil, err
	}
	if fd, bound, err = ListenAt(all[0], backlog, reusePort); err != nil {
		return -1, nil, describe(network, address, err)
	}
	return fd, bound, nil
}

// ListenAt is Listen for a TCP address, such as one of Addresses.
func ListenAt(to netip.AddrPort, backlog int, reusePort bool) (fd int, bound net.Addr, err error) {
	if reusePort {
		probe, err := bindTCP(to, false)
		if err != nil {
			return -1, nil, err
		}
		if err := unix.Close(probe); err != nil {
			return -1, nil, fmt.Errorf("close: %w", err)
		}
	}
	if fd, err = bindTCP(to, reusePort); err != nil {
		return -1, nil, err
	}
	return listenOn(fd, backlog)
}

// Refused words the error of a failed ListenAt so that the reader knows what to change.
func Refused(network, address string, err error) error { return describe(network, address, err) }

// Share opens one more listening socket on the address that an earlier Listen with reusePort has bound.
func Share(bound net.Addr, backlog int) (fd int, err error) {
	tcp, ok := bound.(*net.TCPAddr)
	if !ok {
		return -1, fmt.Errorf("cannot share %s: only TCP addresses can be shared", bound)
	}
	if fd, err = bindTCP(tcp.AddrPort(), true); err != nil {
		return -1, describe("tcp", bound.String(), err)
	}
	if fd, _, err = listenOn(fd, backlog); err != nil {
		return -1, describe("tcp", bound.String(), err)
	}
	return fd, nil
}

// Addresses finds the TCP addresses of "host:port", those of IPv4 first. A name may have several; no host is all of IPv4, or
// of IPv6 for "tcp6".
func Addresses(network, address string) ([]netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, fmt.Errorf("cannot listen on network %q: want tcp, tcp4, tcp6 or unix", network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", address, err)
	}
	port, err := net.LookupPort(network, service)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", address, err)
	}
	hosts, err := hostAddresses(network, host)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", address, err)
	}
	var all []netip.AddrPort
	for _, ip := range hosts {
		to := netip.AddrPortFrom(ip, uint16(port))
		if (network == "tcp" || network == familyOf(ip)) && !slices.Contains(all, to) {
			all = append(all, to)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("cannot listen on %q: not an address of network %s", address, network)
	}
	slices.SortStableFunc(all, func(a, b netip.AddrPort) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return all, nil
}

func hostAddresses(network, host string) ([]netip.Addr, error) {
	if host == "" {
		if network == "tcp6" {
			return []netip.Addr{netip.IPv6Unspecified()}, nil
		}
		return []netip.Addr{netip.IPv4Unspecified()}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	found, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up the host: %w", err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
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
func listenOn(fd, backlog int) (int, net.Addr, error) {
	err := unix.Listen(fd, backlog)
	if err == nil {
		var bound net.Addr
		if bound, err = AddressOf(fd); err == nil {
			return fd, bound, nil
		}
	}
	_ = unix.Close(fd)
	return -1, nil, err
}

// Inherited makes sure that a descriptor that the process was started with is a listening socket, and returns its address.
func Inherited(fd, backlog int) (net.Addr, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on descriptor %d: %w", fd, err)
	}
	if kind != unix.SOCK_STREAM {
		return nil, fmt.Errorf("cannot listen on descriptor %d: it is not a stream socket", fd)
	}
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err == nil && listens == 0 {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on descriptor %d: %w", fd, err)
	}
	return AddressOf(fd)
}

// AddressOf returns the address that a socket is bound to.
func AddressOf(fd int) (net.Addr, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, fmt.Errorf("getsockname: %w", err)
	}
	switch n := name.(type) {
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: n.Name, Net: "unix"}, nil
	case *unix.SockaddrInet6:
		at := netip.AddrPortFrom(netip.AddrFrom16(n.Addr), uint16(n.Port))
		return net.TCPAddrFromAddrPort(at), nil
	}
	return net.TCPAddrFromAddrPort(addrPort(name, nil)), nil
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
	if fd, bound, err = listenOn(fd, backlog); err != nil {
		return -1, nil, describe("unix", path, err)
	}
	return fd, bound, nil
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
