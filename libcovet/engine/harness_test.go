package engine

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// waitLimit is how long something may take that happens at once.
const waitLimit = 10 * time.Second

// lines is a log that tests wait on.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSuffix(l.text.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// wait returns the first n lines.
func (l *lines) wait(t testing.TB, n int) []string {
	t.Helper()
	eventually(t, fmt.Sprintf("%d lines", n), func() bool { return len(l.all()) >= n })
	return l.all()
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(waitLimit); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, waitLimit)
		}
	}
}

// rig is an engine that serves on real sockets.
type rig struct {
	*Engine
	log  *lines
	over bool
}

// newConfig has one TCP listener and constant routes: /ping and /large.
func newConfig(change ...func(*Config)) (Config, *lines) {
	log := new(lines)
	c := defaults()
	c.Listeners = []ListenerConfig{{Network: "tcp", Address: "127.0.0.1:0"}}
	c.Routes = []RouteConfig{constantRoute(1, "/ping", "pong"), constantRoute(2, "/large", strings.Repeat("x", 1<<20))}
	c.AccessLog, c.accessTo, c.LogLevel = true, log, "critical"
	c.AccessLogFormat = `%(h)s "%(r)s" %(s)s %(B)s`
	c.MemoryPoolBytes, c.Exchanges = 16<<20, 64
	for _, f := range change {
		f(&c)
	}
	return c, log
}

func constantRoute(id uint32, path, body string) RouteConfig {
	return RouteConfig{ID: id, Methods: []string{"GET", "HEAD"}, Path: path, Constant: &ConstantConfig{
		Status: 200, MediaType: "text/plain", BodyB64: base64.StdEncoding.EncodeToString([]byte(body)),
	}}
}

// serve starts an engine, and frees it at the end of the test.
func serve(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	c, log := newConfig(change...)
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Engine: e, log: log}
	t.Cleanup(func() { r.end(t) })
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// end stops and frees the engine, once.
func (r *rig) end(t testing.TB) {
	t.Helper()
	if r.over {
		return
	}
	r.over = true
	if !r.Stop(waitLimit) {
		t.Error("the loops did not end")
		return
	}
	r.Free()
}

func (r *rig) dial(t testing.TB) *client {
	t.Helper()
	return dial(t, "tcp", r.Address(0))
}

// client is a connection that speaks raw HTTP.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func dial(t testing.TB, network, address string) *client {
	t.Helper()
	c, err := net.DialTimeout(network, address, waitLimit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(waitLimit)); err != nil {
		t.Fatal(err)
	}
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// request is a request's head with further field lines.
func request(line string, fields ...string) string {
	return line + " HTTP/1.1\r\nHost: test\r\n" + strings.Join(append(fields, "", ""), "\r\n")
}

// answer reads one answer with its body.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return r, string(body)
}

// ended waits for the server to close the connection.
func (c *client) ended() {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c.in); n > 0 || err != nil {
		c.t.Fatalf("%d more bytes, %v", n, err)
	}
}
