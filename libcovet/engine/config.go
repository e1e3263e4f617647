// Package engine wires the rooms together: connections, protocols, routes,
// native answers and the channel to the workers. It is the only package that
// sees them all.
package engine

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bytedance/sonic/encoder"

	"github.com/covetpy/covetpy/libcovet/guard"
)

// Config is what a supervisor says of the engine it wants. Sizes are in
// bytes, times in milliseconds, 0 meaning no limit where a limit is optional;
// a keep-alive time of 0 closes at once, and -1 never.
type Config struct {
	Listeners          []ListenerConfig `json:"listeners"`
	Backlog            int              `json:"backlog"`
	Loops              int              `json:"loops"`
	Places             int              `json:"places"`
	WorkerConnections  int              `json:"worker_connections"`
	RequestBufferSize  int              `json:"request_buffer_size"`
	ResponseBufferSize int              `json:"response_buffer_size"`
	KeepAliveMS        int64            `json:"keepalive_timeout_ms"`
	RequestMS          int64            `json:"request_timeout_ms"`
	HeaderMS           int64            `json:"header_timeout_ms"`
	BodyMS             int64            `json:"body_timeout_ms"`
	EnableIOUring      bool             `json:"enable_io_uring"`
	EnableSIMD         bool             `json:"enable_simd"`
	EnableJIT          bool             `json:"enable_jit"`
	MemoryPoolBytes    int64            `json:"memory_pool_bytes"`
	ConnectionPoolSize int              `json:"connection_pool_size"`
	MaxBodyBytes       int64            `json:"max_body_bytes"`
	RedirectSlashes    bool             `json:"redirect_slashes"`
	RootPath           string           `json:"root_path"`     // the proxy has taken it away
	OwnRootPath        string           `json:"own_root_path"` // taken off paths that begin with it, if that is one
	ForwardUnmatched   bool             `json:"forward_unmatched"`
	ForwardRedirects   bool             `json:"forward_redirects"`
	ForwardSockets     bool             `json:"forward_sockets"` // workers answer WebSockets that no route matches
	WSMaxSize          int64            `json:"ws_max_size"`
	WSMaxQueue         int              `json:"ws_max_queue"`
	WSPingIntervalMS   int64            `json:"ws_ping_interval_ms"`
	WSPingTimeoutMS    int64            `json:"ws_ping_timeout_ms"`
	WSPerMessage       bool             `json:"ws_per_message_deflate"`
	WSTakeover         bool             `json:"ws_context_takeover"` // counts with ws_per_message_deflate
	WSOrigins          *[]string        `json:"ws_origins"`          // nil allows all
	AccessLog          bool             `json:"access_log"`
	AccessLogFormat    string           `json:"access_log_format"`
	LogLevel           string           `json:"log_level"`
	ProxyHeaders       bool             `json:"proxy_headers"`
	ForwardedAllowIPs  string           `json:"forwarded_allow_ips"`
	ServerHeader       string           `json:"server_header"`
	DateHeader         bool             `json:"date_header"`
	PinCPUs            []int            `json:"pin_cpus"`
	Backpressure       int              `json:"backpressure"`
	LimitConcurrency   int              `json:"limit_concurrency"`
	Headers            [][2]string      `json:"headers"` // of every response
	Exchanges          int              `json:"exchanges"`
	Routes             []RouteConfig    `json:"routes"`
	Guards             []guard.Config   `json:"guards"` // middleware of the engine's own, the outermost first

	// AccessLogFD is where the access log goes instead of standard output.
	AccessLogFD *int `json:"access_log_fd"`

	accessTo io.Writer // where the access log goes
}

// ListenerConfig is one address to listen on: Network "tcp" or "unix", or an
// inherited descriptor when Network is "fd" (Address holds its number).
type ListenerConfig struct {
	Network string  `json:"network"`
	Address string  `json:"address"`
	Mode    *uint32 `json:"mode"` // permissions of a unix socket's file; nil leaves them to the umask
}

// RouteConfig is one route of the application. ID starts at 1; the worker
// finds the handler by it. Constant routes are answered without a worker.
type RouteConfig struct {
	ID       uint32          `json:"id"`
	Methods  []string        `json:"methods"`
	Path     string          `json:"path"`
	Constant *ConstantConfig `json:"constant"`
	Repeat   *bool           `json:"repeat"` // false: not to be repeated when a worker has died
}

// ConstantConfig is a response known at start-up.
type ConstantConfig struct {
	Status    int         `json:"status"`
	MediaType string      `json:"media_type"`
	Headers   [][2]string `json:"headers"`
	BodyB64   string      `json:"body_b64"`
}

