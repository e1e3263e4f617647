// Command libcovet is the engine's C ABI: a shared library built with
// -buildmode=c-shared. Engines are named by handles, never by pointers, and
// no panic crosses the border.
package main

/*
#include <stdint.h>
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/go-python/gopy/gopyh"

	"github.com/covetpy/covetpy/libcovet/engine"
)

// Version is the engine's version, the same as the Python package's.
const Version = "0.1.0"

const handleType = "*engine.Engine"

func main() {}

// find returns the engine of a handle, or nil.
func find(h C.int64_t) *engine.Engine {
	v, err := gopyh.VarFromHandleTry(gopyh.CGoHandle(h), handleType)
	if err != nil {
		return nil
	}
	e, ok := v.(*engine.Engine)
	if !ok {
		return nil
	}
	return e
}

// guard turns a panic into an error text, for none may cross the border.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("engine failure: %v", r)
	}
}

// put writes text and a final NUL into a C buffer of n bytes, cut to fit, and
// returns the text's full length.
func put(buf *C.char, n C.int, text []byte) C.int {
	if buf != nil && n > 0 {
		room := unsafe.Slice((*byte)(unsafe.Pointer(buf)), int(n))
		k := copy(room[:n-1], text)
		room[k] = 0
	}
	return C.int(len(text))
}
