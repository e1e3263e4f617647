package guard

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/covetpy/covetpy/libcovet/coding"
	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Level is a coding and how hard it tries.
type Level struct {
	Name  string `json:"name"`
	Level int    `json:"level"`
}

// compression chooses how bodies are compressed.
type compression struct {
	least    int64
	codings  []*coding.Coding // the best first
	excluded map[string]bool
	byNumber [exchange.NumTypes]bool // whether a numbered type is excluded
}

func newCompression(c *Config) (guard, error) {
	g := &compression{least: c.MinimumSize, excluded: setOf(c.Exclude)}
	for _, l := range c.Codings {
		made, err := coding.New(l.Name, l.Level)
		if err != nil {
			return nil, err
		}
		g.codings = append(g.codings, made)
	}
	for t := range exchange.NumTypes {
		g.byNumber[t] = g.excludes([]byte(t.String()))
	}
	return g, nil
}

// excludes reports whether bodies of a Content-Type stay as they are.
func (g *compression) excludes(value []byte) bool {
	media, _, _ := strings.Cut(strings.ToLower(string(value)), ";")
	media = strings.TrimSpace(media)
	kind, _, _ := strings.Cut(media, "/")
	return g.excluded[media] || g.excluded[kind+"/*"] ||
		strings.HasPrefix(media, "application/grpc+") && g.excluded["application/grpc"]
}

func (g *compression) refuse(*Question, *Ticket, *Reply) bool { return false }

func (g *compression) decorate(t *Ticket, d *Draft) {
	if d.status == 206 || d.status == 204 || d.status == 304 || d.length >= 0 && d.length < g.least ||
		d.has("content-encoding") || g.leavesType(d) {
		return
	}
	d.vary("Accept-Encoding")
	if c := g.preferred(t.accepted); c != nil {
		d.set("content-encoding", []byte(c.Name))
		d.Coding = c
		weaken(d)
	}
}

// weaken makes a strong ETag weak, as it stays the same for other bytes (RFC
// 9110, section 8.8.3).
func weaken(d *Draft) {
	if tag, ok := d.get("etag"); ok && len(tag) > 0 && tag[0] == '"' {
		start := len(d.text)
		d.text = append(append(d.text, "W/"...), tag...)
		d.set("etag", d.text[start:])
	}
}

func (g *compression) leavesType(d *Draft) bool {
	if d.media != exchange.TypeNone {
		return g.byNumber[min(d.media, exchange.NumTypes-1)]
	}
	value, _ := d.get("content-type")
	return g.excludes(value)
}

// preferred is the coding that the client likes best (RFC 9110, section
// 12.5.3), or nil for the body as it is.
func (g *compression) preferred(accepted []byte) *coding.Coding {
	if len(accepted) == 0 {
		return nil
	}
	var best *coding.Coding
	most := 0.0
	rest := weightOf(accepted, "*", 0)
	for _, c := range g.codings {
		if w := weightOf(accepted, c.Name, rest); w > most {
			best, most = c, w
		}
	}
	if most < weightOf(accepted, "identity", 0) {
		return nil
	}
	return best
}

// weightOf is the quality of a name in Accept-Encoding, other if it is not
// there; of a repeated one, the last.
func weightOf(accepted []byte, name string, other float64) float64 {
	weight := other
	for part := range bytes.SplitSeq(accepted, []byte{','}) {
		given, parameters, _ := bytes.Cut(part, []byte{';'})
		given = bytes.TrimSpace(given)
		if exchange.EqualName(given, name) || name == "gzip" && exchange.EqualName(given, "x-gzip") {
			weight = quality(parameters)
		}
	}
	return weight
}

func quality(parameters []byte) float64 {
	for parameter := range bytes.SplitSeq(parameters, []byte{';'}) {
		name, value, _ := bytes.Cut(parameter, []byte{'='})
		if exchange.EqualName(bytes.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
			if err != nil || q != q {
				return 0
			}
			return min(max(q, 0), 1)
		}
	}
	return 1
}
