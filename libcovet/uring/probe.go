package uring

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const (
	probeBuffers    = 2
	probeBufferSize = 64
	probeTurns      = 8
	probeWait       = int64(200 * time.Millisecond)
)

// Probe tries every operation that a server needs on a small ring, over a socket pair and a loopback listener. The error
// says which of them the kernel, or a seccomp filter, refuses.
func Probe() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	memory, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("mapping probe memory: %w", err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	l, err := New(proactor.Buffers{
		Base: unsafe.Pointer(&memory[0]), Count: probeBuffers, Size: probeBufferSize, Stride: probeBufferSize,
	}, false)
	if err != nil {
		return err
	}
	defer l.Shutdown()
	if err := l.Start(); err != nil {
		return err
	}
	return errors.Join(probeTransfer(l, memory), probeAccept(l))
}

// probeTransfer sends through one end of a socket pair and receives at the other with a multishot receive.
func probeTransfer(l *Loop, memory []byte) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	defer func() { _ = unix.Close(pair[0]); _ = unix.Close(pair[1]) }()
	const recv, send = 1, 2
	l.Recv(pair[0], recv)
	l.Send(pair[1], send, unsafe.Pointer(&memory[len(memory)-1]), 1)
	e, err := l.await(recv)
	if err != nil {
		return fmt.Errorf("multishot receive: %w", err)
	}
	if _, ok := e.Buffer(); !ok || !e.More() || e.Res != 1 {
		return fmt.Errorf("multishot receive gave result %d, flags %#x", e.Res, e.Flags)
	}
	l.Cancel(pair[0], recv)
	if _, err := l.await(recv); !errors.Is(err, unix.ECANCELED) {
		return fmt.Errorf("cancelling a receive: got %v", err)
	}
	return nil
}

// probeAccept connects to a unix listener with an automatic abstract name.
func probeAccept(l *Loop) error {
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(listener) }()
	client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(client) }()
	const accept = 3
	if err := unix.Bind(listener, &unix.SockaddrUnix{}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(listener, 1); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	name, err := unix.Getsockname(listener)
	if err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}
	if err := unix.Connect(client, name); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	l.Accept(listener, accept)
	e, err := l.await(accept)
	if err != nil {
		return fmt.Errorf("multishot accept: %w", err)
	}
	_ = unix.Close(int(e.Res))
	if !e.More() {
		return errors.New("accept is not multishot")
	}
	l.Cancel(listener, accept)
	if _, err := l.await(accept); !errors.Is(err, unix.ECANCELED) {
		return fmt.Errorf("cancelling an accept: got %v", err)
	}
	return nil
}

// await turns the loop until the operation with token completes; a negative result is the error.
func (l *Loop) await(token uint64) (proactor.Event, error) {
	var events [8]proactor.Event
	for range probeTurns {
		count, err := l.Turn(probeWait, events[:])
		if err != nil {
			return proactor.Event{}, err
		}
		for _, e := range events[:count] {
			if e.Token == token && e.Res < 0 {
				return e, unix.Errno(-e.Res)
			}
			if e.Token == token {
				return e, nil
			}
		}
	}
	return proactor.Event{}, errors.New("no completion")
}
