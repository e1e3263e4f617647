package engine

import (
	"sync/atomic"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/guard"
	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/netio"
	"github.com/covetpy/covetpy/libcovet/route"
)

// loop serves the connections of one netio loop. All its methods run on that
// loop's thread, so nothing in it is locked.
type loop struct {
	engine *Engine
	index  int
	net    *netio.Loop
	port   *bridge.Port
	limits http1.Limits
	stamp  http1.Stamp

	sessions   sessionTable
	owed       owedTable
	bySlot     []uint32 // local slot index -> owed record; 0 is none
	starved    []starving
	routes     *routes
	constant   []constantImage
	crew       crew
	orphans    []bridge.ID // requests without a worker
	unmanned   int64       // since when there has been no worker; 0 while there is one
	sockets    int         // exchanges of WebSockets
	held       holders
	topics     topics
	posted     mailbox // what other loops publish
	publishing map[bridge.ID]*publishing
	tasks      chan func() // what the engine wants done in this thread
	access     *accessLog

	request  exchange.Request
	origin   origin // of the request; see peer
	match    route.Match
	response exchange.Response
	scratch  []byte
	head     []byte         // of the present request, if a guard has added a field
	guarded  bool           // the present request has a ticket
	image    *constantImage // the constant that is being answered, if one is
	question guard.Question
	ticket   guard.Ticket
	reply    guard.Reply
	fields   []byte

	filesRefused bool // it was logged that workers send files by themselves

	now      int64
	arrived  int64 // when the head of the present request was complete
	draining bool
	count    counters
}

// starving is a connection whose next request waits for a free slot or block.
type starving struct{ conn, generation uint32 }

// counters are a loop's figures; others may read them at any time.
type counters struct {
	connections, accepted, requests, inFlight, refused, pooled, orphans, starved atomic.Uint64
}

func (l *loop) session(c *netio.Conn) *session { return l.sessions.at(c.Index) }

// Opened starts the HTTP state of a new connection.
func (l *loop) Opened(c *netio.Conn) {
	l.session(c).reset(l.now)
	add(&l.count.connections, 1)
	add(&l.count.accepted, 1)
	c.SetDeadline(l.now + l.engine.timing.header)
	if l.draining {
		c.Abort()
	}
}

// Closed tells the exchanges still in work that nobody waits for them.
func (l *loop) Closed(c *netio.Conn) {
	s := l.session(c)
	for i := s.first; i != 0; {
		o := l.owed.at(i)
		next := o.next
		l.logUnanswered(c, o)
		l.abandon(i, o)
		i = next
	}
	if s.chunked != nil {
		l.engine.chunked.put(s.chunked)
	}
	if s.socket != nil {
		l.dropSocket(s.socket)
	}
	s.reset(0)
	s.phase = phaseOver
	add(&l.count.connections, ^uint64(0))
}

// abandon gives an owed answer up. The record of one that a worker still
// works on lives until the worker is done.
func (l *loop) abandon(i uint32, o *owed) {
	o.gone = true
	if o.id == 0 {
		l.owed.give(i)
		return
	}
	slot := l.port.Lookup(o.id)
	if slot == nil {
		l.owed.give(i)
		return
	}
	if slot.WorkerFlags()&bridge.WorkerDone != 0 {
		l.release(i, o)
		return
	}
	slot.RaiseEngine(bridge.EngineCancelled | bridge.EngineBodyBroken | bridge.EngineBodyEnd)
	l.port.Notify(o.id, slot)
}

// release frees the slot of a finished exchange and its record.
func (l *loop) release(i uint32, o *owed) {
	if o.refusal != 0 {
		l.engine.sweepSoon()
	}
	l.bySlot[l.local(o.id)] = 0
	l.port.Release(o.id)
	if o.wasSocket {
		l.sockets--
		l.letGo(o)
	}
	l.owed.give(i)
	add(&l.count.inFlight, ^uint64(0))
}

// local is the index of an exchange's slot among this loop's own.
func (l *loop) local(id bridge.ID) uint32 {
	return id.Index() - uint32(l.index*l.engine.slots)
}

// Ended notes that the peer sends nothing more: what is owed is still sent.
func (l *loop) Ended(c *netio.Conn) {
	s := l.session(c)
	if s.socket != nil {
		l.socketEnded(s, c)
	}
	s.ended = true
	if s.phase == phaseBody && s.bodyID != 0 {
		l.breakBody(s, 0)
	}
	s.phase = phaseOver
	s.closing = true
	if s.count == 0 {
		c.CloseAfterFlush()
		return
	}
	l.cancelUnanswered(s)
}

