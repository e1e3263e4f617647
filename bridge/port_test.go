package bridge

import (
	"math"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

func begin(t testing.TB, p *Port) (ID, *Slot) {
	t.Helper()
	id, s, ok := p.Begin()
	if !ok {
		t.Fatal("no free slot")
	}
	return id, s
}

func post(t testing.TB, p *Port, worker int) (ID, *Slot) {
	t.Helper()
	id, s := begin(t, p)
	if !p.Post(worker, id) {
		t.Fatal("the inbox is full")
	}
	return id, s
}

func TestIDsAreNeverReused(t *testing.T) {
	c := heapChannel(small)
	p := c.Port(1)
	seen := map[ID]bool{}
	for range 1000 {
		id, s := begin(t, p)
		if seen[id] || id.Generation() == 0 || id.Index()/8 != 1 || p.Lookup(id) != s {
			t.Fatalf("id %x", id)
		}
		if c.Port(0).Lookup(id) != nil || p.Lookup(id+1<<32) != nil || p.Lookup(id&math.MaxUint32) != nil {
			t.Fatalf("id %x opens what it should not", id)
		}
		seen[id] = true
		p.Release(id)
		p.Release(id) // harmless: the id is stale
		if p.Lookup(id) != nil || p.Post(0, id) {
			t.Fatalf("id %x is not stale", id)
		}
	}
	if slots, _ := c.InUse(); slots != 0 || len(p.free) != 1 {
		t.Errorf("%d slots in use, %d free", slots, len(p.free))
	}
}

func TestGenerationLeavesOutZero(t *testing.T) {
	p := heapChannel(small).Port(0)
	id, _ := begin(t, p)
	p.places[0].generation = math.MaxUint32
	id |= math.MaxUint32 << 32
	p.Release(id)
	if id, _ = begin(t, p); id.Generation() != 1 {
		t.Errorf("generation %d", id.Generation())
	}
}

func TestSlotsRunOut(t *testing.T) {
	p := heapChannel(small).Port(0)
	var ids []ID
	for range 8 {
		id, _ := begin(t, p)
		ids = append(ids, id)
	}
	if _, _, ok := p.Begin(); ok {
		t.Fatal("a ninth slot of eight")
	}
	p.Release(ids[3])
	if id, _ := begin(t, p); id.Index() != ids[3].Index() || id == ids[3] {
		t.Errorf("got %x", id)
	}
}

func TestReleaseFreesEveryBlock(t *testing.T) {
	c := heapChannel(small)
	p := c.Port(0)
	id, s := begin(t, p)
	request := exchange.Request{Head: make([]byte, 3000)}
	if !p.Fill(id, s, &Request{Request: &request}) || s.request_block == 0 {
		t.Fatal("a large head needs a block")
	}
	block := func() Block {
		b, _, ok := c.Alloc(1, id)
		if !ok {
			t.Fatal("no block")
		}
		return b
	}
	*half(&s.response_block) = uint32(block())
	for range 8 {
		if !p.PushBody(s, block(), 1) {
			t.Fatal("the ring is too short")
		}
		s.respond(block(), 1)
	}
	extra := block()
	if p.PushBody(s, extra, 1) || s.BodyRoom() {
		t.Fatal("a ninth piece in a ring of eight")
	}
	c.Free(extra, id)
	lent, _, ok := p.TakePiece(s)
	if !ok {
		t.Fatal("no piece")
	}
	token := p.Lend(id, lent)
	p.Release(id)
	if _, blocks := c.InUse(); blocks != 1 {
		t.Errorf("%d blocks in use, not the one lent", blocks)
	}
	p.FreeSent(token)
	p.FreeSent(p.Lend(id, lent)) // it is nobody's now
	if _, blocks := c.InUse(); blocks != 0 {
		t.Errorf("%d blocks in use", blocks)
	}
}

// respond appends a piece of the response, as a worker does.
func (s *Slot) respond(b Block, n int) {
	piece := &s.out.piece[s.out.tail%8]
	*half(&piece.block), *half(&piece.len) = uint32(b), uint32(n)
	s.out.tail++
}

func TestCorruptSlotIsNoCrash(t *testing.T) {
	c := heapChannel(small)
	p := c.Port(0)
	id, s := begin(t, p)
	s.out.tail = 1 << 31
	if _, _, ok := p.TakePiece(s); ok || s.HasPieces() {
		t.Error("pieces in a ring that cannot be")
	}
	s.out.tail = 0
	s.respond(blockOf(3, 1<<20), 1<<30)
	if b, n, ok := p.TakePiece(s); !ok || n != 0 || p.Lend(id, b) != 0 {
		t.Error("bytes in a block that cannot be")
	}
	s.respond(blockOf(0, 0), 1<<30)
	if _, n, _ := p.TakePiece(s); n != 4096 {
		t.Errorf("%d bytes in a block of 4096", n)
	}
	s.response_fields, s.response_body = math.MaxUint32, math.MaxUint32
	if _, _, ok := p.ResponseParts(s); ok {
		t.Error("a response larger than its room")
	}
	var v View
	s.verb.off, s.verb.len, s.num_fields = 65535, 65535, 255
	for _, block := range []uint32{0, 1 << 31} {
		*half(&s.request_block) = block
		if p.Recall(s, &v); v.Text(v.Verb) != nil || len(v.Fields) > exchange.MaxHeaders {
			t.Error("a method outside the head, or too many fields")
		}
	}
	s.fields_off = math.MaxUint32
	if p.Recall(s, &v); v.Fields != nil {
		t.Error("fields outside the room")
	}
	p.outbox[0].marks.tail = 1 << 40
	if _, _, ok := p.Next(); ok {
		t.Error("news out of an impossible outbox")
	}
	p.Release(id)
}

func TestPostNeedsRoom(t *testing.T) {
	c := heapChannel(Config{Workers: 2, Loops: 1, SlotsPerLoop: 8, InboxCells: 4, PoolBytes: 1 << 20})
	p := c.Port(0)
	for range 4 {
		post(t, p, 1)
	}
	id, _ := begin(t, p)
	if p.Post(1, id) || p.Post(2, id) {
		t.Fatal("posted where there is no room")
	}
	if _, ok := newGoWorker(c, 1).take(); !ok || !p.Post(1, id) || !p.Post(0, id) {
		t.Error("no room where there is some")
	}
}

func TestNoticesComeOnceUntilTaken(t *testing.T) {
	c := heapChannel(small)
	p, w := c.Port(0), newGoWorker(c, 1)
	id, s := post(t, p, 1)
	p.Notify(id, s)
	if _, ok := w.notice(); ok {
		t.Fatal("a notice of an exchange that nobody has begun")
	}
	w.take()
	for range 3 {
		for range 5 {
			p.Notify(id, s)
		}
		if got, ok := w.notice(); !ok || got != id {
			t.Fatalf("noticed %x", got)
		}
		if _, ok := w.notice(); ok {
			t.Fatal("noticed twice")
		}
	}
	p.Notify(id, s)
	p.Release(id)
	next, s := post(t, p, 1)
	w.take()
	p.Notify(next, s)
	if got, ok := w.notice(); !ok || got != next {
		t.Fatalf("a stale notice hides the one of %x: %x", next, got)
	}
	p.Notify(next, s)
	if got, ok := w.notice(); !ok || got != next {
		t.Error("a stale notice cleared the mark of another exchange")
	}
}

func TestFullNoticeQueueLosesNoExchange(t *testing.T) {
	c := heapChannel(small)
	p, w := c.Port(0), newGoWorker(c, 0)
	id, s := post(t, p, 0)
	w.take()
	for w.notices.push(1) {
	}
	p.Notify(id, s)
	for _, ok := w.notices.pop(); ok; _, ok = w.notices.pop() {
	}
	p.Notify(id, s)
	if got, ok := w.notice(); !ok || got != id {
		t.Errorf("noticed %x", got)
	}
}

// An exchange may be released because its DONE was seen, while its id is
// still on the way. Were its slot used again, ids could overflow the outbox.
func TestSlotWaitsForItsLastID(t *testing.T) {
	c := heapChannel(Config{Workers: 1, Loops: 1, SlotsPerLoop: 2, InboxCells: 4, PoolBytes: 1 << 20})
	p, w := c.Port(0), newGoWorker(c, 0)
	for range 2 {
		id, s := post(t, p, 0)
		w.take()
		w.tell(id, WorkerDone)
		if s.WorkerFlags()&WorkerDone == 0 {
			t.Fatal("not done")
		}
		p.Release(id)
		if p.Lookup(id) != nil {
			t.Fatal("a released id opens its slot")
		}
	}
	if _, _, ok := p.Begin(); ok {
		t.Fatal("a slot is used again while its id is on the way")
	}
	w.publish()
	if id, _, ok := p.Next(); ok {
		t.Fatalf("news of %x, which is over", id)
	}
	if slots, _ := c.InUse(); slots != 0 {
		t.Errorf("%d slots in use", slots)
	}
	for range 2 {
		begin(t, p)
	}
}

func TestNextGoesRound(t *testing.T) {
	c := heapChannel(small)
	p := c.Port(0)
	want := map[ID]bool{}
	for i := range 2 {
		w := newGoWorker(c, i)
		for range 3 {
			id, _ := post(t, p, i)
			w.take()
			w.tell(id, WorkerHead)
			w.tell(id, WorkerEnd) // no second entry
			want[id] = true
		}
		w.publish()
	}
	for range 6 {
		id, s, ok := p.Next()
		if !ok || !want[id] || s.WorkerFlags() != WorkerHead|WorkerEnd {
			t.Fatalf("%x %v", id, ok)
		}
		delete(want, id)
	}
	if _, _, ok := p.Next(); ok {
		t.Error("a seventh")
	}
	p.Ring()
	if p.outbox[0].marks.head != 3 || p.outbox[1].marks.head != 3 {
		t.Error("the places of taken ids were not given back")
	}
}
