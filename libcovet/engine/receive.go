package engine

import (
	"bytes"

	"github.com/covetpy/covetpy/libcovet/detect"
	"github.com/covetpy/covetpy/libcovet/http1"
	"github.com/covetpy/covetpy/libcovet/netio"
)

// Received takes what it can of the input and returns how many bytes that
// was; netio offers the rest again.
func (l *loop) Received(c *netio.Conn, p []byte) int {
	s := l.session(c)
	s.active = l.now
	n := 0
	for n < len(p) {
		k := 0
		switch s.phase {
		case phaseDetect:
			k = l.detect(s, c, p[n:])
			if k == 0 && s.phase == phaseHead {
				continue
			}
		case phaseHead:
			k = l.readHead(s, c, p[n:])
		case phaseBody:
			k = l.readBody(s, c, p[n:])
			if k == 0 && s.phase != phaseBody {
				continue
			}
		case phaseOver:
			k = len(p) - n
		case phaseSocket:
			k = l.readSocket(s, c, p[n:])
		}
		if k == 0 {
			break
		}
		n += k
	}
	return n
}

// detect looks at the first bytes of a connection. Only HTTP/1.x is served;
// everything else gets the clearest refusal its protocol has.
func (l *loop) detect(s *session, c *netio.Conn, p []byte) int {
	switch kind := detect.Protocol(p); kind {
	case detect.HTTP1:
		s.phase = phaseHead
		return 0
	case detect.NeedMore:
		l.headStarted(s, c)
		return 0
	default:
		l.engine.log.warn("refused a connection from " + c.Remote().String() + ": " + refusalOf(kind))
		l.refuseProtocol(s, c, kind)
		return len(p)
	}
}

func refusalOf(kind detect.Kind) string {
	switch kind {
	case detect.TLS:
		return "it speaks TLS, and this port serves plain HTTP"
	case detect.HTTP2Preface:
		return "it speaks HTTP/2 with prior knowledge, and this port serves HTTP/1.1"
	case detect.ProxyHeader:
		return "it sent a PROXY protocol header, which is not enabled"
	}
	return "its first bytes are of no protocol served here"
}

var (
	// tlsAlert is a fatal protocol_version alert (RFC 8446, section 6).
	tlsAlert = []byte{0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46}
	// http2GoAway is an empty SETTINGS frame and GOAWAY with
	// HTTP_1_1_REQUIRED (RFC 9113, sections 6.5, 6.8 and 7).
	http2GoAway = []byte{
		0, 0, 0, 4, 0, 0, 0, 0, 0,
		0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0d,
	}
)

func (l *loop) refuseProtocol(s *session, c *netio.Conn, kind detect.Kind) {
	switch kind {
	case detect.TLS:
		c.Commit(append(c.Reserve(len(tlsAlert)), tlsAlert...))
		l.endSession(s, c)
	case detect.HTTP2Preface:
		c.Commit(append(c.Reserve(len(http2GoAway)), http2GoAway...))
		l.endSession(s, c)
	default:
		l.refuse(s, c, 400, "Invalid HTTP request received.")
	}
}

// headStarted notes when an incomplete head began: it has a time limit.
func (l *loop) headStarted(s *session, c *netio.Conn) {
	if s.headSince == 0 {
		s.headSince = l.now
		c.SetDeadline(l.now + l.engine.timing.header)
	}
}

// readHead parses one request head and hands the request on.
func (l *loop) readHead(s *session, c *netio.Conn, p []byte) int {
	if c.AboveHighWater() {
		l.hold(s, c, holdOutput)
		return 0
	}
	if s.count >= maxPipeline {
		l.hold(s, c, holdPipeline)
		return 0
	}
	if s.scanned > 0 && len(p) <= l.limits.MaxHead && bytes.IndexByte(p[min(s.scanned, len(p)):], '\n') < 0 {
		s.scanned = len(p)
		return 0
	}
	n, err := l.limits.ParseRequest(p, &l.request)
	if err != nil {
		status, reason := 400, protocolReason(err, "Invalid HTTP request received.")
		if e, ok := err.(*http1.Error); ok {
			status = e.Status
		}
		l.engine.log.info("invalid HTTP request from " + c.Remote().String() + ": " + reason)
		l.refuse(s, c, status, reason)
		return len(p)
	}
	if n == 0 {
		s.scanned = len(p)
		l.headStarted(s, c)
		return 0
	}
	return l.dispatch(s, c, p, n)
}

// hold stops reading for a reason.
func (l *loop) hold(s *session, c *netio.Conn, why hold) {
	if s.held == 0 {
		c.PauseRead()
	}
	s.held |= why
}

// resume reads on when its reason was the last one for not reading.
func (l *loop) resume(s *session, c *netio.Conn, why hold) {
	if s.held&why == 0 {
		return
	}
	if s.held &^= why; s.held != 0 {
		return
	}
	c.ResumeRead()
	if s.socket != nil {
		l.goOn(s, c)
	}
	if s.phase == phaseBody {
		s.active = l.now
		l.lookBy(c, l.now+l.engine.timing.body)
	}
}

// endSession lets the connection end once its output is sent.
func (l *loop) endSession(s *session, c *netio.Conn) {
	s.phase, s.closing = phaseOver, true
	if s.count == 0 {
		c.CloseAfterFlush()
	}
}

// refuse answers a request that cannot be served and ends the connection
// after it, for what follows on it cannot be trusted.
func (l *loop) refuse(s *session, c *netio.Conn, status int, reason string) {
	l.request.Reset(nil)
	l.answerRefusal(s, c, status, reason, nil, false)
	l.endSession(s, c)
}

// headDone resets what was noted about an incomplete head.
func (s *session) headDone() { s.scanned, s.headSince = 0, 0 }
