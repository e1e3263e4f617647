package engine

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/http1"
)

// exampleEntry is the entry of a request with the given target and field lines.
func exampleEntry(t testing.TB, target string, lines ...string) *entry {
	t.Helper()
	var r exchange.Request
	var limits http1.Limits
	head := "GET " + target + " HTTP/1.1\r\nHost: h\r\n" + strings.Join(append(lines, "", ""), "\r\n")
	if n, err := limits.ParseRequest([]byte(head), &r); err != nil || n != len(head) {
		t.Fatalf("%q: %d, %v", head, n, err)
	}
	return &entry{
		View: bridge.View{
			Head: r.Head, Verb: r.Verb, Target: r.Target, Path: r.Path, Query: r.Query,
			Fields: append([]exchange.Header(nil), r.Fields()...), Minor: r.Minor,
			Peer: netip.MustParseAddrPort("192.0.2.7:50000"),
		},
		status: 200, sent: 12, elapsed: 1_234_567,
		reply: &exchange.Response{
			Type: exchange.TypeJSON, Length: 12, Fields: exchange.AppendField(nil, []byte("X-One"), []byte("1")),
		},
	}
}

func lineOf(t testing.TB, format string, e *entry) string {
	t.Helper()
	f, err := compileFormat(format)
	if err != nil {
		t.Fatal(err)
	}
	var clock wallClock
	clock.refresh(5)
	return string(f.appendLine(nil, e, &clock, 5))
}

func TestAccessLines(t *testing.T) {
	fields := []string{"Referer: http://a/", "User-Agent: curl/8", "Authorization: Basic YWxpY2U6c2VjcmV0"}
	for format, want := range map[string]string{
		"": `INFO:     192.0.2.7:50000 - "GET /a%20b?x=1 HTTP/1.1" 200 OK`,
		`%(addr)s - "%(method)s %(path)s %(protocol)s" %(status)d %(dt_ms).3f`: `192.0.2.7 - "GET /a%20b HTTP/1.1" 200 1.234`,
		`%(h)s %(l)s %(u)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s`:          `192.0.2.7 - alice "GET /a%20b?x=1 HTTP/1.1" 200 12 "http://a/" "curl/8" 1234`,
		`%(T)s %(M)s %(L)s %(dt_ms)s %(dt_ms)d %(dt_ms)f %(D)d`:                `0 1 0.001234 1.234 1 1.234567 1234`,
		`%(m)s %(U)s %(q)s %(H)s %(B)s %(query_string)s %(scheme)s`:            `GET /a%20b x=1 HTTP/1.1 12 x=1 http`,
		`%(header{User-Agent})s %({referer}i)s %({x-none}i)s`:                  `curl/8 http://a/ -`,
		`%({x-one}o)s %({Content-Type}o)s %({content-length}o)s %({x}o)s`:      `1 application/json 12 -`,
		`100%% %(reason)s %(client)s`:                                          `100% OK 192.0.2.7:50000`,
		`plain`:                                                                `plain`,
		`%(p)s`:                                                                fmt.Sprintf("<%d>", os.Getpid()),
	} {
		if got := lineOf(t, format, exampleEntry(t, "/a%20b?x=1", fields...)); got != want+"\n" {
			t.Errorf("%s\ngives %swant  %s", format, got, want)
		}
	}
}

func TestAccessLinesWithTheTimeOfDay(t *testing.T) {
	e := exampleEntry(t, "/")
	for format, want := range map[string]string{
		"[%(time)s]": `^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\]\n$`,
		"%(t)s":      `^\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]\n$`,
		"%(iso)s":    `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\n$`,
	} {
		if got := lineOf(t, format, e); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s gives %q", format, got)
		}
	}
}

func TestAccessLineOfAUnixSocket(t *testing.T) {
	e := exampleEntry(t, "/")
	e.Peer, e.status, e.sent, e.reply = netip.AddrPort{}, statusUnanswered, 0, nil
	if got := lineOf(t, "%(client)s %(h)s %(s)s %(reason)s %(b)s %({x}o)s", e); got != "unix unix 499 Unanswered - -\n" {
		t.Errorf("got %q", got)
	}
}

