package engine

import (
	"github.com/covetpy/covetpy/libcovet/guard"
)

// admit asks the guards about the present request. If it goes no further,
// l.reply has the response.
func (l *loop) admit() bool {
	l.question = guard.Question{
		Request: &l.request, Secure: l.origin.secure, RootPath: l.engine.config.RootPath, Now: l.now,
	}
	return l.routes.guards.Admit(&l.question, &l.ticket, &l.reply)
}

// unguard forgets the ticket of the present request.
func (l *loop) unguard() { l.guarded = false }

// decorate has the guards change the fields of l.response, the answer to o.
func (l *loop) decorate(o *owed) {
	if o.ticket != nil {
		o.routes.guards.Decorate(o.ticket, l.now, &l.response, &l.reply)
	}
}

// ticket keeps a copy of t, whose memory goes to the next request.
func (t *owedTable) ticket(of *guard.Ticket) *guard.Ticket {
	if n := len(t.tickets); n > 0 {
		kept := t.tickets[n-1]
		t.tickets = t.tickets[:n-1]
		*kept, *of = *of, *kept
		return kept
	}
	kept := *of
	*of = guard.Ticket{}
	return &kept
}
