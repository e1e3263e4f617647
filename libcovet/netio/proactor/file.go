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
