package websocket

// Error says why a connection must be closed. Every value of it belongs to
// this package and is never changed. Nothing can be read after one.
type Error struct {
	// Code is the close code to send (RFC 6455, section 7.4.1).
	Code uint16
	// Reason is a short sentence for the log and the closing frame.
	Reason string
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// The close codes that the codec itself gives (RFC 6455, section 7.4.1).
const (
	// CodeNoStatus is what an empty closing frame is read as; it is never sent.
	CodeNoStatus = 1005

	codeProtocol = 1002
	codeBadData  = 1007
	codeTooBig   = 1009
)

var (
	errUnmasked     = &Error{codeProtocol, "a client's frames must be masked"}
	errReserved     = &Error{codeProtocol, "a reserved bit is set"}
	errOpcode       = &Error{codeProtocol, "unknown opcode"}
	errControl      = &Error{codeProtocol, "a control frame is too long or in fragments"}
	errContinuation = &Error{codeProtocol, "a continuation without a beginning"}
	errWithin       = &Error{codeProtocol, "a message begins within another one"}
	errLength       = &Error{codeProtocol, "a length is not in its shortest form"}
	errLengthLarge  = &Error{codeProtocol, "a length has more than 63 bits"}
	errHalfCode     = &Error{codeProtocol, "a close code has two bytes"}
	errCode         = &Error{codeProtocol, "invalid close code"}

	errText    = &Error{codeBadData, "the text is not UTF-8"}
	errReason  = &Error{codeBadData, "the close reason is not UTF-8"}
	errDeflate = &Error{codeBadData, "the compressed data is malformed"}
	errTooBig  = &Error{codeTooBig, "the message is too big"}
)
