package epoll

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

// disk reads from files whose contents are not in memory, each in a goroutine of its own, as epoll knows no files.
type disk struct {
	mutex sync.Mutex
	open  bool // from the first read to the loop's end
	bell  int  // an eventfd
	done  []proactor.Event
}

// SendFile sends up to n bytes of a file at an offset. If the socket is full it completes later with 0: to be tried again.
func (l *Loop) SendFile(fd int, token uint64, file int, offset int64, n int) (sent int32, done bool) {
	if sent = proactor.SendFileNow(fd, file, offset, n); sent != -int32(unix.EAGAIN) {
		return sent, true
	}
	l.await(fd, token, nil, 0)
	return 0, false
}

// ReadAt reads up to n bytes of file fd at an offset to p, which must stay valid until the completion.
func (l *Loop) ReadAt(fd int, token uint64, p unsafe.Pointer, n int, offset int64) (read int32, done bool) {
	if read, done = proactor.ReadNow(fd, p, n, offset); done {
		return read, true
	}
	if !l.disk.open && !l.openDisk() {
		return -int32(unix.EIO), true
	}
	go l.disk.read(fd, token, unsafe.Slice((*byte)(p), n), offset)
	return 0, false
}

// openDisk makes the descriptor that tells the loop of what was read.
func (l *Loop) openDisk() bool {
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return false
	}
	if err := unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(bell)}); err != nil {
		_ = unix.Close(bell)
		return false
	}
	l.disk.bell, l.disk.open = bell, true
	return true
}

func (d *disk) read(fd int, token uint64, p []byte, offset int64) {
	n, err := unix.Pread(fd, p, offset)
	for err == unix.EINTR {
		n, err = unix.Pread(fd, p, offset)
	}
	if err != nil {
		n = -int(unix.EIO)
		if errno, ok := err.(syscall.Errno); ok {
			n = -int(errno)
		}
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.done = append(d.done, proactor.Event{Token: token, Res: int32(n)})
	if d.open {
		one := [8]byte{1}
		_, _ = unix.Write(d.bell, one[:])
	}
}

// collect takes what was read since the last time.
func (d *disk) collect(events []proactor.Event) []proactor.Event {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	var count [8]byte
	_, _ = unix.Read(d.bell, count[:])
	events = append(events, d.done...)
	d.done = d.done[:0]
	return events
}

// close ends the reading; what still comes is dropped.
func (d *disk) close() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.open {
		_ = unix.Close(d.bell)
	}
	d.open = false
}
