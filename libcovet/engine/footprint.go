package engine

import (
	"bufio"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const library = "libcovet.so"

// span is a range of addresses.
type span struct{ start, end uintptr }

// releaseStartUp gives back what start-up used and serving does not: freed
// heap, and those parts of the library that only loading and start-up read.
// They come from the file again where they are needed after all.
func releaseStartUp() {
	var unwritten []span
	if maps, err := os.Open("/proc/self/smaps"); err == nil { // it is only a saving
		unwritten = unwrittenSpans(maps, library)
		_ = maps.Close()
	}
	debug.FreeOSMemory()
	for _, s := range unwritten {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, s.start, s.end-s.start, unix.MADV_DONTNEED)
	}
}

// unwrittenSpans finds the read-only mappings of a file that hold nothing but
// the file's contents: a relocated page, once dropped, would be lost.
func unwrittenSpans(maps io.Reader, file string) []span {
	var found []span
	var current span
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			current = span{}
			if len(fields) == 6 && strings.HasSuffix(fields[5], "/"+file) && (fields[1] == "r-xp" || fields[1] == "r--p") {
				current = parseSpan(fields[0])
			}
		case len(fields) >= 2 && fields[0] == "Anonymous:" && fields[1] == "0" && current.end > current.start:
			found = append(found, current)
		}
	}
	return found
}

// parseSpan reads what a mapping's line begins with; the zero span is none.
func parseSpan(text string) span {
	from, to, _ := strings.Cut(text, "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	if err1 != nil || err2 != nil {
		return span{}
	}
	return span{uintptr(start), uintptr(end)}
}
