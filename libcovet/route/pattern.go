package route

import (
	"errors"
	"fmt"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// MaxParams is the most parameters that one pattern may have.
const MaxParams = len(Match{}.Params)

// maxPattern bounds the depth of the tree, in bytes.
const maxPattern = 4096

// kind is what a part of a pattern accepts. The order is the priority.
type kind uint8

const (
	literal   kind = iota
	kindInt        // [0-9]+
	kindUUID       // 8-4-4-4-12 hexadecimal digits, each dash optional
	kindFloat      // [0-9]+(\.[0-9]+)?
	kindStr        // [^/]+
	kindEnd        // the end of a segment, only to compare with
	kindPath       // .*
)

// part is a literal with its text, or a parameter.
type part struct {
	kind kind
	text string
}

// pattern is a parsed route pattern; no two literals follow each other.
type pattern struct {
	names []string
	parts []part
}

var (
	errNoSlash  = errors.New("it must begin with a slash")
	errLong     = fmt.Errorf("it is longer than %d bytes", maxPattern)
	errNUL      = errors.New("it has a NUL byte")
	errUnclosed = errors.New("a brace is never closed")
	errStray    = errors.New("a closing brace without an opening one")
	errCrowded  = fmt.Errorf("it has more than %d parameters", MaxParams)
)

// parsePattern reads what Starlette's compile_path reads, but refuses braces
// that Starlette would silently take as text.
func parsePattern(source string) (pattern, error) {
	var out pattern
	switch {
	case !strings.HasPrefix(source, "/"):
		return out, errNoSlash
	case len(source) > maxPattern:
		return out, errLong
	case strings.IndexByte(source, encodedSlash) >= 0:
		return out, errNUL
	}
	for rest := source; rest != ""; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			at = len(rest)
		}
		if at > 0 {
			out.parts = append(out.parts, part{literal, rest[:at]})
			rest = rest[at:]
			continue
		}
		if rest[0] == '}' {
			return out, errStray
		}
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return out, errUnclosed
		}
		if err := out.addParam(rest[1:end]); err != nil {
			return out, err
		}
		rest = rest[end+1:]
	}
	return out, nil
}

func (p *pattern) addParam(text string) error {
	name, converter, typed := strings.Cut(text, ":")
	if !isName(name) {
		return fmt.Errorf("%q is not a parameter name", name)
	}
	for _, other := range p.names {
		if other == name {
			return fmt.Errorf("the parameter %q is repeated", name)
		}
	}
	if len(p.names) == MaxParams {
		return errCrowded
	}
	k := kindStr
	if typed {
		var ok bool
		if k, ok = kindOf(converter); !ok {
			return fmt.Errorf("the parameter %q has an unknown type %q", name, converter)
		}
	}
	p.names = append(p.names, name)
	p.parts = append(p.parts, part{kind: k})
	return nil
}

func kindOf(converter string) (kind, bool) {
	switch converter {
	case "str":
		return kindStr, true
	case "int":
		return kindInt, true
	case "float":
		return kindFloat, true
	case "uuid":
		return kindUUID, true
	case "path":
		return kindPath, true
	}
	return literal, false
}

func isName(s string) bool {
	for i := range len(s) {
		b := s[i] | 0x20
		if s[i] != '_' && (b < 'a' || b > 'z') && (i == 0 || !isDigit(s[i])) {
			return false
		}
	}
	return s != ""
}

// shape is equal for two patterns that accept the same paths in the same way.
func (p *pattern) shape() string {
	var b strings.Builder
	for _, q := range p.parts {
		if q.kind == literal {
			b.WriteString(q.text)
		} else {
			b.WriteByte(encodedSlash) // no literal has it
			b.WriteByte(byte(q.kind))
		}
	}
	return b.String()
}

// step is a way from node to node: a literal, then an edge if it has parts.
type step struct {
	text  string
	parts []part
	tail  bool
}

// steps cuts a pattern where the tree branches. The parts of an edge reach
// from a segment's first parameter to the segment's end, so what they match
// does not depend on the rest; a path parameter takes all that follows along.
func (p *pattern) steps() []step {
	var out []step
	for parts := p.parts; len(parts) > 0; {
		var s step
		if parts[0].kind == literal {
			s.text, parts = parts[0].text, parts[1:]
		}
		s.parts, s.tail, parts = cutSegment(parts)
		out = append(out, s)
	}
	return out
}

func cutSegment(parts []part) (segment []part, tail bool, rest []part) {
	for i, q := range parts {
		switch q.kind {
		case kindPath:
			return parts, true, nil
		case literal:
			slash := strings.IndexByte(q.text, '/')
			if slash < 0 {
				continue
			}
			segment = append(segment, parts[:i]...)
			if slash > 0 {
				segment = append(segment, part{literal, q.text[:slash]})
			}
			rest = append(rest, part{literal, q.text[slash:]})
			return segment, false, append(rest, parts[i+1:]...)
		}
	}
	return parts, false, nil
}

// compareParts orders edges by priority: element by element the narrower kind
// first, and of two literals the longer one.
func compareParts(a, b []part) int {
	for i := 0; ; i++ {
		x, y := part{kind: kindEnd}, part{kind: kindEnd}
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		switch {
		case x.kind != y.kind:
			return int(x.kind) - int(y.kind)
		case x.kind == kindEnd:
			return 0
		case len(x.text) != len(y.text):
			return len(y.text) - len(x.text)
		case x.text != y.text:
			return strings.Compare(x.text, y.text)
		}
	}
}

// validMethod reports whether s is a token (RFC 9110, section 5.6.2).
func validMethod(s string) bool {
	for i := range len(s) {
		b := s[i]
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		if !letter && !isDigit(b) && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return s != ""
}

// maxVerbs is how many methods beside the numbered ones fit in a leaf's mask.
const maxVerbs = 64 - int(exchange.NumMethods)
