// Command pong answers every HTTP request head on one loop with a constant: the upper limit of what netio allows.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"runtime/pprof"
	"time"

	"github.com/covetpy/covetpy/libcovet/netio"
)

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\npong"

type handler struct {
	loop *netio.Loop
	end  time.Time
}

func (h *handler) Opened(c *netio.Conn) { c.SetDeadline(h.loop.Now() + int64(5*time.Second)) }

func (h *handler) Received(c *netio.Conn, p []byte) (consumed int) {
	c.SetDeadline(h.loop.Now() + int64(5*time.Second))
	for {
		end := bytes.Index(p[consumed:], []byte("\r\n\r\n"))
		if end < 0 {
			return consumed
		}
		consumed += end + 4
		c.Commit(append(c.Reserve(len(answer)), answer...))
	}
}

func (h *handler) Room(*netio.Conn) ([]byte, uint64) { return nil, 0 }
func (h *handler) Filled(*netio.Conn, uint64, int)   {}
func (h *handler) Ended(c *netio.Conn)               { c.CloseAfterFlush() }
func (h *handler) Drained(*netio.Conn)               {}
func (h *handler) Released(uint64)                   {}
func (h *handler) Expired(c *netio.Conn)             { c.Abort() }
func (h *handler) Closed(*netio.Conn)                {}
func (h *handler) Awake(int64)                       {}
func (h *handler) Work() bool                        { return false }

func (h *handler) Sleep() bool {
	if !h.end.IsZero() && time.Now().After(h.end) {
		h.loop.Stop()
	}
	return true
}

func main() {
	address := flag.String("address", "127.0.0.1:8070", "where to listen")
	epoll := flag.Bool("epoll", false, "use epoll")
	cpu := flag.Int("cpu", -1, "processor to pin the loop to")
	profile := flag.String("profile", "", "file for a CPU profile of the first seconds")
	seconds := flag.Int("seconds", 0, "stop at the first event after so many seconds")
	buffers := flag.Int("buffers", 0, "receive buffers")
	size := flag.Int("size", 0, "bytes of a receive buffer")
	brief := flag.Bool("brief", true, "hide brief waits from the scheduler")
	flag.Parse()
	if err := run(*address, *epoll, *cpu, *profile, *seconds, *buffers, *size, *brief); err != nil {
		log.Fatal(err)
	}
}

func run(address string, epoll bool, cpu int, profile string, seconds, buffers, size int, brief bool) error {
	fd, bound, err := netio.Listen("tcp", address, 2048, false)
	if err != nil {
		return err
	}
	o := netio.Options{CPU: cpu, BriefWaits: brief, Buffers: buffers, BufferSize: size, Log: func(_ slog.Level, m string) { log.Print(m) }}
	if epoll {
		o.Backend = netio.Epoll
	}
	h := &handler{}
	if seconds > 0 {
		h.end = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	if h.loop, err = netio.NewLoop(o, h); err != nil {
		return err
	}
	if profile != "" {
		out, err := os.Create(profile)
		if err != nil {
			return fmt.Errorf("creating the profile: %w", err)
		}
		if err := pprof.StartCPUProfile(out); err != nil {
			return fmt.Errorf("starting the profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	h.loop.AddListener(fd, 0)
	log.Printf("%s on %s, process %d", h.loop.BackendName(), bound, os.Getpid())
	return h.loop.Run()
}
