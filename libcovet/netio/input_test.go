package netio

import (
	"bytes"
	"io"
	"testing"
)

// A handler that takes whole lines only, one per call.
func TestUnconsumedInputIsOfferedAgain(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		var lines []string
		v := start(t, Options{Backend: kind, BufferSize: 64}, &script{received: func(c *Conn, p []byte) int {
			end := bytes.IndexByte(p, '\n')
			if end < 0 {
				return 0
			}
			lines = append(lines, string(p[:end]))
			if end+1 < len(p) {
				c.ResumeRead()
			}
			return end + 1
		}})
		c := v.dial()
		long := bytes.Repeat([]byte("long"), 20_000)
		for _, part := range []string{"on", "e\ntwo\nthr", "ee\n\n", string(long), "\nlast\nrest"} {
			write(t, c, []byte(part))
		}
		want := []string{"one", "two", "three", "", string(long), "last"}
		v.until("all lines", func() bool { return len(lines) == len(want) })
		v.do(func() {
			for i := range want {
				if lines[i] != want[i] {
					t.Errorf("line %d is %.20q, want %.20q", i, lines[i], want[i])
				}
			}
			v.loop.Each(func(c *Conn) {
				if c.Kept() != len("rest") {
					t.Errorf("%d bytes are kept", c.Kept())
				}
			})
		})
	})
}

func TestPauseAndResume(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		var conn *Conn
		var got bytes.Buffer
		calls := 0
		v := start(t, Options{Backend: kind, BufferSize: 4096, Buffers: 8}, &script{
			opened: func(c *Conn) { conn = c },
			received: func(c *Conn, p []byte) int {
				calls++
				got.Write(p)
				c.PauseRead()
				return len(p)
			},
		})
		message := pattern(8 << 20)
		c := v.dial()
		go func() { _, _ = c.Write(message) }()
		v.until("the first input", func() bool { return calls == 1 })
		v.until("the receive to end", func() bool { return !conn.receiving })
		v.do(func() {
			if calls != 1 {
				t.Errorf("%d calls while paused", calls-1)
			}
			if most := 8 * 4096 * 2; conn.Kept() > most {
				t.Errorf("%d bytes are kept while paused", conn.Kept())
			}
		})
		v.until("all input", func() bool { conn.ResumeRead(); return got.Len() == len(message) })
		v.do(func() {
			if !bytes.Equal(got.Bytes(), message) {
				t.Error("the input differs from what was sent")
			}
		})
	})
}

func TestEndIsToldAfterKeptInput(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		var conn *Conn
		var order []string
		s := &script{opened: func(c *Conn) { conn = c; c.PauseRead() }}
		s.received = func(_ *Conn, p []byte) int { order = append(order, string(p)); return len(p) }
		s.ended = func(c *Conn) { order = append(order, "end"); c.CloseAfterFlush() }
		v := start(t, Options{Backend: kind}, s)
		c := v.dial()
		write(t, c, []byte("bytes"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		v.until("the connection", func() bool { return conn != nil })
		v.do(func() { conn.ResumeRead() })
		v.until("the end", func() bool { return s.closes == 1 })
		v.do(func() {
			if len(order) != 2 || order[0] != "bytes" || order[1] != "end" {
				t.Errorf("the handler saw %q", order)
			}
		})
	})
}

func TestReadingPausesWhenTooMuchIsKept(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const limit = 100_000
		var conn *Conn
		var got bytes.Buffer
		consume := false
		v := start(t, Options{Backend: kind, MaxInput: limit, BufferSize: 4096, Buffers: 8}, &script{
			opened: func(c *Conn) { conn = c },
			received: func(_ *Conn, p []byte) int {
				if !consume {
					return 0
				}
				got.Write(p)
				return len(p)
			},
		})
		message := pattern(8 << 20)
		c := v.dial()
		go func() { _, _ = c.Write(message) }()
		v.until("the pause", func() bool { return conn != nil && conn.ReadPaused() && !conn.receiving })
		v.do(func() {
			if kept := conn.Kept(); kept < limit || kept > limit+2*8*4096 {
				t.Errorf("%d bytes are kept, the limit is %d", kept, limit)
			}
			consume = true
			conn.ResumeRead()
		})
		v.until("all input", func() bool { return got.Len() == len(message) })
		v.do(func() {
			if !bytes.Equal(got.Bytes(), message) {
				t.Error("the input differs from what was sent")
			}
		})
	})
}

func TestHalfCloseLeavesOutputOpen(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		message := pattern(2 << 20)
		s := &script{ended: func(c *Conn) {
			c.Commit(append(c.Reserve(len(message)), message...))
			c.CloseAfterFlush()
		}}
		v := start(t, Options{Backend: kind}, s)
		c := v.dial()
		write(t, c, []byte("request"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, message) {
			t.Error("the output differs from what was written")
		}
		v.until("the close", func() bool { return s.closes == 1 && v.loop.Len() == 0 })
	})
}
