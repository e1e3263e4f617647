package netio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fileOf makes a file and returns its path.
func fileOf(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openFile(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// opened counts this process's descriptors of a file.
func opened(t *testing.T, path string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(target, path) {
			count++
		}
	}
	return count
}

// forget has the system drop a file's contents from memory, as far as it likes.
func forget(t *testing.T, path string) {
	t.Helper()
	fd := openFile(t, path)
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Fsync(fd); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

func TestSendFile(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		for _, size := range []int{1, 5000, filePiece - 1, filePiece, filePiece + 1, 3*fileTurn + 17} {
			for _, cold := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d cold=%v", size, cold), func(t *testing.T) { sendFile(t, kind, size, cold) })
			}
		}
	})
}

func sendFile(t *testing.T, kind Kind, size int, cold bool) {
	content := pattern(size)
	path := fileOf(t, content)
	part := content[size/3:]
	s := &script{received: func(c *Conn, p []byte) int {
		c.Commit(append(c.Reserve(5), "head "...))
		c.SendFile(openFile(t, path), int64(size/3), int64(len(part)))
		c.Commit(append(c.Reserve(5), " tail"...))
		c.SendFile(openFile(t, path), 0, 1)
		c.SendFile(openFile(t, path), 0, 0)
		c.CloseAfterFlush()
		return len(p)
	}}
	v := start(t, Options{Backend: kind, BriefWaits: true}, s)
	c := v.dial()
	if cold {
		forget(t, path)
	}
	write(t, c, []byte("go"))
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append(append([]byte("head "), part...), " tail"...), content[0])
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d, or they differ", len(got), len(want))
	}
	v.until("the files to be closed", func() bool { return opened(t, path) == 0 })
}

func TestFilesForManyConnections(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const count, size = 100, 2 << 20
		content := pattern(size)
		path := fileOf(t, content)
		v := start(t, Options{Backend: kind}, &script{received: func(c *Conn, p []byte) int {
			c.SendFile(openFile(t, path), 0, size)
			return len(p)
		}})
		forget(t, path)
		results := make(chan error, count)
		for range count {
			c := v.dial()
			go func() {
				_, _ = c.Write([]byte("go"))
				got := make([]byte, size)
				_, err := io.ReadFull(c, got)
				if err == nil && !bytes.Equal(got, content) {
					err = errors.New("the content differs")
				}
				results <- err
			}()
		}
		for range count {
			if err := wait(t, results, "a client"); err != nil {
				t.Error(err)
			}
		}
		v.until("the files to be closed", func() bool { return opened(t, path) == 0 })
	})
}

func TestAFileIsReadAsThePeerTakesIt(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		const size = 64 << 20
		path := fileOf(t, nil)
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		var conn *Conn
		drained := 0
		s := &script{received: func(c *Conn, p []byte) int {
			conn = c
			c.SendFile(openFile(t, path), 0, size)
			return len(p)
		}, drained: func(*Conn) { drained++ }}
		v := start(t, Options{Backend: kind}, s)
		c := v.dial()
		write(t, c, []byte("go"))
		last := size
		v.until("the socket to be full", func() bool {
			if conn == nil || conn.Buffered() == size || conn.Buffered() != last {
				if conn != nil {
					last = conn.Buffered()
				}
				time.Sleep(20 * time.Millisecond)
				return false
			}
			return true
		})
		v.do(func() {
			if held := conn.head.size; held > filePiece || !conn.AboveHighWater() {
				t.Errorf("%d bytes are held, above the mark: %v", held, conn.AboveHighWater())
			}
		})
		if n, err := io.CopyN(io.Discard, c, size); err != nil || n != size {
			t.Fatal(n, err)
		}
		v.until("the mark to be passed", func() bool { return drained == 1 && !conn.AboveHighWater() })
	})
}

func TestAFileThatEndsTooEarly(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		path := fileOf(t, pattern(100_000))
		v := start(t, Options{Backend: kind}, &script{received: func(c *Conn, p []byte) int {
			c.SendFile(openFile(t, path), 0, 200_000)
			return len(p)
		}})
		c := v.dial()
		write(t, c, []byte("go"))
		got, err := io.ReadAll(c)
		if err == nil || len(got) > 100_000 {
			t.Errorf("got %d bytes and %v, want a reset", len(got), err)
		}
		v.until("the connection and the file to be closed", func() bool { return v.loop.Len() == 0 && opened(t, path) == 0 })
	})
}

func TestAClientLeavesInTheMiddleOfAFile(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		path := fileOf(t, pattern(32<<20))
		v := start(t, Options{Backend: kind}, &script{received: func(c *Conn, p []byte) int {
			c.SendFile(openFile(t, path), 0, 32<<20)
			return len(p)
		}})
		for range 20 {
			c := v.dial()
			forget(t, path)
			write(t, c, []byte("go"))
			_, _ = io.CopyN(io.Discard, c, 100_000)
			_ = c.Close()
		}
		v.until("everything to be closed", func() bool { return v.loop.Len() == 0 && opened(t, path) == 0 })
	})
}

func TestALoopEndsWhileFilesAreSent(t *testing.T) {
	eachBackend(t, func(t *testing.T, kind Kind) {
		path := fileOf(t, pattern(32<<20))
		v := start(t, Options{Backend: kind}, &script{received: func(c *Conn, p []byte) int {
			c.SendFile(openFile(t, path), 0, 32<<20)
			return len(p)
		}})
		for range 5 {
			c := v.dial()
			write(t, c, []byte("go"))
			_, _ = io.CopyN(io.Discard, c, 1000)
			forget(t, path)
		}
		v.stop()
		if n := opened(t, path); n != 0 {
			t.Errorf("%d files are still open", n)
		}
	})
}
