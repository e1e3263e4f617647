package engine

import (
	"sync/atomic"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/websocket"
)

// mostBehind is how many bytes a client may have left unread when something
// is published to it: one that reads too slowly is disconnected.
const mostBehind = 1 << 20

// topics are the subscriptions of one loop's WebSockets. Each loop has its
// own, so there is no lock.
type topics map[string]*topic

type topic struct {
	name    string
	members []subscriber
}

// subscriber is one subscriber; at is the place in its own list.
type subscriber struct {
	socket *socket
	at     int
}

// membership is one subscription of a WebSocket; at is its place among the
// topic's members.
type membership struct {
	topic *topic
	at    int
}

func (l *loop) subscribe(w *socket, name string) {
	for _, m := range w.topics {
		if m.topic.name == name {
			return
		}
	}
	t := l.topics[name]
	if t == nil {
		t = &topic{name: name}
		if l.topics == nil {
			l.topics = topics{}
		}
		l.topics[name] = t
	}
	t.members = append(t.members, subscriber{w, len(w.topics)})
	w.topics = append(w.topics, membership{t, len(t.members) - 1})
}

func (l *loop) unsubscribe(w *socket, name string) {
	for i, m := range w.topics {
		if m.topic.name == name {
			l.leaveTopic(m)
			last := len(w.topics) - 1
			if i != last {
				w.topics[i] = w.topics[last]
				w.topics[i].topic.members[w.topics[i].at].at = i
			}
			w.topics = w.topics[:last]
			return
		}
	}
}

// leaveTopic takes a subscriber out of a topic; the last one takes its place.
func (l *loop) leaveTopic(m membership) {
	t, last := m.topic, len(m.topic.members)-1
	t.members[m.at] = t.members[last]
	t.members[m.at].socket.topics[t.members[m.at].at].at = m.at
	t.members[last] = subscriber{}
	t.members = t.members[:last]
	if last == 0 {
		delete(l.topics, t.name)
	}
}

func (l *loop) leaveTopics(w *socket) {
	for len(w.topics) > 0 {
		last := len(w.topics) - 1
		l.leaveTopic(w.topics[last])
		w.topics = w.topics[:last]
	}
	w.topics = nil
}

// ---- what is published ----

// image is a message for all subscribers of a topic, as a frame. It is built
// once, and once more, compressed, for the first that takes it so.
type image struct {
	topic    string
	opcode   websocket.Opcode
	payload  []byte
	frame    []byte
	deflated atomic.Pointer[[]byte]
}

// broadcast is an image on its way to one loop.
type broadcast struct {
	*image
	next *broadcast
}

// publishing is a message that a worker is publishing piece by piece.
type publishing struct {
	kind  bridge.RecordKind
	topic int
	bytes []byte
}

// takePublished takes what a worker tells about no exchange.
func (l *loop) takePublished(id bridge.ID, slot *bridge.Slot) {
	if !slot.IsControl() {
		return
	}
	took := false
	for {
		block, n, ok := l.port.TakePiece(slot)
		if !ok {
			break
		}
		took = true
		rest := l.port.Bytes(block)[:n]
		for len(rest) > 0 {
			var r bridge.Record
			if r, rest, ok = bridge.NextRecord(rest); !ok {
				break
			}
			l.published(id, &r)
		}
		l.port.Free(block, id)
	}
	if took {
		l.port.Notify(id, slot)
	}
}

func (l *loop) published(id bridge.ID, r *bridge.Record) {
	p := l.publishing[id]
	if p == nil {
		p = &publishing{kind: r.Kind, topic: r.Topic}
	}
	p.bytes = append(p.bytes, r.Data...)
	if r.More {
		if l.publishing == nil {
			l.publishing = map[bridge.ID]*publishing{}
		}
		l.publishing[id] = p
		return
	}
	delete(l.publishing, id)
	if p.kind < bridge.RecordPublishText || p.topic > len(p.bytes) {
		return
	}
	l.publishAll(string(p.bytes[:p.topic]), opcodeOf(p.kind), p.bytes[p.topic:])
}

// publishAll sends a message to the subscribers of all loops.
func (l *loop) publishAll(name string, opcode websocket.Opcode, payload []byte) {
	frame := websocket.AppendHeader(make([]byte, 0, len(payload)+websocket.MaxHeader), opcode, true, len(payload))
	frame = append(frame, payload...)
	made := &image{topic: name, opcode: opcode, payload: frame[len(frame)-len(payload):], frame: frame}
	for _, other := range l.engine.loops {
		b := &broadcast{image: made}
		if other == l {
			l.broadcast(b)
		} else {
			other.posted.put(b)
			l.port.WakeLoop(other.index)
		}
	}
}

// deliver sends what other loops have posted.
func (l *loop) deliver(b *broadcast) {
	for b != nil {
		l.broadcast(b)
		b = b.next
	}
}

func (l *loop) broadcast(b *broadcast) {
	t := l.topics[b.topic]
	if t == nil {
		return
	}
	for i := len(t.members) - 1; i >= 0; i-- { // from the end, as a slow one leaves
		w := t.members[i].socket
		l.sendBroadcast(l.session(w.conn), w, b)
	}
}

// sendBroadcast sends a message to one subscriber, unless that has left too
// much unread.
func (l *loop) sendBroadcast(s *session, w *socket, b *broadcast) {
	c := w.conn
	switch {
	case w.state != socketOpen:
	case c.Buffered() > mostBehind || len(w.behind)*len(b.frame) > mostBehind:
		l.closeSocket(s, c, closeTryLater, "too slow for what is published")
	case w.midway:
		w.behind = append(w.behind, b)
	default:
		switch {
		case !w.codec.Deflates(len(b.payload)):
			c.Commit(append(c.Reserve(len(b.frame)), b.frame...))
		case w.codec.Shares():
			frame := b.compressed()
			c.Commit(w.codec.AppendShared(c.Reserve(len(frame)), frame, b.payload))
		default:
			c.Commit(w.codec.AppendMessage(c.Reserve(len(b.payload)+websocket.MaxHeader), b.opcode, b.payload))
		}
		l.mindReader(c)
	}
}

// compressed is the frame that does not depend on what was sent before.
func (m *image) compressed() []byte {
	if frame := m.deflated.Load(); frame != nil {
		return *frame
	}
	frame := websocket.Shared(m.opcode, m.payload)
	m.deflated.Store(&frame)
	return frame
}

// mailbox takes broadcasts from other loops without a lock.
type mailbox struct{ head atomic.Pointer[broadcast] }

func (m *mailbox) put(b *broadcast) {
	for {
		head := m.head.Load()
		b.next = head
		if m.head.CompareAndSwap(head, b) {
			return
		}
	}
}

func (m *mailbox) empty() bool { return m.head.Load() == nil }

// take empties the mailbox; the oldest comes first.
func (m *mailbox) take() *broadcast {
	if m.empty() {
		return nil
	}
	var first *broadcast
	for b := m.head.Swap(nil); b != nil; {
		next := b.next
		b.next = first
		first, b = b, next
	}
	return first
}
