package bridge

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const sanitizers = "-fsanitize=address,undefined -fno-sanitize-recover=all -g -O1"

// buildWorker compiles the worker that has no Python in it.
func buildWorker(t testing.TB, flags string) string {
	t.Helper()
	// go test takes an old result for new C unless it sees the test read it.
	for _, file := range []string{
		"channel.h", "../pybind/port.h", "../pybind/port.c", "../pybind/stress/pattern.h", "../pybind/stress/worker_stress.c",
	} {
		if _, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		if compiler, err = exec.LookPath("clang"); err != nil {
			t.Skip("SKIPPED: no gcc and no clang, so the worker's side of the channel is NOT tested")
		}
	}
	binary := filepath.Join(t.TempDir(), "worker_stress")
	args := append(strings.Fields("-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Werror "+flags),
		"-I.", "-I../pybind", "-o", binary, "../pybind/stress/worker_stress.c", "../pybind/port.c")
	if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, out)
	}
	return binary
}

// worker is a worker process.
type worker struct {
	cmd   *exec.Cmd
	out   strings.Builder
	ended chan struct{}
	err   error // once ended
}

// startWorker starts one on the channel. stop is set when it ends.
func startWorker(t testing.TB, c *Channel, binary string, number int, seed uint64, mode string, stop *atomic.Bool) *worker {
	t.Helper()
	fds := append([]int{c.FD(), c.WorkerDoorbell(number)}, c.loops...)
	w := &worker{ended: make(chan struct{})}
	w.cmd = exec.Command(binary, strconv.Itoa(number), strconv.Itoa(len(c.loops)), strconv.FormatUint(seed, 10), mode)
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.out
	for _, fd := range fds {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(own), "inherited")
		defer file.Close()
		w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, file)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		w.err = w.cmd.Wait()
		stop.Store(true)
		close(w.ended)
	}()
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		<-w.ended
	})
	return w
}

// dismiss tells the workers to end and waits for them.
func dismiss(t testing.TB, c *Channel, workers []*worker) {
	t.Helper()
	c.SetState(StateStopped)
	for i, w := range workers {
		if t.Failed() { // it may hold exchanges for ever
			_ = w.cmd.Process.Kill()
			continue
		}
		ring(t, c.WorkerDoorbell(i))
		select {
		case <-w.ended:
			if w.err != nil {
				t.Errorf("worker %d: %v\n%s", i, w.err, w.out.String())
			}
		case <-time.After(time.Minute):
			t.Errorf("worker %d does not end", i)
		}
	}
}

func ring(t testing.TB, doorbell int) {
	t.Helper()
	if _, err := unix.Write(doorbell, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
}

func newChannel(t testing.TB, config Config) *Channel {
	t.Helper()
	c, err := Create(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	openAll(c)
	return c
}

// TestStress passes exchanges of random shape between Go loops and worker
// processes under the sanitizers, and checks every byte on both sides.
func TestStress(t *testing.T) {
	total := 2_000_000
	if testing.Short() {
		total = 60_000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	binary := buildWorker(t, sanitizers)
	for _, form := range []struct {
		loops, workers, slots, inbox int
		pool                         int64
		share                        int
	}{
		{loops: 1, workers: 1, slots: 256, inbox: 512, pool: 64 << 20, share: 40},
		{loops: 2, workers: 2, slots: 128, inbox: 64, pool: 64 << 20, share: 40},
		{loops: 2, workers: 1, slots: 8, inbox: 4, pool: 32 << 20, share: 22},
	} {
		name := fmt.Sprintf("%d loops %d workers %d slots", form.loops, form.workers, form.slots)
		t.Run(name, func(t *testing.T) {
			c := newChannel(t, Config{
				Workers: form.workers, Loops: form.loops, SlotsPerLoop: form.slots,
				InboxCells: form.inbox, PoolBytes: form.pool,
			})
			stress(t, c, binary, seed, total*form.share/100/form.loops)
		})
	}
}

func stress(t *testing.T, c *Channel, binary string, seed uint64, perLoop int) {
	var workers []*worker
	var stop atomic.Bool
	for i := range c.config.Workers {
		c.SetTable(i, 1) // they take each other's
		workers = append(workers, startWorker(t, c, binary, i, seed, "check", &stop))
	}
	defer within(8*time.Minute, &stop)()
	ended := make(chan error, len(c.ports))
	start := time.Now()
	var drivers []*driver
	for _, p := range c.ports {
		d := newDriver(p, seed, perLoop, c.config.SlotsPerLoop, &stop)
		drivers = append(drivers, d)
		go func() { ended <- d.run() }()
	}
	for range drivers {
		if err := <-ended; err != nil {
			stop.Store(true)
			t.Error(err)
		}
	}
	var bytes int64
	for _, d := range drivers {
		bytes += d.bytes
	}
	if stop.Load() {
		t.Error("stopped before the end")
	}
	took := time.Since(start).Seconds()
	n := float64(perLoop * len(drivers))
	t.Logf("%.0f exchanges, %.0f MB in %.1f s: %.0f a second", n, float64(bytes)/1e6, took, n/took)
	dismiss(t, c, workers)
	for i, w := range workers {
		t.Logf("worker %d %s", i, strings.TrimSpace(w.out.String()))
		if len(workers) > 1 && strings.TrimSpace(w.out.String()) == "stole 0" {
			t.Errorf("worker %d took nothing from the other", i)
		}
	}
	if slots, blocks := c.InUse(); slots != 0 || blocks != 0 {
		t.Errorf("%d slots and %d blocks are still in use", slots, blocks)
	}
}
