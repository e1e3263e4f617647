// Package bridge is the engine's side of the channel: the shared memory that
// channel.h defines. Only offsets and generation-checked ids travel in it.
package bridge

// #include "channel.h"
import "C"

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ID names an exchange: generation << 32 | index of its slot.
type ID uint64

// Index is the place of the exchange's slot among all slots.
func (id ID) Index() uint32 { return uint32(id) }

// Generation tells the uses of one slot apart; it is never 0.
func (id ID) Generation() uint32 { return uint32(id >> 32) }

const (
	minPool = 1 << 20
	maxPool = 1 << 40
)

// Config sizes a channel.
type Config struct {
	Workers      int
	Loops        int
	SlotsPerLoop int
	InboxCells   int   // requests that wait for one worker: a power of two
	PoolBytes    int64 // bytes over all block classes
}

func (c Config) check() error {
	switch {
	case c.Workers < 1 || c.Workers > C.COVET_MAX_WORKERS:
		return fmt.Errorf("workers must be from 1 to %d, not %d", C.COVET_MAX_WORKERS, c.Workers)
	case c.Loops < 1 || c.Loops > C.COVET_MAX_LOOPS:
		return fmt.Errorf("loops must be from 1 to %d, not %d", C.COVET_MAX_LOOPS, c.Loops)
	case c.SlotsPerLoop < 1 || c.SlotsPerLoop > 1<<20:
		return fmt.Errorf("slots per loop must be from 1 to %d, not %d", 1<<20, c.SlotsPerLoop)
	case c.InboxCells < 2 || c.InboxCells > 1<<20 || c.InboxCells&(c.InboxCells-1) != 0:
		return fmt.Errorf("inbox cells must be a power of two from 2 to %d, not %d", 1<<20, c.InboxCells)
	case c.PoolBytes < minPool:
		return fmt.Errorf("the memory pool must have at least 1 MiB, not %d bytes", c.PoolBytes)
	case c.PoolBytes > maxPool:
		return fmt.Errorf("the memory pool must have at most 1 TiB, not %d bytes", c.PoolBytes)
	}
	return nil
}

// Channel is a mapping of the shared memory with its doorbells. Methods that
// do not say otherwise may be called from any goroutine until Close.
type Channel struct {
	config  Config
	layout  layout // kept here because a worker can overwrite the header
	fd      int
	memory  []byte
	header  *C.covet_header
	workers []int
	loops   []int
	ports   []*Port
	surplus [C.COVET_CLASSES]surplus
	open    []bool // places whose queues are numbered
}

// Create makes the shared memory and the doorbells.
func Create(config Config) (*Channel, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	c := &Channel{config: config, fd: -1}
	if err := c.create(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Channel) create() error {
	fd, err := unix.MemfdCreate("covet-channel", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("memfd: %w", err)
	}
	c.fd = fd
	total := plan(c.config).total
	if err := unix.Ftruncate(fd, int64(total)); err != nil {
		return fmt.Errorf("size the channel to %d bytes: %w", total, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		return fmt.Errorf("seal the channel: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, int(total), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the channel: %w", err)
	}
	c.adopt(memory)
	for range c.config.Workers {
		if err := c.addDoorbell(&c.workers); err != nil {
			return err
		}
	}
	for range c.config.Loops {
		if err := c.addDoorbell(&c.loops); err != nil {
			return err
		}
	}
	return nil
}

// adopt lays the channel out in memory, which holds zeros.
func (c *Channel) adopt(memory []byte) {
	c.memory, c.layout = memory, plan(c.config)
	c.header = (*C.covet_header)(unsafe.Pointer(unsafe.SliceData(memory)))
	c.layout.write(c)
	c.open = make([]bool, c.config.Workers)
	for i := range c.config.Loops {
		c.ports = append(c.ports, newPort(c, i))
	}
}

func (c *Channel) addDoorbell(to *[]int) error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("doorbell: %w", err)
	}
	*to = append(*to, fd)
	return nil
}

// Open makes a worker's place ready to be taken; only the first call for each
// place does something. One goroutine at a time may call it.
func (c *Channel) Open(worker int) {
	if c.header == nil || c.open[worker] {
		return
	}
	c.open[worker] = true
	for _, q := range []queue{c.inboxOf(worker), c.noticesOf(worker)} {
		q.reset()
	}
}

// SetTable says which routes a worker has: it takes requests that wait for
// others with the same. 0 is none.
func (c *Channel) SetTable(worker int, table uint32) {
	if c.header != nil {
		atomic.StoreUint32(half(&c.worker(worker).table), table)
	}
}

// Retire has a worker take nothing of others any more.
func (c *Channel) Retire(worker int) {
	if c.header != nil {
		atomic.CompareAndSwapUint32(half(&c.worker(worker).state), C.COVET_WORKER_READY, C.COVET_WORKER_DRAINING)
	}
}

// FD is the descriptor of the shared memory.
func (c *Channel) FD() int { return c.fd }

// WorkerDoorbell is the eventfd that wakes a worker.
func (c *Channel) WorkerDoorbell(worker int) int { return c.workers[worker] }

// LoopDoorbell is the eventfd that wakes a loop.
func (c *Channel) LoopDoorbell(loop int) int { return c.loops[loop] }

// Port is the engine's side for one loop, for use on that loop's thread.
func (c *Channel) Port(loop int) *Port { return c.ports[loop] }

// The states of an engine that workers can see.
const (
	StateStarting = C.COVET_ENGINE_STARTING
	StateRunning  = C.COVET_ENGINE_RUNNING
	StateDraining = C.COVET_ENGINE_DRAINING
	StateStopped  = C.COVET_ENGINE_STOPPED
)

// SetState tells the workers how the engine is.
func (c *Channel) SetState(state uint32) {
	if c.header == nil {
		return
	}
	atomic.StoreUint32(half(&c.header.engine_state), state)
}

// Ready reports whether a worker has attached and takes requests.
func (c *Channel) Ready(worker int) bool {
	return c.header != nil && atomic.LoadUint32(half(&c.worker(worker).state)) == C.COVET_WORKER_READY
}

// InUse counts the slots and blocks that are not free; none after Close.
func (c *Channel) InUse() (slots, blocks int) {
	if c.header == nil {
		return 0, 0
	}
	for _, p := range c.ports {
		slots += int(p.used.Load())
	}
	for i := range c.header.classes {
		blocks += int(atomic.LoadInt64(signed(&c.header.classes[i].in_use)))
	}
	return slots, blocks
}

// Close unmaps the memory and closes the descriptors. The loops must have
// ended, for what a port handed out is gone; the ports themselves then find
// nothing and take nothing. Workers that are still attached keep their own
// mapping and descriptors. A second call does nothing.
func (c *Channel) Close() error {
	var errs []error
	for _, p := range c.ports {
		p.close()
	}
	if c.memory != nil {
		errs = append(errs, unix.Munmap(c.memory))
		c.memory, c.header, c.layout = nil, nil, layout{}
	}
	fds := append(append([]int{}, c.workers...), c.loops...)
	if c.fd >= 0 {
		fds = append(fds, c.fd)
	}
	for _, fd := range fds {
		errs = append(errs, unix.Close(fd))
	}
	c.workers, c.loops, c.fd = nil, nil, -1
	return errors.Join(errs...)
}
