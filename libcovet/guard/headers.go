package guard

import "strconv"

// security adds fields that responses lack.
type security struct {
	lines []line
	hsts  []byte
}

func newSecurity(c *Config) guard { return &security{lines: linesOf(c.Fields), hsts: []byte(c.HSTS)} }

func (g *security) refuse(*Question, *Ticket, *Reply) bool { return false }

func (g *security) decorate(t *Ticket, f *Draft) {
	for _, l := range g.lines {
		if !f.has(l.name) {
			f.add(l.name, l.value)
		}
	}
	if t.secure && len(g.hsts) > 0 && !f.has("strict-transport-security") {
		f.add("strict-transport-security", g.hsts)
	}
}

// timing says how many milliseconds the response took.
type timing struct{ label string }

func (g timing) refuse(*Question, *Ticket, *Reply) bool { return false }

func (g timing) decorate(t *Ticket, f *Draft) {
	start := len(f.text)
	f.text = append(f.text, g.label...)
	f.text = strconv.AppendFloat(f.text, float64(f.now-t.began)/1e6, 'f', 3, 64)
	f.add("server-timing", f.text[start:])
}
