package route

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// build registers "METHOD pattern" lines with ids from 1 on.
func build(t testing.TB, opts Options, lines ...string) *Table {
	t.Helper()
	var b Builder
	for i, line := range lines {
		method, pattern, _ := strings.Cut(line, " ")
		if err := b.Add(method, pattern, ID(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	return b.Build(opts)
}

// ask looks a request up behind some bytes of a request line, so that a range
// that forgets its offset shows.
func ask(table *Table, m *Match, method, path string) []string {
	head := []byte(method + " " + path + " HTTP/1.1\r\n")
	span := exchange.Span{Off: uint16(len(method) + 1), Len: uint16(len(path))}
	table.Lookup(head, span, exchange.ParseMethod([]byte(method)), []byte(method), strings.Contains(path, "%"), m)
	values := []string{}
	for _, p := range m.Params[:m.NumParams] {
		values = append(values, string(p.Of(head)))
	}
	return values
}

// outcome writes a match in one line: "id value value", or "status allow".
func outcome(m *Match, values []string) string {
	if m.Status != 0 {
		return strings.TrimSpace(fmt.Sprintf("=%d %s", m.Status, m.Allow))
	}
	return strings.Join(append([]string{fmt.Sprint(m.Route)}, values...), " ")
}

var cases = []struct {
	name   string
	routes []string
	asks   map[string]string // "METHOD path" to outcome
}{
	{"static", []string{"GET /", "GET /a", "GET /ab/c", "GET /ab/d"}, map[string]string{
		"GET /": "1", "GET /a": "2", "GET /ab/c": "3", "GET /ab/d": "4",
		"GET /ab": "=404", "GET /ab/": "=404", "GET /abc": "=404", "GET *": "=404", "GET ": "=404", "GET //": "=404", "GET /A": "=404",
	}},
	{"kinds", []string{"GET /{v:path}", "GET /{v}", "GET /{v:float}", "GET /{v:uuid}", "GET /{v:int}", "GET /me"}, map[string]string{
		"GET /me": "6", "GET /12": "5 12", "GET /1.5": "3 1.5", "GET /x": "2 x", "GET /x/y": "1 x/y", "GET /": "1 ",
		"GET /00000000-0000-0000-0000-00000000000a": "4 00000000-0000-0000-0000-00000000000a",
		"GET /0000000000000000-0000-aBcDeF00000a":   "4 0000000000000000-0000-aBcDeF00000a",
		"GET /00000000000000000000000000000000":     "5 00000000000000000000000000000000",
		"GET /0000000g-0000-0000-0000-00000000000a": "2 0000000g-0000-0000-0000-00000000000a",
		"GET /1.": "2 1.", "GET /.5": "2 .5", "GET /1.5.6": "2 1.5.6", "GET /-1": "2 -1", "GET /12/": "1 12/",
	}},
	{"str is plain", []string{"GET /{v:str}/x"}, map[string]string{"GET /a/x": "1 a", "GET //x": "=404", "GET /a/b/x": "=404"}},
	{"backtracking", []string{"GET /a/{x}/c", "GET /{y}/b/d", "GET /{p:path}/e"}, map[string]string{
		"GET /a/b/c": "1 b", "GET /a/b/d": "2 a", "GET /a/b/e": "3 a/b", "GET /a/b/f": "=404", "GET //e": "3 ",
	}},
	{"parts of segments", []string{"GET /files/{name}.json", "GET /a{b}c", "GET /v{major:int}.{minor:int}", "GET /{a}-{b}/x", "GET /files/{name}"}, map[string]string{
		"GET /files/x.json": "1 x", "GET /files/.json": "5 .json", "GET /files/x.jso": "5 x.jso", "GET /files/x.json.json": "1 x.json",
		"GET /abc": "2 b", "GET /ac": "=404", "GET /accc": "2 cc", "GET /v1.20": "3 1 20", "GET /v1.x": "=404", "GET /1-2-3/x": "4 1-2 3", "GET /-/x": "=404",
	}},
	{"adjacent", []string{"GET /{a}{b:int}", "GET /n/{a:float}{b:float}", "GET /u/{a:uuid}{b}", "GET /f/{a:float}.{b:int}"}, map[string]string{
		"GET /x12": "1 x1 2", "GET /1": "=404", "GET /n/1.25": "2 1.2 5", "GET /n/1.2": "=404", "GET /n/12": "2 1 2",
		"GET /u/0000000000000000000000000000000aXY": "3 0000000000000000000000000000000a XY", "GET /u/00000000000000000000000000000000": "=404",
		"GET /f/1.5": "4 1 5", "GET /f/1.2.3": "4 1.2 3", "GET /f/1.": "=404",
	}},
	{"path with more behind", []string{"GET /d/{p:path}/edit/{id:int}", "GET /d/{p:path}", "GET /{a}-{p:path}.{b}"}, map[string]string{
		"GET /d/x/edit/7": "1 x 7", "GET /d/x/edit/y": "2 x/edit/y", "GET /d//edit/7/edit/8": "1 /edit/7 8", "GET /d/": "2 ",
		"GET /x-y/z.w": "3 x y/z w", "GET /x-.w": "3 x  w", "GET /d": "=404",
	}},
	{"longest suffix", []string{"GET /{n}.gz", "GET /{n}.tar.gz", "GET /{n}", "GET /{n}{m:int}"}, map[string]string{
		"GET /a.gz": "1 a", "GET /a.tar.gz": "2 a", "GET /a.zip": "3 a.zip", "GET /a1": "4 a 1",
	}},
	{"path last", []string{"GET /{a}-{p:path}", "GET /{b}", "GET /{a:int}-{p:path}"}, map[string]string{
		"GET /x-y": "2 x-y", "GET /1-y": "2 1-y", "GET /x-y/z": "1 x y/z", "GET /1-y/z": "3 1 y/z",
	}},
	{"methods", []string{"GET /x", "POST /x", "PROPFIND /x", "DELETE /{y}", "HEAD /h"}, map[string]string{
		"GET /x": "1", "POST /x": "2", "PROPFIND /x": "3", "DELETE /x": "4 x", "HEAD /h": "5",
		"HEAD /x": "=405 DELETE, GET, POST, PROPFIND", "MKCOL /x": "=405 DELETE, GET, POST, PROPFIND", "get /x": "=405 DELETE, GET, POST, PROPFIND",
		"GET /y": "=405 DELETE", "GET /y/z": "=404", "GET /h": "=405 DELETE, HEAD",
	}},
	{"percent-encoding", []string{"GET /A b", "GET /café/{x}", "GET /v/{x:int}", "GET /p/{x:path}", "GET /s/{x}.y", "GET /100%"}, map[string]string{
		"GET /%41%20b": "1", "GET /caf%c3%A9/%41%2Fb": "2 %41%2Fb", "GET /v/%31%32": "3 %31%32", "GET /p/a%2fb/c": "4 a%2fb/c", "GET /s/%2F%2E%79": "5 %2F",
		"GET /100%25": "6", "GET /p%2Fx": "=404", "GET %2FA%20b": "=404", "GET /v/%2F": "=404",
		"GET /p/%zz": "=400", "GET /p/%4": "=400", "GET /p/%": "=400", "GET /p/%4g": "=400", "GET /p/%00": "=400", "GET /none%": "=400",
	}},
}

func TestLookup(t *testing.T) {
	for _, c := range cases {
		table := build(t, Options{}, c.routes...)
		var m Match // reused: nothing of one lookup may show in the next
		for request, want := range c.asks {
			method, path, _ := strings.Cut(request, " ")
			if got := outcome(&m, ask(table, &m, method, path)); strings.TrimRight(got, " ") != strings.TrimRight(want, " ") {
				t.Errorf("%s: %s: got %q, want %q", c.name, request, got, want)
			}
		}
	}
}

func TestRedirectSlashes(t *testing.T) {
	lines := []string{"GET /a", "POST /b/", "GET /c/{x}", "GET /d/{x}/", "GET /"}
	on, off := build(t, Options{RedirectSlashes: true}, lines...), build(t, Options{}, lines...)
	for path, want := range map[string]uint16{
		"/a": 0, "/a/": 307, "/a//": 404, "/b": 307, "/c/1/": 307, "/d/1": 307, "/d/%31": 307, "/d/%2F": 307, "/d": 404, "/none": 404, "/": 0, "*": 404, "": 307, "/c/": 404,
	} {
		var m Match
		if ask(on, &m, "GET", path); m.Status != want || want == 307 && (m.Route != None || m.NumParams != 0) {
			t.Errorf("%q: status %d, route %d, want status %d", path, m.Status, m.Route, want)
		}
		if ask(off, &m, "GET", path); m.Status == 307 {
			t.Errorf("%q is redirected although the option is off", path)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	for _, c := range []struct{ method, pattern, want string }{
		{"GET", "", "begin with a slash"},
		{"GET", "a", "begin with a slash"},
		{"GET", "/{", "never closed"},
		{"GET", "/{a", "never closed"},
		{"GET", "/a}", "closing brace"},
		{"GET", "/{}", `"" is not a parameter name`},
		{"GET", "/{1a}", `"1a" is not a parameter name`},
		{"GET", "/{a b}", `"a b" is not a parameter name`},
		{"GET", "/{{a}}", `"{a" is not a parameter name`},
		{"GET", "/{a}/{a}", `"a" is repeated`},
		{"GET", "/{a:date}", `unknown type "date"`},
		{"GET", "/{a:}", `unknown type ""`},
		{"GET", "/\x00", "NUL"},
		{"GET", "/" + strings.Repeat("a", maxPattern), "longer than"},
		{"GET", "/{a1}{a2}{a3}{a4}{a5}{a6}{a7}{a8}{a9}{b1}{b2}{b3}{b4}{b5}{b6}{b7}{b8}", "more than 16"},
		{"", "/", "not a token"},
		{"GE T", "/", "not a token"},
	} {
		var b Builder
		err := b.Add(c.method, c.pattern, 1)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrShadowed) {
			t.Errorf("%q %.40q: got error %v, want %q", c.method, c.pattern, err, c.want)
		}
	}
	var b Builder
	if err := b.Add("GET", "/", None); err == nil {
		t.Error("id 0 is accepted")
	}
	for i := range maxVerbs {
		if err := b.Add(fmt.Sprintf("VERB%d", i), "/", 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add("ONEMORE", "/", 1); err == nil {
		t.Error("more methods than a mask has bits are accepted")
	}
	if err := b.Add("TRACE", "/", 1); err != nil {
		t.Errorf("a numbered method is refused: %v", err)
	}
}

func TestFirstOfShapeWins(t *testing.T) {
	var b Builder
	for i, add := range []struct {
		method, pattern string
		shadowed        bool
	}{
		{"GET", "/{a}", false},
		{"GET", "/{b}", true},
		{"GET", "/{b:str}", true},
		{"POST", "/{b}", false},
		{"GET", "/{b:int}", false},
		{"GET", "/{b}x", false},
	} {
		if err := b.Add(add.method, add.pattern, ID(i+1)); errors.Is(err, ErrShadowed) != add.shadowed || (err != nil) != add.shadowed {
			t.Errorf("%s %s: %v", add.method, add.pattern, err)
		}
	}
	table := b.Build(Options{})
	var m Match
	if ask(table, &m, "GET", "/q"); m.Route != 1 {
		t.Errorf("route %d answers, not the first", m.Route)
	}
	if n := len(table.Routes()); n != 4 {
		t.Errorf("%d routes are listed, not 4", n)
	}
	if r := table.Routes()[1]; r.Method != "POST" || r.Pattern != "/{b}" || r.ID != 4 || len(r.Params) != 1 || r.Params[0] != "b" {
		t.Errorf("the second route is listed as %+v", r)
	}
}

func TestTableIsImmutable(t *testing.T) {
	var b Builder
	if err := b.Add("GET", "/ab", 1); err != nil {
		t.Fatal(err)
	}
	first := b.Build(Options{})
	for i, pattern := range []string{"/a", "/{x}", "/abc"} {
		if err := b.Add("GET", pattern, ID(i+2)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add("LOCK", "/ab", 9); err != nil {
		t.Fatal(err)
	}
	second := b.Build(Options{})
	var m Match
	for path, want := range map[string][2]ID{"/ab": {1, 1}, "/a": {None, 2}, "/zz": {None, 3}, "/abc": {None, 4}} {
		for i, table := range []*Table{first, second} {
			if ask(table, &m, "GET", path); m.Route != want[i] {
				t.Errorf("table %d: %s: route %d, want %d", i, path, m.Route, want[i])
			}
		}
	}
}

func TestConcurrentLookups(t *testing.T) {
	table := build(t, Options{RedirectSlashes: true}, "GET /{a}-{b}/x", "GET /s/{id:int}", "POST /{p:path}")
	var loops sync.WaitGroup
	for range 4 {
		loops.Go(func() {
			var m Match
			for i := range 2000 {
				v := fmt.Sprint(i)
				if got := ask(table, &m, "GET", "/"+v+"-%41/x"); m.Route != 1 || got[0] != v || got[1] != "%41" {
					t.Errorf("route %d, %q", m.Route, got)
				}
				if got := ask(table, &m, "GET", "/s/"+v); m.Route != 2 || got[0] != v {
					t.Errorf("route %d, %q", m.Route, got)
				}
				if ask(table, &m, "GET", "/none"); m.Status != 405 || string(m.Allow) != "POST" {
					t.Errorf("status %d, %s", m.Status, m.Allow)
				}
			}
		})
	}
	loops.Wait()
}
