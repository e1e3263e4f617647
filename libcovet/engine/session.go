package engine

import (
	"github.com/covetpy/covetpy/bridge"
	"github.com/covetpy/covetpy/libcovet/coding"
	"github.com/covetpy/covetpy/libcovet/guard"
	"github.com/covetpy/covetpy/libcovet/http1"
)

// phase says what the next input byte of a connection belongs to.
type phase uint8

const (
	phaseDetect phase = iota // the first bytes: which protocol is it
	phaseHead                // a request head
	phaseBody                // a request body
	phaseOver                // nothing more is wanted: input is thrown away
	phaseSocket              // WebSocket frames, once it is accepted
)

// maxPipeline is how many requests of one connection may be in work at once.
const maxPipeline = 64

// resumeBelow is how far a full pipeline must empty before reading goes on.
const resumeBelow = maxPipeline / 2

// hold is a set of reasons for not reading a connection's input.
type hold uint8

const (
	holdPipeline hold = 1 << iota // too many answers are owed
	holdMemory                    // no slot or block is free
	holdBody                      // the worker has body pieces to take first
	holdOutput                    // the client has answers to read first
)

// session is the HTTP/1.1 state of one connection.
type session struct {
	phase     phase
	held      hold // why input is not read
	final     bool // no request follows the one being read
	closing   bool // the connection closes when the pipeline is empty
	ended     bool // the peer has sent its last byte
	trust     trust
	count     uint16
	first     uint32 // oldest answer owed, an index of loop.owed; 0 is none
	last      uint32
	scanned   int   // bytes of an incomplete head known to hold no more line ends
	headSince int64 // when the first byte of an incomplete head came; 0 if none
	waiting   int64 // when the head was complete of a request for which there is no room; 0 if none
	active    int64 // when something was last read or written
	unsent    int   // output pending when the deadline was last looked at

	bodyID   bridge.ID // the exchange that takes the body; 0 throws it away
	bodyLeft int64     // bytes of a Content-Length body still to come
	bodyGot  int64     // bytes of body taken so far
	chunked  *http1.Chunked
	socket   *socket // of a WebSocket, from its opening request on
}

func (s *session) reset(now int64) { *s = session{active: now} }

func (s *session) idle() bool {
	return s.phase <= phaseHead && s.count == 0 && s.headSince == 0
}

// owed is one answer that a connection's pipeline still has to give.
type owed struct {
	id         bridge.ID // the exchange that answers; 0 if bytes holds the answer
	bytes      []byte    // a finished answer that waits for its turn
	next       uint32
	conn       uint32
	generation uint32
	minor      uint8
	gone       bool // nobody waits for the answer any more
	head       bool // the request was HEAD
	keepAlive  bool
	wasSocket  bool  // its request was that of a WebSocket
	socket     bool  // it is a WebSocket, unless its worker answers otherwise
	expect     bool  // the client waits for 100 Continue
	started    bool  // the response head is in the output
	framed     bool  // the body goes out in chunks
	ended      bool  // the response is complete in the output
	left       int64 // bytes of Content-Length still owed; -1 when unknown
	sent       int64 // body bytes put into the output
	since      int64 // when the request was handed over
	arrived    int64 // when its head was complete
	status     uint16
	logged     bool // in the access log
	routes     *routes
	ticket     *guard.Ticket   // what the guards want to know at the answer; nil if there are none
	encoder    *coding.Encoder // compresses the body as it comes; nil if nothing does
	holder     uint16          // of a WebSocket: its worker's place, plus 1; 0 is none
	repeated   bool            // a worker has died of it, or with it, before
	refusal    uint16          // the status to answer with, as no worker will
}

// owedTable hands out owed records by index without allocation; index 0 is
// never used. Records do not move, so pointers stay good between calls.
type owedTable struct {
	slabs   [][]owed
	free    []uint32
	tickets []*guard.Ticket // for further use
}

const owedSlab = 256

func (t *owedTable) at(i uint32) *owed { return &t.slabs[i/owedSlab][i%owedSlab] }

func (t *owedTable) take() (uint32, *owed) {
	if len(t.free) == 0 {
		base := uint32(len(t.slabs) * owedSlab)
		t.slabs = append(t.slabs, make([]owed, owedSlab))
		for i := uint32(owedSlab); i > 0; i-- {
			if base+i-1 != 0 {
				t.free = append(t.free, base+i-1)
			}
		}
	}
	i := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	o := t.at(i)
	*o = owed{}
	return i, o
}

func (t *owedTable) give(i uint32) {
	o := t.at(i)
	o.bytes = nil
	if o.encoder != nil {
		o.encoder.Release()
		o.encoder = nil
	}
	if o.ticket != nil {
		t.tickets = append(t.tickets, o.ticket)
		o.ticket = nil
	}
	t.free = append(t.free, i)
}

// sessionTable holds the sessions by connection index, in slabs that do not
// move.
type sessionTable struct{ slabs [][]session }

const sessionSlab = 256

func (t *sessionTable) at(i uint32) *session {
	for int(i/sessionSlab) >= len(t.slabs) {
		t.slabs = append(t.slabs, make([]session, sessionSlab))
	}
	return &t.slabs[i/sessionSlab][i%sessionSlab]
}
