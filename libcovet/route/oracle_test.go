package route

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

// oracle tries one regular expression per route, in order of priority.
type oracle struct{ routes []oracleRoute }

type oracleRoute struct {
	method, key string
	id          ID
	expression  *regexp.Regexp
}

var (
	paramSyntax = regexp.MustCompile(`\{\w+(?::(\w+))?\}`)
	octetSyntax = regexp.MustCompile(`%[0-9a-fA-F]{2}|[^%]`)
	expressions = map[string]string{
		"": `([^/]+)`, "str": `([^/]+)`, "int": `([0-9]+)`, "float": `([0-9]+(?:\.[0-9]+)?)`, "path": `((?s:.*))`,
		"uuid": `([0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12})`,
	}
	ranks = map[string]string{"int": "\x02", "uuid": "\x03", "float": "\x04", "": "\x05", "str": "\x05", "path": "\x07"}
)

func (o *oracle) add(method, pattern string, id ID) {
	var expression strings.Builder
	rest := pattern
	for _, at := range paramSyntax.FindAllStringSubmatchIndex(pattern, -1) {
		literal := pattern[len(pattern)-len(rest) : at[0]]
		kind := ""
		if at[2] >= 0 {
			kind = pattern[at[2]:at[3]]
		}
		expression.WriteString(regexp.QuoteMeta(literal) + expressions[kind])
		rest = pattern[at[1]:]
	}
	expression.WriteString(regexp.QuoteMeta(rest))
	o.routes = append(o.routes, oracleRoute{method, priority(pattern), id, regexp.MustCompile(`\A` + expression.String() + `\z`)})
	sort.SliceStable(o.routes, func(i, j int) bool { return o.routes[i].key < o.routes[j].key })
}

// priority is a string that sorts as the patterns do: what ends, literal
// bytes, segments with parameters, and those with a path.
func priority(pattern string) string {
	var key strings.Builder
	for rest := pattern; rest != ""; {
		if rest[0] != '{' {
			key.WriteString("\x01" + rest[:1])
			rest = rest[1:]
			continue
		}
		segment, _, _ := strings.Cut(rest, "/")
		if strings.Contains(segment, ":path}") {
			segment = rest
			key.WriteString("\x03")
		} else {
			key.WriteString("\x02")
		}
		rest = rest[len(segment):]
		for segment != "" {
			n := strings.IndexByte(segment, '{')
			if n < 0 {
				n = len(segment)
			}
			if n > 0 {
				fmt.Fprintf(&key, "\x01%05d%s", maxPattern-n, segment[:n])
			} else {
				n = strings.IndexByte(segment, '}') + 1
				_, kind, _ := strings.Cut(strings.Trim(segment[:n], "{}"), ":")
				key.WriteString(ranks[kind])
			}
			segment = segment[n:]
		}
		key.WriteString("\x06")
	}
	return key.String()
}

// lookup returns what outcome would write of the match.
func (o *oracle) lookup(method, path string, redirect bool) string {
	octets := octetSyntax.FindAllString(path, -1)
	if strings.Join(octets, "") != path {
		return "=400"
	}
	var decoded strings.Builder
	for _, octet := range octets {
		b := octet[0]
		if b == '%' {
			if _, err := fmt.Sscanf(octet, "%%%02x", &b); err != nil || b == 0 {
				return "=400"
			}
			if b == '/' {
				b = 0
			}
		}
		decoded.WriteByte(b)
	}
	text := decoded.String()
	found, methods := o.find(method, text, octets)
	switch {
	case found != "":
		return found
	case methods != nil:
		return "=405 " + strings.Join(methods, ", ")
	case !redirect || len(text) < 2 || text[0] != '/':
		return "=404"
	case strings.HasSuffix(text, "/"):
		text = text[:len(text)-1]
	default:
		text, octets = text+"/", append(octets, "/")
	}
	if found, methods = o.find(method, text, octets); found != "" || methods != nil {
		return "=307"
	}
	return "=404"
}

