package route

import (
	"fmt"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// A matcher that tries every way would not end on any of these.
func TestAdversarialPatterns(t *testing.T) {
	const deep = 13
	var lines []string
	for bits := range 1 << deep {
		var line strings.Builder
		line.WriteString("GET ")
		for i := range deep {
			if bits>>i&1 == 0 {
				line.WriteString("/a")
			} else {
				fmt.Fprintf(&line, "/{p%d}", i)
			}
		}
		lines = append(lines, line.String())
	}
	lines = append(lines,
		"GET /m/{a}-{b}-{c}-{d}-{e}-{f}-{g}-{h}-{i}-{j}-{k}-{l}-{m}-{n}-{o}-{p}.",
		"GET /n/{a:path}{b:path}{c:path}{d:path}{e:path}{f:path}{g:path}{h:path}x",
		"GET /o/{a:float}{b:float}{c:float}{d:float}{e:float}{f:float}{g:float}{h:float}/x",
		"GET /q/{a}{b}{c}{d}{e}{f}{g}{h}/{i:path}/{j}",
	)
	table := build(t, Options{RedirectSlashes: true}, lines...)
	var m Match
	for path, want := range map[string]uint16{
		strings.Repeat("/a", deep):                    0,
		strings.Repeat("/a", deep-1) + "/":            404,
		strings.Repeat("/a", deep) + "/b":             404,
		"/m/" + strings.Repeat("-", 60000) + ".":      0,
		"/m/" + strings.Repeat("-", 60000) + "x":      404,
		"/n/" + strings.Repeat("x", 60000) + "y":      404,
		"/n/" + strings.Repeat("x/", 30000) + "x":     0,
		"/o/" + strings.Repeat("1.1", 20000) + "/y":   404,
		"/o/" + strings.Repeat("1.1", 20000) + "/x":   404, // more dots than numbers
		"/o/" + strings.Repeat("1", 60000) + "/x":     0,
		"/q/" + strings.Repeat("z", 60000):            404,
		"/q/" + strings.Repeat("z", 60000) + "/////z": 0,
	} {
		if ask(table, &m, "GET", path); m.Status != want {
			t.Errorf("%.20s… (%d bytes): status %d, want %d", path, len(path), m.Status, want)
		}
	}
}

// typical makes the routes of an API with n/5 resources.
func typical(n int) []string {
	var lines []string
	for i := 0; len(lines) < n; i++ {
		name := fmt.Sprintf("/api/v1/resource%d", i)
		lines = append(lines, "GET "+name, "POST "+name, "GET "+name+"/{id:int}", "GET "+name+"/{id}/parts/{part}", "GET "+name+"/files/{p:path}")
	}
	return lines
}

type request struct {
	name, method, path string
	status             uint16
}

var requests = []request{
	{"static", "GET", "/api/v1/resource1", 0},
	{"int", "GET", "/api/v1/resource1/12345", 0},
	{"two", "GET", "/api/v1/resource1/abc/parts/def", 0},
	{"path", "GET", "/api/v1/resource1/files/a/b/c.txt", 0},
	{"escaped", "GET", "/api/v1/resource1/a%20c/parts/d%C3%A9f", 0},
	{"missing", "GET", "/api/v1/resource1/abc/parts", 404},
	{"method", "DELETE", "/api/v1/resource1/12345", 405},
	{"method-static", "DELETE", "/api/v1/resource1", 405},
}

func TestLookupAllocatesNothing(t *testing.T) {
	lines := append(typical(100), "PUT /api/v1/{any}", "GET /s/{a}-{b}.{c:int}")
	table := build(t, Options{RedirectSlashes: true}, lines...)
	for _, r := range append(requests, request{"parts", "GET", "/s/a-b-c.12", 0}, request{"toggled", "GET", "/api/v1/resource1/", 307}) {
		head := []byte(r.path)
		var m Match
		look := func() {
			table.Lookup(head, exchange.Span{Len: uint16(len(head))}, exchange.ParseMethod([]byte(r.method)), nil, strings.Contains(r.path, "%"), &m)
		}
		look() // scratch memory grows once
		if n := testing.AllocsPerRun(100, look); n != 0 || m.Status != r.status {
			t.Errorf("%s: %v allocations, status %d", r.name, n, m.Status)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 100, 10000} {
		table := build(b, Options{}, typical(n)...)
		for _, r := range requests {
			b.Run(fmt.Sprintf("%s/%d", r.name, n), func(b *testing.B) {
				b.ReportAllocs()
				head, method, escaped := []byte(r.path), exchange.ParseMethod([]byte(r.method)), strings.Contains(r.path, "%")
				var m Match
				for b.Loop() {
					table.Lookup(head, exchange.Span{Len: uint16(len(head))}, method, nil, escaped, &m)
				}
				if m.Status != r.status {
					b.Fatalf("status %d", m.Status)
				}
			})
		}
	}
}

// BenchmarkSpread asks for another of 10,000 routes each time, which shows
// what the memory caches cost.
func BenchmarkSpread(b *testing.B) {
	table := build(b, Options{}, typical(10000)...)
	var heads [][]byte
	for i := range 2000 {
		heads = append(heads, fmt.Appendf(nil, "/api/v1/resource%d/12345", i*7919%2000))
	}
	var m Match
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		head := heads[i%len(heads)]
		table.Lookup(head, exchange.Span{Len: uint16(len(head))}, exchange.MethodGet, nil, false, &m)
	}
}
