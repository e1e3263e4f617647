package uring

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/pawelgaczynski/giouring"

	"github.com/covetpy/covetpy/libcovet/netio/proactor"
)

const (
	sqeSize = unsafe.Sizeof(giouring.SubmissionQueueEntry{})
	cqeSize = unsafe.Sizeof(giouring.CompletionQueueEvent{})
)

// setupParams is the kernel's struct io_uring_params: giouring.Params has the same layout but keeps its fields to itself.
type setupParams struct {
	sqEntries, cqEntries, flags, threadCPU, threadIdle, features, wqFd uint32
	_                                                                  [3]uint32
	_                                                                  [80]byte
}

// ring is one io_uring instance; its queues are read and written directly, which spares a call per entry.
type ring struct {
	owner    *giouring.Ring
	features uint32
	flags    uint32

	sqHead, sqTail *uint32
	sqMask         uint32
	sqEntries      uint32
	sqes           unsafe.Pointer
	tail           uint32 // entries prepared; published to sqTail when they are submitted

	cqHead, cqTail *uint32
	cqMask         uint32
	cqes           unsafe.Pointer
}

// preferredFlags are tried from the best to the least; kernels before 6.1 refuse the first set.
func preferredFlags() []uint32 {
	common := giouring.SetupCQSize | giouring.SetupClamp | giouring.SetupRDisabled
	return []uint32{
		common | giouring.SetupSubmitAll | giouring.SetupCoopTaskrun | giouring.SetupSingleIssuer | giouring.SetupDeferTaskrun,
		common | giouring.SetupSubmitAll | giouring.SetupCoopTaskrun,
		common,
	}
}

// newRing creates a disabled ring: the thread that enables it becomes its only submitter.
func newRing(sqEntries, cqEntries uint32) (*ring, error) {
	var refused error
	for _, flags := range preferredFlags() {
		owner := giouring.NewRing()
		params := setupParams{flags: flags, cqEntries: cqEntries}
		err := owner.QueueInitParams(sqEntries, (*giouring.Params)(unsafe.Pointer(&params)))
		if err != nil {
			refused = fmt.Errorf("io_uring_setup: %w", err)
			continue
		}
		r := &ring{owner: owner, features: params.features, flags: flags}
		if err := r.mapQueues(); err != nil {
			owner.QueueExit()
			return nil, err
		}
		return r, nil
	}
	return nil, refused
}

// mapQueues finds the queues in giouring's unexported fields, once, and by name so that another layout is an error.
func (r *ring) mapQueues() error {
	fields := reflect.ValueOf(r.owner).Elem()
	sq, cq := fields.FieldByName("sqRing"), fields.FieldByName("cqRing")
	if !sq.IsValid() || !cq.IsValid() {
		return errors.New("giouring's ring has another layout than expected")
	}
	var err error
	find := func(queue reflect.Value, name string) unsafe.Pointer {
		field := queue.Elem().FieldByName(name)
		if !field.IsValid() || field.Kind() != reflect.Pointer || field.IsNil() {
			err = fmt.Errorf("giouring's ring has no field %q", name)
			return unsafe.Pointer(new(uint32))
		}
		return field.UnsafePointer()
	}
	r.sqHead, r.sqTail = (*uint32)(find(sq, "head")), (*uint32)(find(sq, "tail"))
	r.sqMask, r.sqEntries = *(*uint32)(find(sq, "ringMask")), *(*uint32)(find(sq, "ringEntries"))
	r.sqes = find(sq, "sqes")
	r.cqHead, r.cqTail = (*uint32)(find(cq, "head")), (*uint32)(find(cq, "tail"))
	r.cqMask = *(*uint32)(find(cq, "ringMask"))
	r.cqes = find(cq, "cqes")
	r.tail = *r.sqTail
	return err
}

func (r *ring) close() { r.owner.QueueExit() }

// full reports whether every submission entry is taken.
func (r *ring) full() bool { return r.tail-atomic.LoadUint32(r.sqHead) >= r.sqEntries }

// slot returns the next submission entry, cleared, and its place in the ring; the ring must not be full. giouring's Prepare
// functions leave fields of the entry's last use behind, for which the kernel refuses a close, silently.
func (r *ring) slot() (*giouring.SubmissionQueueEntry, uint32) {
	index := r.tail & r.sqMask
	r.tail++
	e := (*giouring.SubmissionQueueEntry)(unsafe.Add(r.sqes, uintptr(index)*sqeSize))
	*e = giouring.SubmissionQueueEntry{}
	return e, index
}

// publish makes the prepared entries visible to the kernel and returns how many it has not taken yet.
func (r *ring) publish() uint32 {
	atomic.StoreUint32(r.sqTail, r.tail)
	return r.tail - atomic.LoadUint32(r.sqHead)
}

// ready returns the number of completions that wait to be reaped.
func (r *ring) ready() uint32 { return atomic.LoadUint32(r.cqTail) - *r.cqHead }

// reap moves completions into events and returns how many.
func (r *ring) reap(events []proactor.Event) int {
	head := *r.cqHead
	count := int(min(atomic.LoadUint32(r.cqTail)-head, uint32(len(events))))
	if count == 0 {
		return 0
	}
	queue := unsafe.Slice((*proactor.Event)(r.cqes), int(r.cqMask)+1)
	done := copy(events[:count], queue[head&r.cqMask:])
	copy(events[done:count], queue)
	atomic.StoreUint32(r.cqHead, head+uint32(count))
	return count
}