func (o *oracle) find(method, text string, octets []string) (found string, methods []string) {
	for _, r := range o.routes {
		at := r.expression.FindStringSubmatchIndex(text)
		if at == nil {
			continue
		}
		if r.method != method {
			methods = append(methods, r.method)
			continue
		}
		words := []string{fmt.Sprint(r.id)}
		for i := 2; i < len(at); i += 2 {
			words = append(words, strings.Join(octets[at[i]:at[i+1]], ""))
		}
		return strings.Join(words, " "), nil
	}
	slices.Sort(methods)
	return "", slices.Compact(methods)
}

// Both alphabets are small, so that routes and paths meet often.
var (
	patternPieces = []string{
		"\n", "/", "/", "a", "b", "1", ".", "-", "A b", "/{}", "{}", "{:int}", "{:float}", "{:uuid}", "{:path}", "/{:int}", "/a", "{}-{}",
	}
	pathPieces = []string{
		"/", "/", "a", "b", "1", "12", ".", "-", "a", "%61", "%2f", "%2F", "A%20b", "%31", "%", "%00",
		"0123456789abcdef0123456789ABCDEF", "01234567-89ab-cdef-0123-456789ABCDEF", "/a", "/1", "1.5",
	}
	someMethods = []string{"GET", "POST", "PROPFIND"}
)

func spell(data []byte, pieces []string) string {
	var out strings.Builder
	for _, b := range data {
		out.WriteString(pieces[int(b)%len(pieces)])
	}
	return out.String()
}

// spellPatterns names the parameters and keeps the patterns that are valid.
func spellPatterns(data []byte) []string {
	patterns := strings.Split(spell(data, patternPieces), "\n")
	for i, pattern := range patterns {
		var out strings.Builder
		for n, piece := range strings.Split("/"+pattern, "{") {
			if n > 0 {
				fmt.Fprintf(&out, "{p%d", n)
			}
			out.WriteString(piece)
		}
		patterns[i] = out.String()
	}
	return patterns
}

// spellPath makes two paths of three by filling in one of the patterns.
func spellPath(data []byte, patterns []string) string {
	if len(data) == 0 || data[0]%3 == 0 {
		return "/" + spell(data, pathPieces)
	}
	values := data[1:]
	path := paramSyntax.ReplaceAllStringFunc(patterns[int(data[0])%len(patterns)], func(string) string {
		if len(values) == 0 {
			return "1"
		}
		value := pathPieces[int(values[0])%len(pathPieces)]
		values = values[1:]
		return value
	})
	path = strings.ReplaceAll(path, " ", "%20") + spell(values[:min(len(values), int(data[0]>>7))], pathPieces)
	if data[0]&0x40 != 0 {
		path = strings.Replace(path, "a", "%61", 1)
	}
	if data[0]&0x30 == 0x30 {
		path += "/"
	}
	return path
}

// agree compares the tree with the oracle on one table and one path.
func agree(t *testing.T, routes, path []byte, method byte, redirect bool) uint16 {
	var b Builder
	var o oracle
	patterns := spellPatterns(routes)
	for i, pattern := range patterns {
		name := someMethods[i%len(someMethods)]
		if err := b.Add(name, pattern, ID(i+1)); err == nil {
			o.add(name, pattern, ID(i+1))
		}
	}
	table := b.Build(Options{RedirectSlashes: redirect})
	var m Match
	text, name := spellPath(path, patterns), someMethods[int(method)%len(someMethods)]
	got, want := outcome(&m, ask(table, &m, name, text)), o.lookup(name, text, redirect)
	if got != want {
		t.Errorf("%s %s on %+v:\n got %q\nwant %q", name, text, table.Routes(), got, want)
	}
	return m.Status
}

func FuzzLookup(f *testing.F) {
	f.Fuzz(func(t *testing.T, routes, path []byte, method byte, redirect bool) {
		if len(routes) <= 200 && len(path) <= 60 {
			agree(t, routes, path, method, redirect)
		}
	})
}

func TestAgreesWithRegexps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	bytes := func(most int) []byte {
		p := make([]byte, random.IntN(most))
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		return p
	}
	answers := map[uint16]int{}
	for range 40000 {
		answers[agree(t, bytes(40), bytes(10), byte(random.Uint32()), random.IntN(2) == 0)]++
		if t.Failed() {
			return
		}
	}
	for _, status := range []uint16{0, 307, 400, 404, 405} {
		if answers[status] < 200 {
			t.Errorf("only %d of the lookups have status %d: the test says little about it", answers[status], status)
		}
	}
}
