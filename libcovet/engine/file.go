package engine

import (
	"errors"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/netio"
)

var errNotPlain = errors.New("the body goes out in another form than the file's")

// writeFile puts a part of a file into the output, which the worker has open. Once the engine has it open too, nothing of
// the worker is needed any more; if it cannot be opened, the worker sends the bytes instead.
func (l *loop) writeFile(c *netio.Conn, o *owed, slot *bridge.Slot) {
	file, fd, err := l.openFile(o, slot)
	if err != nil {
		if !l.filesRefused {
			l.filesRefused = true
			l.engine.log.debug("a worker sends a file by itself: " + err.Error())
		}
		slot.RaiseEngine(bridge.EngineFileRefused)
		return
	}
	slot.RaiseEngine(bridge.EngineFileTaken)
	o.left -= file.Length
	o.sent += file.Length
	c.SendFile(fd, file.Offset, file.Length)
}

func (l *loop) openFile(o *owed, slot *bridge.Slot) (bridge.File, int, error) {
	file, err := l.port.TakeFile(o.id, slot)
	if err != nil {
		return file, -1, err
	}
	if o.head || o.framed || o.encoder != nil || o.left < file.Length {
		return file, -1, errNotPlain
	}
	fd, err := l.port.OpenFile(slot, file)
	return file, fd, err
}