// cancelUnanswered tells the workers that the client seems to have gone. A
// half-closed client still gets its answers.
func (l *loop) cancelUnanswered(s *session) {
	for i := s.first; i != 0; {
		o := l.owed.at(i)
		if slot := l.port.Lookup(o.id); o.id != 0 && slot != nil {
			slot.RaiseEngine(bridge.EngineHalfClosed)
			l.port.Notify(o.id, slot)
		}
		i = o.next
	}
}

// Drained goes on with an answer that waited for the client to read.
func (l *loop) Drained(c *netio.Conn) {
	s := l.session(c)
	s.active = l.now
	l.flush(s, c)
	if !c.AboveHighWater() {
		l.resume(s, c, holdOutput)
	}
}

// Released frees a block that the kernel has sent.
func (l *loop) Released(token uint64) { l.port.FreeSent(token) }

// Awake begins a turn.
func (l *loop) Awake(now int64) {
	l.now = now
	l.port.Awake()
	l.stamp.Refresh(now)
	l.count.pooled.Store(uint64(l.net.Kept()))
	l.crew.look(now)
	l.crew.watch(now)
	l.doTasks()
	if l.engine.state.Load() >= stateDraining && !l.draining {
		l.drain()
	}
}

func (l *loop) doTasks() {
	for {
		select {
		case do := <-l.tasks:
			do()
		default:
			return
		}
	}
}

// Work passes on what the workers have answered. It reports whether there may
// be more at once.
func (l *loop) Work() bool {
	const budget = 4096
	n := 0
	posted := l.posted.take() // first: whoever has subscribed before is known when it is delivered
	for ; n < budget; n++ {
		id, slot, ok := l.port.Next()
		if !ok {
			break
		}
		l.news(id, slot)
	}
	l.deliver(posted)
	if len(l.orphans) > 0 {
		l.feedOrphans()
	}
	if len(l.starved) > 0 {
		l.feedStarved()
	}
	l.publish() // first, so that a request finds itself counted by the worker that it wakes
	l.port.Ring()
	l.access.flush()
	if n > 0 {
		l.engine.trimmer.poke(l.port.Warm())
	}
	if l.engine.state.Load() == stateStopped {
		l.net.Stop()
	}
	return n == budget
}

// Sleep announces that the loop is about to wait, and looks again.
func (l *loop) Sleep() bool {
	if !l.port.Sleep() || len(l.tasks) > 0 || !l.posted.empty() {
		return false
	}
	l.access.flush() // what came after the turn's own
	l.net.WakeAt(l.crew.due(l.now))
	return true
}

// publish shows the figures to the workers.
func (l *loop) publish() {
	l.count.starved.Store(uint64(len(l.starved)))
	l.port.Publish(bridge.Figures{
		Connections: l.count.connections.Load(), Accepted: l.count.accepted.Load(),
		Requests: l.count.requests.Load(), InFlight: l.count.inFlight.Load(), Refused: l.count.refused.Load(),
		Held: l.count.orphans.Load() + l.count.starved.Load(),
	})
}

// news handles one exchange that a worker has told something about.
func (l *loop) news(id bridge.ID, slot *bridge.Slot) {
	i := l.bySlot[l.local(id)]
	if i == 0 {
		l.takePublished(id, slot)
		return
	}
	o := l.owed.at(i)
	c := l.net.Conn(o.conn, o.generation)
	if o.gone {
		if slot.WorkerFlags()&bridge.WorkerDone != 0 {
			l.release(i, o)
		}
	} else if c == nil {
		l.abandon(i, o)
	}
	if c == nil {
		return
	}
	s := l.session(c)
	if s.count > 0 && s.first == i {
		l.flush(s, c)
	}
	if s.bodyID == id { // its worker may have taken some, or be done with it
		l.resume(s, c, holdBody)
	} else if s.held&holdBody != 0 && s.socket != nil && 2*slot.BodyWaiting() <= l.engine.ws.pieces {
		l.resume(s, c, holdBody)
	}
}

// drain begins a graceful end: new connections are refused, idle ones close
// now, the others after the answers they are owed.
func (l *loop) drain() {
	l.draining = true
	l.net.StopAccepting()
	l.engine.refuse(l.index)
	l.net.Each(func(c *netio.Conn) {
		s := l.session(c)
		if s.socket != nil {
			l.letEnd(s, c, closeRestart, nil)
			return
		}
		if !s.idle() {
			return
		}
		s.phase, s.closing = phaseOver, true
		if c.Buffered() > 0 || c.Kept() > 0 {
			c.CloseAfterFlush()
		} else {
			c.Close()
		}
	})
}

// add changes a figure that only this loop writes.
func add(n *atomic.Uint64, by uint64) { n.Store(n.Load() + by) }
