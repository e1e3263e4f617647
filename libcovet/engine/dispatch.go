package engine

import (
	"time"

	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/exchange"
	"github.com/covetpy/covetpy/libcovet/netio"
	"github.com/covetpy/covetpy/libcovet/websocket"
)

// inlineBody is the most body bytes in bytes that travel with the head.
const inlineBody = 64 << 10

// unmannedLimit is how long requests wait for a first worker.
const unmannedLimit = int64(10 * time.Second)

// retryAfter is the packed field of answers to requests without room.
var retryAfter = exchange.AppendField(nil, []byte("retry-after"), []byte("1"))

// feedAtOnce is how many waiting connections may try again in one turn.
const feedAtOnce = 64

// dispatch routes the request whose head is the first n bytes of p, and
// returns how many bytes of p it has taken: none if it must wait.
func (l *loop) dispatch(s *session, c *netio.Conn, p []byte, n int) int {
	r := &l.request
	keepAlive := r.Has(exchange.KeepAlive) && !l.draining
	l.findOrigin(s, c)
	l.arrived = l.now
	if l.routes.root != "" {
		r.CutRoot(l.routes.root)
	}
	if s.waiting != 0 {
		l.arrived, s.waiting = s.waiting, 0
	}
	if r.Length > l.engine.maxBody {
		s.headDone()
		add(&l.count.requests, 1)
		l.answerRefusal(s, c, 413, "Request body too large", nil, false)
		l.endSession(s, c)
		return n
	}
	if l.guarded = l.routes.guards != nil; l.guarded && !l.admit(c) {
		l.guarded = false
		l.begin(s, c, r, 0, &keepAlive)
		l.response = l.reply.Response
		l.logRequest(c, &l.response, r.Method == exchange.MethodHead)
		l.answerNow(s, c, r.Method == exchange.MethodHead, keepAlive)
		l.afterAnswer(s, c, keepAlive)
		return n
	}
	defer l.unguard()
	if r.Has(exchange.Upgrade) && l.routes.sockets != nil && websocket.IsUpgrade(r) {
		l.guarded = false // what guards add concerns responses, but for identifiers
		return l.dispatchSocket(s, c, n, keepAlive)
	}
	m := &l.match
	l.routes.table.Lookup(r.Head, r.Path, r.Method, r.Verb.Of(r.Head), r.Has(exchange.Escaped), m)
	if m.Status == 0 {
		if k := l.routes.constantOf[m.Route]; k >= 0 {
			l.begin(s, c, r, 0, &keepAlive)
			l.answerConstant(s, c, &l.constant[k], keepAlive)
			l.afterAnswer(s, c, keepAlive)
			return n
		}
		return l.toWorker(s, c, p, n, keepAlive)
	}
	if m.Status == 307 && r.WholePath().Len == 0 {
		m.Status = 404 // the target of a CONNECT has no path to which a slash could be added
	}
	if l.routes.forwards(m.Status) {
		return l.toWorker(s, c, p, n, keepAlive)
	}
	l.begin(s, c, r, 0, &keepAlive)
	l.answerUnmatched(s, c, keepAlive)
	l.afterAnswer(s, c, keepAlive)
	return n
}

// begin notes that a request head is done and its body, if any, follows. A
// client that waits for 100 Continue and is answered by the engine gets a
// final answer instead, after which the connection cannot be reused.
func (l *loop) begin(s *session, c *netio.Conn, r *exchange.Request, id bridge.ID, keepAlive *bool) {
	s.headDone()
	add(&l.count.requests, 1)
	if !r.HasBody() {
		return
	}
	if r.Has(exchange.Expect100) && id == 0 {
		*keepAlive = false
		return
	}
	s.phase, s.bodyID, s.bodyGot, s.bodyLeft = phaseBody, id, 0, r.Length
	if r.Has(exchange.Chunked) {
		s.bodyLeft = -1
		s.chunked = l.engine.chunked.get()
	} else if id != 0 && r.Length >= directFrom {
		c.ReceiveDirectly()
	}
	l.lookBy(c, l.now+l.engine.timing.body)
}

