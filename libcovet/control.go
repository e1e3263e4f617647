package main

/*
#include <stdint.h>
*/
import "C"

import (
	"errors"
	"time"
	"unsafe"

	"github.com/go-python/gopy/gopyh"

	"github.com/covetpy/covetpy/libcovet/engine"
)

var errNoEngine = errors.New("no such engine: it was never made, or has been freed")

// The values that the functions below return for failures.
const (
	failed  = -1
	timeout = -2
)

//export covet_engine_new
func covet_engine_new(config *C.char, message *C.char, room C.int) C.int64_t {
	e, err := create(C.GoString(config))
	if err != nil {
		put(message, room, []byte(err.Error()))
		return failed
	}
	h := gopyh.Register(handleType, e)
	gopyh.IncRef(h)
	return C.int64_t(h)
}

func create(text string) (e *engine.Engine, err error) {
	defer guard(&err)
	c, err := engine.ParseConfig([]byte(text))
	if err != nil {
		return nil, err
	}
	return engine.New(c)
}

//export covet_engine_start
func covet_engine_start(h C.int64_t, message *C.char, room C.int) C.int {
	err := with(h, (*engine.Engine).Start)
	if err != nil {
		put(message, room, []byte(err.Error()))
		return failed
	}
	return 0
}

//export covet_engine_channel
func covet_engine_channel(h C.int64_t, place C.int, fds *C.int, room C.int) C.int {
	n := C.int(failed)
	err := with(h, func(e *engine.Engine) error {
		all, err := e.Descriptors(int(place))
		out := unsafe.Slice(fds, int(room))
		for i := 0; i < len(all) && i < len(out); i++ {
			out[i] = C.int(all[i])
		}
		n = C.int(len(all))
		return err
	})
	if err != nil {
		return failed
	}
	return n
}

//export covet_engine_address
func covet_engine_address(h C.int64_t, index C.int, buf *C.char, room C.int) C.int {
	e := find(h)
	if e == nil || e.Address(int(index)) == "" {
		return failed
	}
	return put(buf, room, []byte(e.Address(int(index))))
}

//export covet_engine_status
func covet_engine_status(h C.int64_t, buf *C.char, room C.int) C.int {
	n := C.int(failed)
	err := with(h, func(e *engine.Engine) error {
		b, err := e.StatusJSON()
		if err == nil {
			n = put(buf, room, b)
		}
		return err
	})
	if err != nil {
		return failed
	}
	return n
}

//export covet_engine_drain
func covet_engine_drain(h C.int64_t) C.int {
	err := with(h, func(e *engine.Engine) error {
		e.Drain()
		return nil
	})
	if err != nil {
		return failed
	}
	return 0
}

//export covet_engine_stop
func covet_engine_stop(h C.int64_t, limitMS C.int) C.int {
	ended := false
	err := with(h, func(e *engine.Engine) error {
		ended = e.Stop(time.Duration(limitMS) * time.Millisecond)
		return nil
	})
	switch {
	case err != nil:
		return failed
	case !ended:
		return timeout
	}
	return 0
}

//export covet_engine_free
func covet_engine_free(h C.int64_t) C.int {
	err := with(h, func(e *engine.Engine) error {
		// A loop that did not end still uses the channel: then leak, never crash.
		if e.Stop(time.Second) {
			e.Free()
		}
		gopyh.DecRef(gopyh.CGoHandle(h))
		return nil
	})
	if err != nil {
		return failed
	}
	return 0
}

// with calls do with the engine of a handle and keeps panics on this side.
func with(h C.int64_t, do func(*engine.Engine) error) (err error) {
	defer guard(&err)
	e := find(h)
	if e == nil {
		return errNoEngine
	}
	return do(e)
}
