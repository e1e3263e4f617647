package engine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// uvicornLine is the access line without an access_log_format.
const uvicornLine = `INFO:     %(client)s - "%(r)s" %(s)s %(reason)s`

// jsonObject is what access_log_format "json" stands for: the members in
// their order, of which each is an atom.
var jsonObject = [...][2]string{
	{"time", "iso"}, {"addr", "addr"}, {"method", "method"}, {"path", "path"}, {"query_string", "query_string"},
	{"protocol", "protocol"}, {"scheme", "scheme"}, {"status", "status"}, {"bytes", "B"}, {"dt_ms", "dt_ms"},
	{"referer", "f"}, {"user_agent", "a"},
}

// atomKind says what a part of an access line shows.
type atomKind uint8

const (
	atomText        atomKind = iota // as it is
	atomClient                      // address and port
	atomAddress                     // address without port
	atomUser                        // of Basic credentials
	atomMethod                      // as received
	atomPath                        // still percent-encoded
	atomQuery                       // without its question mark
	atomRequestLine                 // method, target, protocol
	atomProtocol                    // HTTP/1.1
	atomScheme                      // http or https
	atomReason                      // the status in words
	atomTime                        // 2026-11-23 20:05:31 +0000
	atomCommonTime                  // [23/Nov/2026:20:05:31 +0000]
	atomISOTime                     // 2026-11-23T20:05:31.123+00:00
	atomField                       // of the request
	atomAnswerField                 // of the response
	atomStatus                      // numbers from here on
	atomBytes                       // of the body
	atomBytesOrDash                 // the same, "-" for none
	atomElapsed                     // from the head's arrival to the answer's end
)

// atom is one part of an access line.
type atom struct {
	kind   atomKind
	text   string // as it is, or a field's name
	unit   int64  // nanoseconds that an elapsed time is counted in
	digits int    // of its fraction; 0 is a whole number
}

// lineFormat is a compiled access_log_format.
type lineFormat struct {
	atoms  []atom
	json   bool
	timed  bool // shows how long something took
	dated  bool // shows the time of day
	answer bool // shows fields of the response
}

// knownAtoms are granian's names, then gunicorn's, then our own.
var knownAtoms = map[string]atom{
	"addr": {kind: atomAddress}, "time": {kind: atomTime}, "dt_ms": {kind: atomElapsed, unit: int64(time.Millisecond), digits: 3},
	"status": {kind: atomStatus}, "path": {kind: atomPath}, "query_string": {kind: atomQuery},
	"method": {kind: atomMethod}, "scheme": {kind: atomScheme}, "protocol": {kind: atomProtocol},

	"h": {kind: atomAddress}, "l": {kind: atomText, text: "-"}, "u": {kind: atomUser}, "t": {kind: atomCommonTime},
	"r": {kind: atomRequestLine}, "m": {kind: atomMethod}, "U": {kind: atomPath}, "q": {kind: atomQuery},
	"H": {kind: atomProtocol}, "s": {kind: atomStatus}, "b": {kind: atomBytesOrDash}, "B": {kind: atomBytes},
	"f": {kind: atomField, text: "referer"}, "a": {kind: atomField, text: "user-agent"},
	"T": {kind: atomElapsed, unit: int64(time.Second)}, "M": {kind: atomElapsed, unit: int64(time.Millisecond)},
	"D": {kind: atomElapsed, unit: int64(time.Microsecond)}, "L": {kind: atomElapsed, unit: int64(time.Second), digits: 6},

	"client": {kind: atomClient}, "reason": {kind: atomReason}, "iso": {kind: atomISOTime},
}

// compileFormat reads an access_log_format: "" for uvicorn's line, "json" for
// an object in each line, or text with atoms in the form of Python's %.
func compileFormat(text string) (*lineFormat, error) {
	f := &lineFormat{json: text == "json"}
	switch {
	case text == "":
		text = uvicornLine
	case f.json:
		f.object()
		f.finish()
		return f, nil
	}
	if strings.ContainsAny(text, "\r\n\x00") {
		return nil, fmt.Errorf("access_log_format: %q has a line end", text)
	}
	for rest := text; rest != ""; {
		literal, spec, found := strings.Cut(rest, "%")
		f.literal(literal)
		if !found {
			break
		}
		a, after, err := readAtom(spec)
		if err != nil {
			return nil, fmt.Errorf("access_log_format: %w in %q", err, text)
		}
		f.add(a)
		rest = after
	}
	f.literal("\n")
	f.finish()
	return f, nil
}