func TestAccessLineAsJSON(t *testing.T) {
	line := lineOf(t, "json", exampleEntry(t, `/a"b?x=\1`, "User-Agent: \"a\\b\" \xff\tü \xc2\x9b"))
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil || strings.Count(line, "\n") != 1 {
		t.Fatalf("%v in %q", err, line)
	}
	delete(got, "time")
	want := map[string]any{
		"addr": "192.0.2.7", "method": "GET", "path": `/a"b`, "query_string": `x=\1`, "protocol": "HTTP/1.1", "scheme": "http",
		"status": 200.0, "bytes": 12.0, "dt_ms": 1.234, "referer": nil, "user_agent": "\"a\\b\" ÿ\tü \u009b",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if strings.ContainsAny(line[:len(line)-1], "\t\u009b") {
		t.Errorf("control characters in %q", line)
	}
}

func TestNobodyForgesAccessLines(t *testing.T) {
	e := exampleEntry(t, `/"\?"`, "User-Agent: a\" 200\t\xc2\x9b\xff\\", "Authorization: Basic YQpiIjpj")
	want := `"GET /\x22\x5c?\x22 HTTP/1.1" /\x22\x5c \x22 "a\x22 200\x09\xc2\x9b\xff\x5c" a\x0ab\x22` + "\n"
	if got := lineOf(t, `"%(r)s" %(path)s %(q)s "%(a)s" %(u)s`, e); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestBadAccessFormatsAreRefusedByName(t *testing.T) {
	for format, want := range map[string]string{
		"%(foo)s": "unknown atom %(foo)s", "%({x}e)s": "unknown atom", "%(header{})s": "unknown atom",
		"%(header{a b})s": "unknown atom", "%({x}i": "begins no atom", "100%": "begins no atom", "% d": "begins no atom",
		"%(status)": "must be followed by", "%(status)x": "must be followed by", "%(status)5d": "must be followed by",
		"%(path)d": "cannot be shown", "%(path).3f": "cannot be shown", "%(status)f": "cannot be shown",
		"%(dt_ms).3s": "cannot be shown", "%(dt_ms).9f": "digits", "%(dt_ms).f": "digits", "a\nb": "line end",
	} {
		_, err := compileFormat(format)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "access_log_format: ") {
			t.Errorf("%q: %v", format, err)
		}
	}
}

func TestAccessLinesAllocateNothing(t *testing.T) {
	e := exampleEntry(t, "/a?b=c", "User-Agent: curl/8", "Authorization: Basic YWxpY2U6c2VjcmV0")
	for _, format := range []string{"", "json", `%(h)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(L)s %({content-type}o)s`} {
		f, err := compileFormat(format)
		if err != nil {
			t.Fatal(err)
		}
		var clock wallClock
		clock.refresh(5)
		b := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { b = f.appendLine(b[:0], e, &clock, 5) }); n != 0 {
			t.Errorf("%q: %v allocations for a line", format, n)
		}
	}
}

func FuzzAccessFormat(f *testing.F) {
	for _, format := range []string{"", "json", "%(h)s %%", `"%(r)s" %(dt_ms).3f %({a}i)s %(header{b})s`, "%(", "%(s)"} {
		f.Add(format, "/a?b", "curl \"\xff")
	}
	f.Fuzz(func(t *testing.T, format, target, agent string) {
		compiled, err := compileFormat(format)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "access_log_format: ") {
				t.Fatalf("%q: %v", format, err)
			}
			return
		}
		e := exampleEntry(t, "/")
		e.Head = []byte(target + agent)
		e.Target = exchange.Span{Len: uint16(len(target))}
		e.Path, e.Query = e.Target, e.Target
		name := exchange.Span{Len: uint16(min(len(target), 10))}
		e.Fields = []exchange.Header{{Name: name, Value: exchange.Span{Off: uint16(len(target)), Len: uint16(len(agent))}}}
		var clock wallClock
		clock.refresh(1)
		line := string(compiled.appendLine(nil, e, &clock, 1))
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%q gives %q", format, line)
		}
		if format == "json" && !json.Valid([]byte(line)) {
			t.Fatalf("%q is not JSON", line)
		}
	})
}

func BenchmarkAccessLine(b *testing.B) {
	for _, format := range []string{"", "json", `[%(time)s] %(addr)s - "%(method)s %(path)s %(protocol)s" %(status)d %(dt_ms).3f`} {
		b.Run(format[:min(len(format), 8)], func(b *testing.B) {
			f, err := compileFormat(format)
			if err != nil {
				b.Fatal(err)
			}
			e := exampleEntry(b, "/items/5?q=abc", "User-Agent: curl/8")
			var clock wallClock
			clock.refresh(1)
			line := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				line = f.appendLine(line[:0], e, &clock, 1)
			}
		})
	}
}
