package engine

import (
	"slices"
	"strings"
	"testing"
)

const smaps = `7f1000-7f2000 r--p 00000000 fd:00 1 /a/libcovet.so
Size:                  4 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
7f2000-7f4000 r-xp 00001000 fd:00 1 /a/libcovet.so
Anonymous:             0 kB
7f4000-7f5000 r--p 00003000 fd:00 1 /a/libcovet.so
Anonymous:             4 kB
7f5000-7f6000 rw-p 00004000 fd:00 1 /a/libcovet.so
Anonymous:             0 kB
7f6000-7f7000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7f7000-7f8000 r--p 00000000 fd:00 2 /a/notlibcovet.so
Anonymous:             0 kB
7f8000-7f9000 r--p 00000000 00:00 0 [vvar]
Anonymous:             0 kB
`

func TestOnlySpansThatNobodyHasWrittenAreGivenBack(t *testing.T) {
	found := unwrittenSpans(strings.NewReader(smaps), "libcovet.so")
	if want := []span{{0x7f1000, 0x7f2000}, {0x7f2000, 0x7f4000}}; !slices.Equal(found, want) {
		t.Fatalf("found %x, not %x", found, want)
	}
}
