package http1

// Error says why a message is refused. Every value of it belongs to this
// package and is never changed. The connection cannot be used after one.
type Error struct {
	// Status is the response status to answer with.
	Status int
	// Reason is a short sentence for the log and the response body.
	Reason string
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

func refusal(status int, reason string) *Error { return &Error{status, reason} }

var (
	errEmptyLines   = refusal(400, "Too many empty lines before the request")
	errBareLF       = refusal(400, "A line must end with CR LF, not LF alone")
	errBareCR       = refusal(400, "CR must be followed by LF")
	errMethod       = refusal(400, "The method is not a token")
	errMethodLong   = refusal(501, "The method is longer than any known one")
	errSpaces       = refusal(400, "The request line must have single spaces")
	errTarget       = refusal(400, "The request target has a forbidden byte")
	errTargetForm   = refusal(400, "The request target does not fit the method")
	errTargetScheme = refusal(400, "The scheme of the request target must be http or https")
	errTargetEscape = refusal(400, "The path has a malformed percent-encoding")
	errTargetHost   = refusal(400, "The request target has a malformed authority")
	errTargetLong   = refusal(414, "The request target is too long")
	errVersion      = refusal(400, "The HTTP version is malformed")
	errMajor        = refusal(505, "Only HTTP/1.0 and HTTP/1.1 are served here")

	errHeadLong    = refusal(431, "The request head is too large")
	errManyFields  = refusal(431, "The request has too many header fields")
	errFold        = refusal(400, "Folded header lines are not accepted")
	errNoName      = refusal(400, "A header field has no name")
	errNameSpace   = refusal(400, "White space before the colon of a header field")
	errName        = refusal(400, "A header field name has a forbidden byte")
	errValue       = refusal(400, "A header field value has a control byte")
	errNoHost      = refusal(400, "The Host header field is missing")
	errManyHosts   = refusal(400, "The Host header field is repeated")
	errHost        = refusal(400, "The Host header field is malformed")
	errLength      = refusal(400, "The Content-Length header field is malformed")
	errManyLengths = refusal(400, "The Content-Length header field is repeated")
	errLengthLarge = refusal(413, "The announced body is too large")
	errLengthAndTE = refusal(400, "Content-Length and Transfer-Encoding exclude each other")
	errManyTEs     = refusal(400, "The Transfer-Encoding header field is repeated")
	errTEOldHTTP   = refusal(400, "Transfer-Encoding is not part of HTTP/1.0")
	errTE          = refusal(400, "The last transfer coding must be chunked, and only once")
	errTEUnknown   = refusal(501, "Only the chunked transfer coding is known")
	errExpectation = refusal(417, "Only the expectation 100-continue is known")

	errChunkSize     = refusal(400, "A chunk size is malformed")
	errChunkLarge    = refusal(400, "A chunk size is too large")
	errChunkLine     = refusal(400, "A chunk line is too long")
	errChunkExt      = refusal(400, "A chunk extension is malformed")
	errChunkOverhead = refusal(400, "The chunked body has too much beside its data")
	errChunkEnd      = refusal(400, "Chunk data must be followed by CR LF")
	errTrailerLarge  = refusal(400, "The trailer section is too large")
)
