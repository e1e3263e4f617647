package coding

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// decoder reads what a coding has written.
func decoder(t *testing.T, name string, from io.Reader) io.Reader {
	t.Helper()
	switch name {
	case "gzip":
		r, err := gzip.NewReader(from)
		if err != nil {
			t.Fatal(err)
		}
		return r
	case "br":
		return brotli.NewReader(from)
	}
	r, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

var names = []string{"gzip", "br", "zstd"}

func TestBodiesComeBack(t *testing.T) {
	for _, name := range names {
		for _, level := range []int{1, 22} {
			c, err := New(name, level)
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range []string{"", "short", strings.Repeat("long ", 100_000)} {
				e := c.Encoder()
				got, err := io.ReadAll(decoder(t, name, bytes.NewReader(bytes.Clone(e.End([]byte(body))))))
				if err != nil || string(got) != body {
					t.Errorf("%s: %d bytes became %d: %v", name, len(body), len(got), err)
				}
				e.Release()
			}
		}
	}
}

func TestPiecesCanBeReadAtOnce(t *testing.T) {
	for _, name := range names {
		c, err := New(name, 3)
		if err != nil {
			t.Fatal(err)
		}
		e := c.Encoder()
		defer e.Release()
		from, to := io.Pipe()
		read := make(chan string)
		go func() {
			r := decoder(t, name, from)
			for {
				p := make([]byte, 64)
				n, err := r.Read(p)
				read <- string(p[:n])
				if err != nil {
					close(read)
					return
				}
			}
		}()
		for _, piece := range []string{"first", "second"} {
			if _, err := to.Write(bytes.Clone(e.Piece([]byte(piece)))); err != nil {
				t.Fatal(err)
			}
			got := ""
			for got != piece {
				got += <-read
			}
		}
		go func() {
			_, _ = to.Write(bytes.Clone(e.End(nil)))
			_ = to.Close()
		}()
		for rest := range read {
			if rest != "" {
				t.Errorf("%s: %q after the end", name, rest)
			}
		}
	}
}

func TestUnknownCodings(t *testing.T) {
	if _, err := New("lzw", 1); err == nil || err.Error() != `there is no coding "lzw"` {
		t.Errorf("got %v", err)
	}
	if _, err := New("gzip", -50); err == nil {
		t.Error("a level that is none was taken")
	}
}
