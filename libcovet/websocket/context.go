package websocket

// context is what the messages of one connection share, in each direction
// (RFC 7692, section 7.1.1). A nil one shares nothing.
type context struct {
	in, out history
}

// history is the last bytes of a direction's compressed messages, before
// their compression.
type history struct {
	bits uint8 // of its size; 0 if nothing is kept
	data []byte
}

func (x *context) received() []byte {
	if x == nil {
		return nil
	}
	return x.in.data
}

func (x *context) sent() []byte {
	if x == nil {
		return nil
	}
	return x.out.data
}

func (x *context) addReceived(p []byte) {
	if x != nil {
		x.in.add(p)
	}
}

func (x *context) addSent(p []byte) {
	if x != nil {
		x.out.add(p)
	}
}

func (h *history) add(p []byte) {
	if h.bits == 0 {
		return
	}
	size := 1 << h.bits
	if len(p) >= size {
		p, h.data = p[len(p)-size:], h.data[:0]
	}
	if over := len(h.data) + len(p) - size; over > 0 {
		h.data = h.data[:copy(h.data, h.data[over:])]
	}
	if n := len(h.data) + len(p); n > cap(h.data) { // in few steps, as each leaves garbage, and never beyond the window
		h.data = append(make([]byte, 0, min(max(n, 8*cap(h.data), 4096), size)), h.data...)
	}
	h.data = append(h.data, p...)
}
