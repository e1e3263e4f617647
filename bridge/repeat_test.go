package bridge

import (
	"bytes"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

func filled(t *testing.T, p *Port, head string, body []byte) (ID, *Slot) {
	t.Helper()
	id, s := begin(t, p)
	r := exchange.Request{Head: []byte(head), Method: exchange.MethodGet, Target: exchange.Span{Off: 4, Len: 3}}
	flags := uint8(0)
	if body != nil {
		flags = RequestBody | RequestBodyWhole
	}
	if !p.Fill(id, s, &Request{Request: &r, Route: 7, Flags: flags, Body: body}) {
		t.Fatal("no room")
	}
	return id, s
}

func TestRepeatCarriesTheRequestOver(t *testing.T) {
	for name, body := range map[string][]byte{"small": []byte("abc"), "none": nil, "large": bytes.Repeat([]byte("x"), 9000)} {
		t.Run(name, func(t *testing.T) {
			c := heapChannel(small)
			p := c.Port(0)
			old, from := filled(t, p, "GET /a? HTTP/1.1\r\n\r\n", body)
			if !from.Repeatable() || from.Route() != 7 {
				t.Fatalf("repeatable %v, route %d", from.Repeatable(), from.Route())
			}
			id, to, ok := p.Repeat(old)
			if !ok || id == old {
				t.Fatalf("repeated %x as %x, %v", old, id, ok)
			}
			p.Release(old)
			var v View
			p.Recall(to, &v)
			target, verb := v.Text(v.Target), v.Text(v.Verb)
			if string(target) != "/a?" || len(verb) != 0 || p.Lookup(id) != to || to.Route() != 7 {
				t.Errorf("target %q, verb %q", target, verb)
			}
			room := p.requestRoom(to)
			if got := room[to.body_off:][:to.body_len]; !bytes.Equal(got, body) {
				t.Errorf("body of %d bytes, want %d", len(got), len(body))
			}
			if !p.Post(1, id) {
				t.Error("cannot be posted")
			}
			p.Release(id)
			if slots, blocks := c.InUse(); slots != 0 || blocks != 0 {
				t.Errorf("%d slots and %d blocks in use", slots, blocks)
			}
		})
	}
}

func TestRepeatNeedsRoom(t *testing.T) {
	c := heapChannel(Config{Workers: 1, Loops: 1, SlotsPerLoop: 1, InboxCells: 2, PoolBytes: 1 << 20})
	p := c.Port(0)
	old, _ := filled(t, p, "GET / HTTP/1.1\r\n\r\n", nil)
	if _, _, ok := p.Repeat(old); ok {
		t.Error("there was a slot")
	}
	if _, _, ok := p.Repeat(old + 1<<32); ok {
		t.Error("repeated a stale id")
	}
}

func TestUnsafeMethodsAreNotRepeated(t *testing.T) {
	p := heapChannel(small).Port(0)
	for m := exchange.MethodGet; m < exchange.NumMethods; m++ {
		id, s := begin(t, p)
		r := exchange.Request{Head: []byte("x"), Method: m}
		p.Fill(id, s, &Request{Request: &r})
		safe := strings.Contains("GET HEAD OPTIONS", m.String())
		if s.Repeatable() != safe {
			t.Errorf("%s: repeatable is %v", m, !safe)
		}
		p.Fill(id, s, &Request{Request: &r, Flags: RequestBody})
		if s.Repeatable() {
			t.Errorf("%s with a body on its way is repeatable", m)
		}
		p.Release(id)
	}
}
