package engine

import (
	"io"
	"strings"
	"sync"
	"time"
)

// Levels of the engine's own log, in uvicorn's names and order.
const (
	levelTrace = iota
	levelDebug
	levelInfo
	levelWarning
	levelError
	levelCritical
)

var levelNames = [...]string{"trace", "debug", "info", "warning", "error", "critical"}

// logBurst is how many lines a second the engine writes about its clients; a
// flood of bad ones must not become a flood of lines.
const logBurst = 20

// log writes lines in uvicorn's form. It is safe for use by several loops.
type log struct {
	out   io.Writer
	level int

	mu      sync.Mutex
	second  int64
	lines   int
	dropped int
}

func newLog(out io.Writer, level string) *log {
	l := &log{out: out, level: levelInfo}
	for i, name := range levelNames {
		if name == strings.ToLower(level) {
			l.level = i
		}
	}
	return l
}

func (l *log) debug(text string) { l.write(levelDebug, text) }
func (l *log) info(text string)  { l.write(levelInfo, text) }
func (l *log) warn(text string)  { l.write(levelWarning, text) }

func (l *log) write(level int, text string) {
	if level < l.level {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now().Unix(); now != l.second {
		l.second, l.lines = now, 0
		if l.dropped > 0 {
			l.line(levelWarning, itoa(l.dropped)+" more lines like these were left out")
			l.dropped = 0
		}
	}
	if l.lines++; l.lines > logBurst {
		l.dropped++
		return
	}
	l.line(level, text)
}

func (l *log) line(level int, text string) {
	name := strings.ToUpper(levelNames[level]) + ":"
	for len(name) < 10 {
		name += " "
	}
	// A log that cannot be written must not stop the server.
	_, _ = io.WriteString(l.out, name+text+"\n")
}
