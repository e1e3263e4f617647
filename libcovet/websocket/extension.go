package websocket

import (
	"strconv"
	"strings"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// agreement is what a client and this server have agreed on about compressed
// messages (RFC 7692, section 7.1).
type agreement struct {
	answer string // the extension as the answer names it; "" if there is none
	window uint8  // bits of the window that our compressor may use
	in     uint8  // bits of the window that stays between the client's messages; 0 if none does
	out    uint8  // and between ours
}

// offer is one offer of permessage-deflate. Windows are in bits; 0 if absent.
type offer struct {
	serverAlone, clientAlone   bool // the parameters that end in no_context_takeover
	serverWindow, clientWindow uint8
	clientLimits               bool // client_max_window_bits is there, with or without a value
}

// agree is the answer to the first offer of permessage-deflate that is a
// valid one. takeover is as in Options.
func agree(r *exchange.Request, takeover bool) agreement {
	for _, h := range r.Fields() {
		if int(h.Name.Len) != len(extensionsField) || !exchange.EqualName(h.Name.Of(r.Head), extensionsField) {
			continue
		}
		for rest := string(h.Value.Of(r.Head)); rest != ""; {
			var one string
			one, rest = cutOutside(rest, ',')
			if o, ok := parseOffer(one); ok {
				return o.accept(takeover)
			}
		}
	}
	return agreement{}
}

const extensionsField = "sec-websocket-extensions"

// cutOutside cuts at the first separator that is not in a quoted string.
func cutOutside(s string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == separator && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// parseOffer reads one extension; false if it is not permessage-deflate, or
// has a parameter that is unknown, repeated or malformed: such an offer is
// declined (RFC 7692, section 7.1).
func parseOffer(s string) (o offer, ok bool) {
	name, rest := cutOutside(s, ';')
	if trim(name) != "permessage-deflate" {
		return offer{}, false
	}
	more := len(name) < len(s)
	for more {
		var parameter string
		before := len(rest)
		parameter, rest = cutOutside(rest, ';')
		more = len(parameter) < before
		if !o.parameter(parameter) {
			return offer{}, false
		}
	}
	return o, true
}

// parameter takes one parameter; false if the offer is to be declined.
func (o *offer) parameter(s string) bool {
	name, value, valued := strings.Cut(s, "=")
	var repeated, good bool
	switch trim(name) {
	case "server_no_context_takeover":
		repeated, good = o.serverAlone, !valued
		o.serverAlone = true
	case "client_no_context_takeover":
		repeated, good = o.clientAlone, !valued
		o.clientAlone = true
	case "server_max_window_bits":
		repeated = o.serverWindow != 0
		o.serverWindow, good = windowBits(trim(value))
	case "client_max_window_bits":
		repeated, good = o.clientLimits, true
		o.clientLimits = true
		if valued {
			o.clientWindow, good = windowBits(trim(value))
		}
	}
	return good && !repeated
}

func trim(s string) string { return strings.Trim(s, " \t") }

// windowBits reads a size from 8 to 15, a token or a quoted string.
func windowBits(s string) (uint8, bool) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return uint8(n), err == nil && n >= 8 && n <= maxWindow && s == strconv.FormatUint(n, 10)
}

// accept decides what is agreed on.
func (o *offer) accept(takeover bool) agreement {
	a := agreement{window: maxWindow}
	answer := "permessage-deflate"
	if o.serverWindow != 0 {
		a.window = o.serverWindow
	}
	if takeover && !o.serverAlone {
		a.out = a.window
	} else {
		answer += "; server_no_context_takeover"
	}
	switch {
	case !takeover || o.clientAlone:
		answer += "; client_no_context_takeover"
	case o.clientWindow != 0: // it may refer less far than that, so less is kept
		answer += "; client_max_window_bits=" + strconv.Itoa(int(o.clientWindow))
		a.in = max(o.clientWindow, 9) // zlib takes 8 for 9
	default:
		a.in = maxWindow
	}
	if o.serverWindow != 0 {
		answer += "; server_max_window_bits=" + strconv.Itoa(int(a.window))
	}
	a.answer = answer
	return a
}
