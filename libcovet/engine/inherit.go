package engine

import (
	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/native"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// inherit decides what becomes of an exchange of a dead worker.
func (l *loop) inherit(id bridge.ID, slot *bridge.Slot, begun bool, fates *Fates) {
	i := l.bySlot[l.local(id)]
	if i == 0 {
		l.port.Release(id)
		return
	}
	o := l.owed.at(i)
	switch {
	case o.gone:
		l.release(i, o)
	case !begun:
		fates.Moved++
		l.repost(id, slot, o)
	case slot.WorkerFlags()&(bridge.WorkerEnd|bridge.WorkerAbort) == bridge.WorkerEnd:
		l.news(id, slot) // the worker had finished it
	case l.mayRepeat(slot, o) && l.repeat(i, o):
		fates.Repeated++
	default:
		fates.Failed++
		o.refusal = 502
		l.news(id, slot)
	}
}

// mayRepeat reports whether a begun request may be carried out again: nothing
// of its answer was sent, it is safe, and the first time.
func (l *loop) mayRepeat(slot *bridge.Slot, o *owed) bool {
	return !o.started && !o.repeated && slot.Repeatable() && o.routes.repeatable(slot.Route())
}

// repeat gives the request of a dead worker to another one.
func (l *loop) repeat(i uint32, o *owed) bool {
	old := o.id
	id, slot, ok := l.port.Repeat(old)
	if !ok {
		return false
	}
	l.bySlot[l.local(old)] = 0
	l.port.Release(old)
	o.id, o.repeated = id, true
	if c := l.net.Conn(o.conn, o.generation); c != nil && o.socket {
		l.session(c).socket.id = id
	}
	l.bySlot[l.local(id)] = i
	l.repost(id, slot, o)
	return true
}

// repost gives a request that nobody has begun to a worker. Without one it
// waits for the next, unless that will have other routes.
func (l *loop) repost(id bridge.ID, slot *bridge.Slot, o *owed) {
	place := l.crew.pick(o.routes.version, l.now)
	switch {
	case place != nobody && l.port.Post(place, id):
	case place == nobody && o.routes != l.routes:
		l.port.Conclude(slot)
		o.refusal = 503
		l.news(id, slot)
	default:
		l.orphans = append(l.orphans, id)
	}
}

// feedOrphans tries again to find workers for requests that wait for one.
func (l *loop) feedOrphans() {
	waiting := l.orphans
	l.orphans = nil
	for _, id := range waiting {
		slot := l.port.Lookup(id)
		if slot == nil {
			continue
		}
		i := l.bySlot[l.local(id)]
		if o := l.owed.at(i); o.gone {
			l.release(i, o)
		} else {
			l.repost(id, slot, o)
		}
	}
	l.count.orphans.Store(uint64(len(l.orphans)))
}

// refuseOwed answers an owed request that no worker will answer. The worker
// may have done a part of it, so the client must know.
func (l *loop) refuseOwed(s *session, c *netio.Conn, o *owed) {
	status, reason, extra := 502, "The worker process ended while it handled this request", []byte(nil)
	if o.refusal == 503 {
		status, reason, extra = 503, "No worker process is left for this request", retryAfter
	}
	native.Refusal(&l.response, status, reason, extra, l.scratch)
	l.scratch = l.response.Body
	if o.expect || (l.draining || s.ended) && s.count == 1 {
		o.keepAlive = false
	}
	l.answerOwed(c, o)
}

// answerOwed writes l.response in place of a worker's answer.
func (l *loop) answerOwed(c *netio.Conn, o *owed) {
	r := &l.response
	if by := l.decorate(o); by != nil {
		l.compressNow(by)
	}
	if o.head {
		r.Flags |= exchange.NoBody
	} else {
		o.sent = int64(len(r.Body))
	}
	o.status, o.ended = r.Status, true
	c.Commit(appendResponse(c.Reserve(512), r, o.minor, o.keepAlive, &l.stamp))
}