func (l *loop) afterAnswer(s *session, c *netio.Conn, keepAlive bool) {
	if !keepAlive {
		l.endSession(s, c)
		return
	}
	if s.count == 0 {
		l.pipelineEmpty(s, c)
	}
}

// answerUnmatched answers what the router did not find.
func (l *loop) answerUnmatched(s *session, c *netio.Conn, keepAlive bool) {
	r, m := &l.request, &l.match
	switch m.Status {
	case 307:
		l.redirect(s, c, keepAlive)
	case 405:
		l.fields = exchange.AppendField(l.fields[:0], []byte("allow"), m.Allow)
		l.answerRefusal(s, c, 405, "Method Not Allowed", l.fields, keepAlive)
	case 400:
		l.answerRefusal(s, c, 400, "Malformed percent-encoding in the path", nil, keepAlive)
	default:
		if r.Method == exchange.MethodOptions && string(r.Target.Of(r.Head)) == "*" {
			l.fields = exchange.AppendField(l.fields[:0], []byte("allow"), l.routes.allMethods)
			l.response = exchange.Response{Status: 204, Length: -1, Fields: l.fields, Flags: exchange.NoBody}
			l.logRequest(c, &l.response, false)
			l.answerNow(s, c, false, keepAlive)
			return
		}
		l.answerRefusal(s, c, 404, "Not Found", nil, keepAlive)
	}
}

// redirect sends the client to the same path with its last slash toggled.
func (l *loop) redirect(s *session, c *netio.Conn, keepAlive bool) {
	r := &l.request
	path := r.WholePath().Of(r.Head)
	to := []byte("http://")
	if l.origin.secure {
		to = []byte("https://")
	}
	to = append(to, r.Host.Of(r.Head)...)
	if r.Host.Len == 0 {
		to = append(to, c.Local().String()...)
	}
	to = append(to, l.engine.config.RootPath...)
	if len(path) > 1 && path[len(path)-1] == '/' {
		to = append(to, path[:len(path)-1]...)
	} else {
		to = append(append(to, path...), '/')
	}
	if r.Has(exchange.HasQuery) {
		to = append(append(to, '?'), r.Query.Of(r.Head)...)
	}
	l.fields = exchange.AppendField(l.fields[:0], []byte("location"), to)
	l.response = exchange.Response{Status: 307, Length: 0, Fields: l.fields}
	l.logRequest(c, &l.response, false)
	l.answerNow(s, c, r.Method == exchange.MethodHead, keepAlive)
}

// toWorker hands the request to a worker.
func (l *loop) toWorker(s *session, c *netio.Conn, p []byte, n int, keepAlive bool) int {
	place := l.crew.pick(l.routes.version, l.now)
	if place == nobody {
		return l.noWorker(s, c, n)
	}
	if limit := l.engine.config.LimitConcurrency; limit > 0 && l.engine.inFlight() >= uint64(limit) {
		return l.unavailable(s, c, n)
	}
	if l.port.Used()-l.sockets >= l.engine.config.Exchanges {
		return l.noRoom(s, c, n)
	}
	id, slot, ok := l.port.Begin()
	if !ok {
		return l.noRoom(s, c, n)
	}
	r := &l.request
	inline := wholeBody(r, p[n:])
	if !l.fill(id, slot, c, p[n:], inline, bridge.KindHTTP) {
		l.port.Release(id)
		return l.noRoom(s, c, n)
	}
	i, o := l.owed.take()
	o.id, o.minor, o.keepAlive = id, r.Minor, keepAlive
	o.head, o.since, o.routes = r.Method == exchange.MethodHead, l.now, l.routes
	o.arrived = l.arrived
	if l.guarded {
		o.ticket = l.owed.ticket(&l.ticket)
	}
	if !l.port.Post(place, id) {
		l.port.Release(id)
		l.owed.give(i)
		return l.noRoom(s, c, n)
	}
	l.bySlot[l.local(id)] = i
	l.enqueue(s, c, i, o)
	add(&l.count.inFlight, 1)
	if l.engine.timing.request > 0 && s.count == 1 {
		c.SetDeadline(l.now + l.engine.timing.request)
	}
	if inline >= 0 {
		s.headDone()
		add(&l.count.requests, 1)
		n += inline
	} else {
		o.expect = r.Has(exchange.Expect100) && r.Minor > 0
		l.begin(s, c, r, id, &o.keepAlive)
	}
	s.final = !keepAlive
	if s.final && s.phase != phaseBody {
		s.phase = phaseOver
	}
	return n
}

