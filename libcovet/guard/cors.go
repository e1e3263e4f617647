package guard

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// cors is cross-origin resource sharing
// (https://fetch.spec.whatwg.org/#http-cors-protocol).
type cors struct {
	*Config
	regex             *regexp.Regexp
	origins, allowed  map[string]bool
	methods           map[string]bool
	simple, preflight []line
}

func newCORS(c *Config) (guard, error) {
	g := &cors{
		Config: c, origins: setOf(c.Origins), allowed: setOf(c.AllowHeaders), methods: setOf(c.Methods),
		simple: linesOf(c.Simple), preflight: linesOf(c.Preflight),
	}
	if c.OriginRegex != "" {
		regex, err := regexp.Compile("^(?:" + c.OriginRegex + ")$")
		if err != nil {
			return nil, fmt.Errorf("allow_origin_regex: %w", err)
		}
		g.regex = regex
	}
	return g, nil
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}

func linesOf(pairs [][2]string) []line {
	lines := make([]line, len(pairs))
	for i, p := range pairs {
		lines[i] = line{name: p[0], value: []byte(p[1])}
	}
	return lines
}

func (g *cors) allows(origin []byte) bool {
	return g.AllOrigins || g.regex != nil && g.regex.Match(origin) || g.origins[string(origin)]
}

// refuse answers preflight requests.
func (g *cors) refuse(q *Question, _ *Ticket, r *Reply) bool {
	if q.Method != exchange.MethodOptions {
		return false
	}
	origin, ok := q.field("origin")
	if !ok {
		return false
	}
	method, ok := q.field("access-control-request-method")
	if !ok {
		return false
	}
	f := &r.Draft
	f.list = append(f.list, g.preflight...)
	var failures []string
	if !g.allows(origin) {
		failures = append(failures, "origin")
	} else if g.Explicit {
		f.set("access-control-allow-origin", origin)
	}
	if !g.methods[string(method)] {
		failures = append(failures, "method")
	}
	if wanted, ok := q.field("access-control-request-headers"); ok {
		if g.AllHeaders {
			f.set("access-control-allow-headers", wanted)
		} else if !g.allowsHeaders(wanted) {
			failures = append(failures, "headers")
		}
	}
	if _, ok := q.field("access-control-request-private-network"); ok {
		if g.Private {
			f.set("access-control-allow-private-network", []byte("true"))
		} else {
			failures = append(failures, "private-network")
		}
	}
	if failures != nil {
		r.plain(400, "Disallowed CORS "+strings.Join(failures, ", "))
	} else {
		r.plain(200, "OK")
	}
	return true
}

func (g *cors) allowsHeaders(wanted []byte) bool {
	for name := range bytes.SplitSeq(wanted, []byte{','}) {
		if !g.allowed[string(bytes.ToLower(bytes.TrimSpace(name)))] {
			return false
		}
	}
	return true
}

// decorate says what pages of the request's origin may do with a response.
func (g *cors) decorate(t *Ticket, f *Draft) {
	if t.hasOrigin {
		for _, l := range g.simple {
			f.set(l.name, l.value)
		}
		if g.Explicit && g.allows(t.origin) {
			f.set("access-control-allow-origin", t.origin)
		}
	}
	f.vary("Origin")
}
