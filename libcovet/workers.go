package main

/*
#include <stdint.h>
*/
import "C"

import (
	"encoding/json"

	"github.com/covetpy/covetpy/libcovet/engine"
)

//export covet_engine_install
func covet_engine_install(h C.int64_t, config *C.char, message *C.char, room C.int) C.int {
	table := C.int(failed)
	err := with(h, func(e *engine.Engine) error {
		version, err := e.Install([]byte(C.GoString(config)))
		if err == nil {
			table = C.int(version)
		}
		return err
	})
	return result(table, err, message, room)
}

//export covet_engine_admit
func covet_engine_admit(h C.int64_t, place C.int, table C.uint32_t, message *C.char, room C.int) C.int {
	err := with(h, func(e *engine.Engine) error { return e.Admit(int(place), uint32(table)) })
	return result(0, err, message, room)
}

//export covet_engine_retire
func covet_engine_retire(h C.int64_t, place C.int, message *C.char, room C.int) C.int {
	err := with(h, func(e *engine.Engine) error { return e.Retire(int(place)) })
	return result(0, err, message, room)
}

// covet_engine_reclaim writes what became of the requests, as JSON, or why it
// failed.
//
//export covet_engine_reclaim
func covet_engine_reclaim(h C.int64_t, place C.int, text *C.char, room C.int) C.int {
	var fates engine.Fates
	err := with(h, func(e *engine.Engine) (err error) {
		fates, err = e.Reclaim(int(place))
		return err
	})
	if err != nil {
		return result(0, err, text, room)
	}
	b, err := json.Marshal(fates)
	if err != nil {
		return result(0, err, text, room)
	}
	return put(text, room, b)
}

//export covet_engine_event_fd
func covet_engine_event_fd(h C.int64_t) C.int {
	fd := failed
	err := with(h, func(e *engine.Engine) (err error) {
		fd, err = e.EventFD()
		return err
	})
	if err != nil {
		return failed
	}
	return C.int(fd)
}

//export covet_engine_events
func covet_engine_events(h C.int64_t, buf *C.char, room C.int) C.int {
	n := C.int(failed)
	err := with(h, func(e *engine.Engine) error {
		b, err := e.EventsJSON()
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

// result is what a call returns: n, or failed with the reason in message.
func result(n C.int, err error, message *C.char, room C.int) C.int {
	if err != nil {
		put(message, room, []byte(err.Error()))
		return failed
	}
	return n
}
