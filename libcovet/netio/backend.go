package netio

import (
	"fmt"
	"log/slog"
	"unsafe"

	"github.com/covetpy/covetpy/libcovet/epoll"
	"github.com/covetpy/covetpy/libcovet/netio/proactor"
	"github.com/covetpy/covetpy/libcovet/uring"
)

// backend starts operations and reports their completions; uring.Loop and epoll.Loop have the same method set.
//
// Accept, Recv and Poll stay armed until an event lacks proactor.FlagMore; RecvInto receives once. Send and SendVector complete at once (done, with
// the result in sent) or later by an event, and so do SendFile, whose event
// only says that there is room again, with 0, and ReadAt, which reads from a file. Cancel makes an armed operation complete with -ECANCELED.
type backend interface {
	Name() string
	Start() error
	Accept(fd int, token uint64)
	Recv(fd int, token uint64)
	RecvInto(fd int, token uint64, p unsafe.Pointer, n int)
	Send(fd int, token uint64, p unsafe.Pointer, n int) (sent int32, done bool)
	SendVector(fd int, token uint64, segments []proactor.Segment) (sent int32, done bool)
	SendFile(fd int, token uint64, file int, offset int64, n int) (sent int32, done bool)
	ReadAt(fd int, token uint64, p unsafe.Pointer, n int, offset int64) (read int32, done bool)
	Poll(fd int, token uint64)
	Cancel(fd int, token uint64)
	Close(fd int)
	Recycle(ids []uint16)
	Turn(timeout int64, events []proactor.Event) (int, error)
	Shutdown()
}

var (
	_ backend = (*uring.Loop)(nil)
	_ backend = (*epoll.Loop)(nil)
)

// newBackend picks the backend that o asks for; with Auto it tells once why io_uring isn't used.
func newBackend(o *Options, buffers proactor.Buffers) (backend, error) {
	if o.Backend == Epoll {
		return epoll.New(buffers, o.BriefWaits)
	}
	ring, err := newRing(buffers, o.BriefWaits)
	if err == nil {
		return ring, nil
	}
	if o.Backend == IOUring {
		return nil, fmt.Errorf("netio: io_uring is not usable: %w", err)
	}
	o.Log(slog.LevelWarn, fmt.Sprintf("io_uring is not usable, using epoll: %v", err))
	return epoll.New(buffers, o.BriefWaits)
}

func newRing(buffers proactor.Buffers, briefWaits bool) (backend, error) {
	if err := uring.Probe(); err != nil {
		return nil, err
	}
	return uring.New(buffers, briefWaits)
}

// A token names an operation: its kind, and the connection with its generation, or the listener.
//
//	bits 60-63 operation | 32-59 generation | 0-31 index
type operation uint64

const (
	opRecv operation = iota + 1
	opSend
	opAccept
	opDoorbell
	opRead
	opFill
)

const (
	operationShift = 60
	generationMask = 1<<28 - 1
)

func token(op operation, index, generation uint32) uint64 {
	return uint64(op)<<operationShift | uint64(generation)<<32 | uint64(index)
}
