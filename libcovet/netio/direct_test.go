package netio

import (
	"bytes"
	"testing"
)

// rooms gives rooms of one piece of memory and notes what became of each.
type rooms struct {
	memory []byte
	given  uint64
	back   map[uint64]int // token -> times it was filled or released
}

func newRooms(t *testing.T, size int) *rooms {
	return &rooms{memory: lent(t, make([]byte, size)), back: map[uint64]int{}}
}

func (r *rooms) next(most int) ([]byte, uint64) {
	r.given++
	return r.memory[:min(most, len(r.memory))], r.given
}

func (r *rooms) check(t *testing.T) {
	t.Helper()
	for token := uint64(1); token <= r.given; token++ {
		if r.back[token] != 1 {
			t.Errorf("room %d came back %d times", token, r.back[token])
		}
	}
}

func TestReceiveDirectly(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const last = 1000 // bytes for which there is no room
		message := pattern(8 << 20)
		r := newRooms(t, 60_000)
		var conn *Conn
		var got bytes.Buffer
		asked, direct, paused := 0, 0, 0
		v := start(t, Options{Backend: kind, BufferSize: 4096, Buffers: 8}, &script{
			received: func(c *Conn, p []byte) int {
				conn = c
				c.ReceiveDirectly()
				got.Write(p)
				return len(p)
			},
			room: func(c *Conn) ([]byte, uint64) {
				left := len(message) - last - got.Len()
				if asked++; left > 0 && asked%16 == 0 {
					paused++
					c.PauseRead()
					return nil, 0
				}
				if left <= 0 {
					return nil, 0
				}
				return r.next(left)
			},
			filled: func(_ *Conn, token uint64, n int) {
				r.back[token]++
				direct += n
				got.Write(r.memory[:n])
			},
			released: func(token uint64) { r.back[token]++ },
		})
		c := v.dial()
		go func() { _, _ = c.Write(message) }()
		v.until("all input", func() bool {
			if conn != nil && conn.paused {
				conn.ResumeRead()
			}
			return got.Len() == len(message)
		})
		write(t, c, []byte("more"))
		v.until("input in the ordinary way", func() bool { return got.Len() == len(message)+len("more") })
		v.do(func() {
			if !bytes.Equal(got.Bytes(), append(message, "more"...)) {
				t.Error("the input differs from what was sent")
			}
			if direct < len(message)/2 || paused == 0 {
				t.Errorf("%d bytes came directly, %d pauses", direct, paused)
			}
			r.check(t)
		})
	})
}

func TestRoomComesBackFromConnectionsThatEnd(t *testing.T) {
	ends := map[string]func(v *server, c *Conn, peer interface{ Close() error }){
		"aborted": func(_ *server, c *Conn, _ interface{ Close() error }) { c.Abort() },
		"closed":  func(_ *server, _ *Conn, peer interface{ Close() error }) { _ = peer.Close() },
		"flushed": func(_ *server, c *Conn, peer interface{ Close() error }) { c.CloseAfterFlush(); _ = peer.Close() },
		"stopped": func(v *server, _ *Conn, _ interface{ Close() error }) { v.loop.Stop() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, kind Kind) {
				r := newRooms(t, 60_000)
				var conn *Conn
				s := &script{
					received: func(c *Conn, p []byte) int { conn = c; c.ReceiveDirectly(); return len(p) },
					room:     func(*Conn) ([]byte, uint64) { return r.next(60_000) },
					filled:   func(_ *Conn, token uint64, _ int) { r.back[token]++ },
					released: func(token uint64) { r.back[token]++ },
				}
				v := start(t, Options{Backend: kind}, s)
				peer := v.dial()
				write(t, peer, []byte("begin"))
				v.until("the receive", func() bool { return conn != nil && conn.filling })
				v.do(func() { end(v, conn, peer) })
				if name == "stopped" {
					v.stop()
				} else {
					v.until("the end", func() bool { return s.closes == 1 && v.loop.Len() == 0 && len(r.back) > 0 })
				}
				r.check(t)
			})
		})
	}
}

func TestWhatIsUnreadIsOfferedAgain(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		message := pattern(1 << 20)
		r := newRooms(t, 60_000)
		var got bytes.Buffer
		unread := 0
		v := start(t, Options{Backend: kind}, &script{
			received: func(c *Conn, p []byte) int {
				c.ReceiveDirectly()
				got.Write(p)
				return len(p)
			},
			room: func(*Conn) ([]byte, uint64) { return r.next(60_000) },
			filled: func(c *Conn, token uint64, n int) {
				r.back[token]++
				rest := r.memory[n/2 : n]
				got.Write(r.memory[:n/2])
				c.Unread(rest)
				unread += len(rest)
				clear(rest) // its memory is somebody else's by now
			},
			released: func(token uint64) { r.back[token]++ },
		})
		c := v.dial()
		go func() { _, _ = c.Write(message) }()
		v.until("all input", func() bool { return got.Len() == len(message) })
		v.do(func() {
			if !bytes.Equal(got.Bytes(), message) {
				t.Error("the input differs from what was sent")
			}
			if unread == 0 {
				t.Error("nothing was unread")
			}
		})
	})
}