func (f *lineFormat) object() {
	for i, member := range jsonObject {
		before := ","
		if i == 0 {
			before = "{"
		}
		f.literal(before + strconv.Quote(member[0]) + ":")
		f.add(knownAtoms[member[1]])
	}
	f.literal("}\n")
}

// add appends an atom; text joins the text before it.
func (f *lineFormat) add(a atom) {
	if a.kind == atomText {
		f.literal(a.text)
		return
	}
	f.atoms = append(f.atoms, a)
}

func (f *lineFormat) literal(text string) {
	if n := len(f.atoms); n > 0 && f.atoms[n-1].kind == atomText {
		f.atoms[n-1].text += text
	} else if text != "" {
		f.atoms = append(f.atoms, atom{kind: atomText, text: text})
	}
}

// finish notes what a line needs to know.
func (f *lineFormat) finish() {
	for i := range f.atoms {
		switch f.atoms[i].kind {
		case atomElapsed:
			f.timed = true
		case atomTime, atomCommonTime, atomISOTime:
			f.dated = true
		case atomAnswerField:
			f.answer = true
		}
	}
}

// readAtom reads what follows a percent sign and returns what follows that.
func readAtom(spec string) (a atom, rest string, err error) {
	if strings.HasPrefix(spec, "%") {
		return atom{kind: atomText, text: "%"}, spec[1:], nil
	}
	end := strings.IndexByte(spec, ')')
	if end < 0 || spec[0] != '(' {
		return atom{}, "", fmt.Errorf(`a %% that begins no atom such as %%(status)s (%%%% is one percent sign)`)
	}
	name := spec[1:end]
	if a, err = atomNamed(name); err != nil {
		return atom{}, "", err
	}
	rest, err = a.convert(name, spec[end+1:])
	return a, rest, err
}

func atomNamed(name string) (atom, error) {
	if a, ok := knownAtoms[name]; ok {
		return a, nil
	}
	if name == "p" {
		return atom{kind: atomText, text: fmt.Sprintf("<%d>", os.Getpid())}, nil
	}
	kind, field := atomField, ""
	switch open, shut := strings.IndexByte(name, '{'), strings.IndexByte(name, '}'); {
	case strings.HasPrefix(name, "header{") && shut == len(name)-1:
		field = name[len("header{"):shut]
	case open == 0 && strings.HasSuffix(name, "}i"):
		field = name[1 : len(name)-2]
	case open == 0 && strings.HasSuffix(name, "}o"):
		kind, field = atomAnswerField, name[1:len(name)-2]
	}
	field = strings.ToLower(strings.TrimSpace(field))
	if field == "" || strings.ContainsAny(field, "{}():, \t\"") {
		return atom{}, fmt.Errorf("unknown atom %%(%s)s", name)
	}
	return atom{kind: kind, text: field}, nil
}

// convert reads the conversion of Python's % operator: s, d, f or .3f.
func (a *atom) convert(name, spec string) (rest string, err error) {
	i, digits := 0, -1
	if strings.HasPrefix(spec, ".") {
		for i = 1; i < len(spec) && spec[i] >= '0' && spec[i] <= '9'; i++ {
		}
		if digits, err = strconv.Atoi(spec[1:i]); err != nil || digits > 6 {
			return "", fmt.Errorf("%%(%s)%s must have from 0 to 6 digits", name, spec[:i])
		}
	}
	if i == len(spec) || !strings.Contains("sdf", spec[i:i+1]) {
		return "", fmt.Errorf("%%(%s) must be followed by s, d, f or such as .3f", name)
	}
	verb := spec[i]
	switch {
	case verb == 's' && digits < 0:
	case verb == 'd' && digits < 0 && a.kind >= atomStatus:
		a.digits = 0
	case verb == 'f' && a.kind == atomElapsed:
		if a.digits = digits; digits < 0 {
			a.digits = 6
		}
	default:
		return "", fmt.Errorf("%%(%s)s cannot be shown as %%%s", name, spec[:i+1])
	}
	return spec[i+1:], nil
}
