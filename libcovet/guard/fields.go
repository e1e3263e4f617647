package guard

import (
	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Fields are the header fields of a response, in order. The zero value has
// none.
type Fields struct {
	list []line
	text []byte // what has been made by joining
}

// line is one field: of the response, with the name as it was given, or of a
// guard, with a name in lower case.
type line struct {
	given []byte
	name  string
	value []byte
}

// is reports whether the line has this name, which is in lower case.
func (l *line) is(name string) bool {
	if l.given != nil {
		return exchange.EqualName(l.given, name)
	}
	return l.name == name
}

// reset begins with packed fields, which must not change until pack.
func (f *Fields) reset(packed []byte) {
	f.list, f.text = f.list[:0], f.text[:0]
	for {
		name, value, rest, ok := exchange.NextField(packed)
		if !ok {
			return
		}
		packed = rest
		f.list = append(f.list, line{given: name, value: value})
	}
}

// pack appends the fields in the form of exchange.AppendField.
func (f *Fields) pack(dst []byte) []byte {
	for i := range f.list {
		l := &f.list[i]
		n := max(len(l.given), len(l.name))
		dst = append(dst, byte(n), byte(n>>8), byte(len(l.value)), byte(len(l.value)>>8))
		dst = append(append(dst, l.given...), l.name...)
		dst = append(dst, l.value...)
	}
	return dst
}

func (f *Fields) has(name string) bool {
	_, ok := f.get(name)
	return ok
}

// get returns the first value of the field.
func (f *Fields) get(name string) (value []byte, ok bool) {
	for i := range f.list {
		if f.list[i].is(name) {
			return f.list[i].value, true
		}
	}
	return nil, false
}

// set gives the field its one value, in the place of its first one.
func (f *Fields) set(name string, value []byte) {
	kept, found := f.list[:0], false
	for _, l := range f.list {
		if l.is(name) {
			if found {
				continue
			}
			l.value, found = value, true
		}
		kept = append(kept, l)
	}
	f.list = kept
	if !found {
		f.add(name, value)
	}
}

func (f *Fields) add(name string, value []byte) {
	f.list = append(f.list, line{name: name, value: value})
}

// vary adds a name to Vary, whose values become one.
func (f *Fields) vary(name string) {
	start := len(f.text)
	for _, l := range f.list {
		if l.is("vary") {
			f.text = append(append(f.text, l.value...), ", "...)
		}
	}
	f.text = append(f.text, name...)
	f.set("vary", f.text[start:])
}
