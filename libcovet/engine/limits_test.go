package engine

import (
	"io"
	"strings"
	"testing"
	"time"
)

const never = int64(1 << 40)

// onlyLimit leaves a limit of a few milliseconds and none that could come before it.
func onlyLimit(set func(*Config)) func(*Config) {
	return func(c *Config) {
		c.KeepAliveMS, c.RequestMS, c.HeaderMS, c.BodyMS = -1, 0, never, never
		set(c)
	}
}

func TestABodyThatDoesNotComeEndsTheConnection(t *testing.T) {
	for _, framing := range []string{"Content-Length: 5", "Transfer-Encoding: chunked"} {
		r := serve(t, onlyLimit(func(c *Config) { c.BodyMS = 20 }))
		c := r.dial(t)
		c.send(request("POST /none", framing))
		if got, _ := c.answer("POST"); got.StatusCode != 404 {
			t.Errorf("status %d", got.StatusCode)
		}
		_, _ = io.Copy(io.Discard, c.in)
		eventually(t, "the connection's end", func() bool { return r.Status().Connections == 0 })
	}
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	r := serve(t, onlyLimit(func(c *Config) { c.BodyMS = 20 }))
	c := r.dial(t)
	for range 20 { // more than the system buffers
		c.send(request("GET /large"))
	}
	eventually(t, "the connection's end", func() bool { return r.Status().Connections == 0 })
}

func TestHeadsThatDoNotCome(t *testing.T) {
	for _, begun := range []string{"", "GET / HT", request("GET /ping") + "GET /"} {
		r := serve(t, onlyLimit(func(c *Config) { c.HeaderMS = 20 }))
		c := r.dial(t)
		c.send(begun)
		all, err := io.ReadAll(c)
		if err != nil || strings.Contains(string(all), "408") == (begun == "") {
			t.Errorf("%q: %q, %v", begun, all, err)
		}
	}
}

func TestKeepAlive(t *testing.T) {
	for _, ms := range []int64{0, 20} {
		r := serve(t, onlyLimit(func(c *Config) { c.KeepAliveMS = ms }))
		c := r.dial(t)
		c.send(request("GET /ping"))
		c.answer("GET")
		c.ended()
	}
	r := serve(t, onlyLimit(func(*Config) {}))
	c := r.dial(t)
	for range 2 {
		c.send(request("GET /ping"))
		c.answer("GET")
		time.Sleep(50 * time.Millisecond)
	}
}

func TestDrainEndsIdleConnectionsAndFinishesAnswers(t *testing.T) {
	r := serve(t, onlyLimit(func(*Config) {}))
	idle, busy := r.dial(t), r.dial(t)
	for _, c := range []*client{idle, busy} {
		c.send(request("GET /ping"))
		c.answer("GET")
	}
	busy.send(request("GET /large"))
	eventually(t, "the requests", func() bool { return r.Status().Requests >= 3 })
	r.Drain()
	idle.ended()
	if _, body := busy.answer("GET"); len(body) != 1<<20 {
		t.Errorf("%d bytes", len(body))
	}
	busy.ended()
	eventually(t, "the connections' end", func() bool { return r.Status().Connections == 0 })
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	r := serve(t, func(c *Config) {
		c.Headers, c.ServerHeader, c.DateHeader = [][2]string{{"X-One", "1"}, {"X-One", "2"}}, "", false
	})
	c := r.dial(t)
	for _, target := range []string{"/ping", "/none", "/ping/"} {
		c.send(request("GET " + target))
		got, _ := c.answer("GET")
		if strings.Join(got.Header["X-One"], ",") != "1,2" || got.Header.Get("Server") != "" || got.Header.Get("Date") != "" {
			t.Errorf("%s: %v", target, got.Header)
		}
	}
}

func TestTrustedProxiesTellOfTheirClients(t *testing.T) {
	fields := []string{"X-Forwarded-For: 192.0.2.9, 198.51.100.7:81", "X-Forwarded-Proto: https"}
	for list, want := range map[string]string{
		"127.0.0.1":                   `https://test/ping|198.51.100.7 https`,
		"127.0.0.0/8,198.51.100.0/24": `https://test/ping|192.0.2.9 https`,
		"::1,10.0.0.0/8":              `http://test/ping|127.0.0.1 http`,
		"":                            `http://test/ping|127.0.0.1 http`,
	} {
		r := serve(t, func(c *Config) {
			c.ProxyHeaders, c.ForwardedAllowIPs, c.AccessLogFormat = true, list, "%(addr)s %(scheme)s"
		})
		c := r.dial(t)
		c.send(request("GET /ping/", fields...))
		got, _ := c.answer("GET")
		if seen := got.Header.Get("Location") + "|" + r.log.wait(t, 1)[0]; seen != want {
			t.Errorf("%q gives %s, not %s", list, seen, want)
		}
	}
}