func encoderName(jit bool) string {
	if jit {
		return "sonic"
	}
	return "encoding/json"
}

// codec is the JSON encoder that enable_jit chooses: sonic compiles encoders
// at run time, encoding/json does not.
type codec struct {
	name    string
	marshal func(any) ([]byte, error)
}

// sonicOptions write what encoding/json would. Only sonic's encoder is linked:
// its decoder's tables would be 0.6 MB of heap in every process.
const sonicOptions = encoder.EscapeHTML | encoder.SortMapKeys | encoder.CompactMarshaler | encoder.ValidateString

func newCodec(jit bool) codec {
	if jit {
		return codec{"sonic", func(value any) ([]byte, error) { return encoder.Encode(value, sonicOptions) }}
	}
	return codec{"encoding/json", json.Marshal}
}

func defaults() Config {
	return Config{
		Backlog: 2048, Loops: 1, Places: 1, WorkerConnections: 16384,
		RequestBufferSize: 65535, ResponseBufferSize: 65536,
		KeepAliveMS: 5000, HeaderMS: 10000, BodyMS: 60000,
		EnableIOUring: true, EnableSIMD: true, EnableJIT: true,
		MemoryPoolBytes: 1 << 30, ConnectionPoolSize: 256, MaxBodyBytes: 100 << 20,
		RedirectSlashes: true, LogLevel: "info", ServerHeader: "covet", DateHeader: true,
		Backpressure: 1024, Exchanges: 4096, accessTo: os.Stdout,
		WSMaxSize: 16 << 20, WSMaxQueue: 32, WSPingIntervalMS: 20000, WSPingTimeoutMS: 20000, WSPerMessage: true,
	}
}

// ParseConfig reads the JSON form of a configuration over the defaults. It is
// read once, so compiling a decoder for it would cost memory and time for
// nothing.
func ParseConfig(text []byte) (Config, error) {
	c, err := parseConfig(text)
	if err != nil {
		return Config{}, err
	}
	return c, c.check()
}

func parseConfig(text []byte) (Config, error) {
	c := defaults()
	if err := json.Unmarshal(text, &c); err != nil {
		return Config{}, fmt.Errorf("engine configuration: %w", err)
	}
	return c, nil
}

func (c *Config) check() error {
	for _, r := range []struct {
		name        string
		value       int64
		least, most int64
	}{
		{"loops", int64(c.Loops), 1, 32},
		{"places", int64(c.Places), 1, 128},
		{"backlog", int64(c.Backlog), 1, 1 << 20},
		{"worker_connections", int64(c.WorkerConnections), 1, 1 << 20},
		{"request_buffer_size", int64(c.RequestBufferSize), 1024, 65535},
		{"response_buffer_size", int64(c.ResponseBufferSize), 4096, 1 << 26},
		{"memory_pool_size", c.MemoryPoolBytes, 1 << 20, 1 << 40},
		{"connection_pool_size", int64(c.ConnectionPoolSize), 0, 1 << 20},
		{"max_body_size", c.MaxBodyBytes, 0, 1 << 50},
		{"keepalive_timeout", c.KeepAliveMS, -1, 1 << 40},
		{"limit_concurrency", int64(c.LimitConcurrency), 0, 1 << 30},
		{"request_timeout", c.RequestMS, 0, 1 << 40},
		{"header_timeout", c.HeaderMS, 1, 1 << 40},
		{"body_timeout", c.BodyMS, 1, 1 << 40},
		{"backpressure", int64(c.Backpressure), 0, 1 << 20},
		{"exchanges", int64(c.Exchanges), 1, 1 << 20},
		{"ws_max_size", c.WSMaxSize, 1, 1 << 40},
		{"ws_max_queue", int64(c.WSMaxQueue), 1, 1 << 20},
		{"ws_ping_interval", c.WSPingIntervalMS, 0, 1 << 40},
		{"ws_ping_timeout", c.WSPingTimeoutMS, 0, 1 << 40},
	} {
		if r.value < r.least || r.value > r.most {
			return fmt.Errorf("%s must be from %d to %d, not %d", r.name, r.least, r.most, r.value)
		}
	}
	if len(c.Listeners) == 0 {
		return errors.New("no address to listen on")
	}
	if _, err := newProxies(c.ProxyHeaders, c.ForwardedAllowIPs); err != nil {
		return err
	}
	_, err := compileFormat(c.AccessLogFormat)
	return err
}

func (c *ConstantConfig) body() ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(c.BodyB64)
	if err != nil {
		return nil, fmt.Errorf("constant body: %w", err)
	}
	return b, nil
}

func ms(n int64) int64 { return n * int64(time.Millisecond) }