// wholeBody is the length of the body if all of it is at hand and small
// enough to travel with the head, else -1.
func wholeBody(r *exchange.Request, rest []byte) int {
	if !r.HasBody() {
		return 0
	}
	if r.Length > 0 && r.Length <= inlineBody && r.Length <= int64(len(rest)) && !r.Has(exchange.Expect100) {
		return int(r.Length)
	}
	return -1
}

// fill writes the request part of a slot. It reports false when there is no
// memory for it.
func (l *loop) fill(id bridge.ID, slot *bridge.Slot, c *netio.Conn, rest []byte, inline int, kind uint8) bool {
	r, m := &l.request, &l.match
	q := bridge.Request{
		Request: r, Route: uint32(m.Route), Verdict: m.Status, Peer: l.peer(c), Local: c.Local(), Kind: kind,
	}
	if m.Status == 0 {
		q.Params = m.Params[:m.NumParams]
	}
	if l.origin.secure {
		q.Flags |= bridge.RequestTLS
	}
	if r.HasBody() {
		q.Flags |= bridge.RequestBody
	}
	if inline >= 0 {
		q.Flags |= bridge.RequestBodyWhole
		q.Body = rest[:inline]
	} else if r.Has(exchange.Expect100) {
		q.Flags |= bridge.RequestExpect
	}
	if r.Has(exchange.Escaped) {
		q.Flags |= bridge.RequestEscaped
	}
	if r.Has(exchange.HasQuery) {
		q.Flags |= bridge.RequestHasQuery
	}
	return l.port.Fill(id, slot, &q)
}

// noRoom makes the connection wait for memory, or refuses the request when
// too many wait already.
func (l *loop) noRoom(s *session, c *netio.Conn, n int) int {
	if len(l.starved) < l.engine.config.Backpressure {
		s.waiting = l.arrived
		l.starve(s, c)
		return 0
	}
	return l.unavailable(s, c, n)
}

// noWorker makes the connection wait for a worker to come up, but not for ever.
func (l *loop) noWorker(s *session, c *netio.Conn, n int) int {
	if l.unmanned == 0 {
		l.unmanned = l.now
	}
	if l.now-l.unmanned > unmannedLimit {
		return l.unavailable(s, c, n)
	}
	return l.noRoom(s, c, n)
}

// unavailable refuses a request that there is no room for.
func (l *loop) unavailable(s *session, c *netio.Conn, n int) int {
	add(&l.count.requests, 1)
	add(&l.count.refused, 1)
	s.headDone()
	l.answerRefusal(s, c, 503, "Service Unavailable", retryAfter, false)
	l.endSession(s, c)
	return n
}

// starve queues the connection for the next free memory.
func (l *loop) starve(s *session, c *netio.Conn) {
	if s.held&holdMemory == 0 {
		l.starved = append(l.starved, starving{c.Index, c.Generation})
	}
	l.hold(s, c, holdMemory)
	c.SetDeadline(l.now + starvedRetry)
}

// feedStarved lets connections that wait for memory try again, the longest
// waiting first. Those for whom there is still none queue up once more.
func (l *loop) feedStarved() {
	n := min(len(l.starved), feedAtOnce)
	for _, w := range l.starved[:n] {
		if c := l.net.Conn(w.conn, w.generation); c != nil {
			l.resume(l.session(c), c, holdMemory)
		}
	}
	l.starved = l.starved[:copy(l.starved, l.starved[n:])]
}
