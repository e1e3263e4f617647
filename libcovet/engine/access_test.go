package engine

import (
	"slices"
	"strings"
	"testing"
)

func TestAccessLogOfWhatTheEngineAnswers(t *testing.T) {
	for _, uring := range []bool{false, true} {
		r := serve(t, func(c *Config) { c.EnableIOUring, c.MaxBodyBytes = uring, 10 })
		c := r.dial(t)
		var want []string
		for _, step := range []struct{ method, line, field, want string }{
			{"GET", "GET /ping", "", "200 4"},
			{"HEAD", "HEAD /ping", "", "200 0"},
			{"GET", "GET /large?a=%22", "", "200 1048576"},
			{"GET", "GET /ping/", "", "307 0"},
			{"GET", "GET /none", "", "404 22"},
			{"DELETE", "DELETE /ping", "", "405 31"},
			{"OPTIONS", "OPTIONS *", "", "204 0"},
			{"POST", "POST /ping", "Content-Length: 11", "413 35"},
		} {
			if step.field == "" {
				step.field = "X: y"
			}
			c.send(request(step.line, step.field))
			c.answer(step.method)
			want = append(want, `127.0.0.1 "`+step.line+` HTTP/1.1" `+step.want)
		}
		c.ended()
		if got := r.log.wait(t, len(want)); !slices.Equal(got, want) {
			t.Errorf("io_uring %v\ngot  %s\nwant %s", uring, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

func TestNoAccessLogWithoutHeads(t *testing.T) {
	r := serve(t)
	c := r.dial(t)
	c.send("GET / HTTP/1.1\r\nBad Name: x\r\n\r\n")
	c.answer("GET")
	c = r.dial(t)
	c.send(request("GET /ping"))
	c.answer("GET")
	if got := r.log.wait(t, 1); len(got) != 1 || !strings.Contains(got[0], "/ping") {
		t.Errorf("got %q", got)
	}
}

func TestAccessLogOfAPipeline(t *testing.T) {
	r := serve(t)
	c := r.dial(t)
	c.send(strings.Repeat(request("GET /ping"), 100))
	for range 100 {
		c.answer("GET")
	}
	if got := r.log.wait(t, 100); len(got) != 100 {
		t.Errorf("%d lines", len(got))
	}
}

// blockedReader takes nothing.
type blockedReader struct{ free chan struct{} }

func (b *blockedReader) Write(p []byte) (int, error) {
	<-b.free
	return len(p), nil
}

func TestABlockedAccessLogBlocksNobody(t *testing.T) {
	blocked := &blockedReader{make(chan struct{})}
	r := serve(t, func(c *Config) { c.accessTo = blocked })
	t.Cleanup(func() { close(blocked.free) }) // before the engine is freed
	c := r.dial(t)
	long := request("GET /ping?" + strings.Repeat("x", 30000))
	for range 2 * accessLimit / len(long) {
		c.send(long)
		c.answer("GET")
	}
	r.access.mu.Lock()
	defer r.access.mu.Unlock()
	if r.access.dropped == 0 || len(r.access.waiting) > accessLimit {
		t.Errorf("%d lines were left out, %d bytes wait", r.access.dropped, len(r.access.waiting))
	}
}

func TestLeftOutLinesAreCounted(t *testing.T) {
	log := new(lines)
	w := newAccessWriter(log)
	w.put([]byte(strings.Repeat("x", accessLimit) + "\nline\n"))
	w.put([]byte("last\n"))
	w.close()
	got := log.all()
	slices.Sort(got) // the writer may have been there in between
	if want := []string{"WARNING:  access log: 2 lines were left out", "last"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestBadFormatsAreFoundWhenTheConfigurationIsRead(t *testing.T) {
	_, err := ParseConfig([]byte(`{"listeners": [{"network": "tcp", "address": ":0"}], "access_log_format": "%(x)s"}`))
	if err == nil || !strings.Contains(err.Error(), "access_log_format: unknown atom %(x)s") {
		t.Errorf("got %v", err)
	}
}
