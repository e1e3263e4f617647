package proactor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReadNow reads up to n bytes of a file at an offset if that takes no waiting for a disk; done says whether it did. A failure
// is -errno. p must lie outside of the Go heap.
func ReadNow(fd int, p unsafe.Pointer, n int, offset int64) (read int32, done bool) {
	segment := Segment{Base: p, Len: uint64(n)}
	for {
		got, _, errno := syscall.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&segment)), 1,
			uintptr(offset), uintptr(offset>>32), unix.RWF_NOWAIT)
		switch errno {
		case 0:
			return int32(got), true
		case unix.EINTR:
		case unix.EAGAIN, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL: // not in memory, or nobody knows
			return 0, false
		default:
			return -int32(errno), true
		}
	}
}

const probed = 64 << 10 // bytes of a file whose last one stands for them

// AtHand returns how many bytes of a file, from an offset on and up to n, can be taken without waiting for a disk: it
// looks at one byte in 64 KiB, as the system reads files into memory in long runs.
func AtHand(fd int, offset int64, n int) int {
	if !isAtHand(fd, offset) {
		return 0
	}
	for at := 0; at < n; at += probed {
		if end := min(at+probed, n); !isAtHand(fd, offset+int64(end)-1) {
			return at
		}
	}
	return n
}

// isAtHand looks at one byte; one beyond the file's end is at hand.
func isAtHand(fd int, offset int64) bool {
	var one byte
	_, done := ReadNow(fd, unsafe.Pointer(&one), 1, offset)
	return done
}

// SendFileNow sends up to n bytes of a file at an offset to a socket as far as there is room, without copying them. It
// returns -EAGAIN if there is none, and other failures as -errno.
func SendFileNow(socket, file int, offset int64, n int) int32 {
	// For this call alone, as io_uring fails on non-blocking sockets where it should wait.
	flags, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(socket), unix.F_GETFL, 0)
	if errno != 0 {
		return -int32(errno)
	}
	if flags&unix.O_NONBLOCK == 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(socket), unix.F_SETFL, flags|unix.O_NONBLOCK)
		defer func() { _, _, _ = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(socket), unix.F_SETFL, flags) }()
	}
	for {
		sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDFILE, uintptr(socket), uintptr(file),
			uintptr(unsafe.Pointer(&offset)), uintptr(n), 0, 0)
		if errno == 0 {
			return int32(sent)
		}
		if errno != unix.EINTR {
			return -int32(errno)
		}
	}
}
