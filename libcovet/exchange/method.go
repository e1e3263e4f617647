package exchange

// Method is a request method (RFC 9110, section 9). The numbers are part of
// the border with the workers: bridge/channel.h has the same ones.
type Method uint8

// The registered methods that the router tells apart by number.
const (
	MethodOther Method = iota
	MethodGet
	MethodHead
	MethodPost
	MethodPut
	MethodPatch
	MethodDelete
	MethodOptions
	MethodTrace
	MethodConnect
	NumMethods
)

var methodNames = [NumMethods]string{"", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}

// String returns the method's token, or "" for MethodOther.
func (m Method) String() string {
	if m >= NumMethods {
		return ""
	}
	return methodNames[m]
}

// ParseMethod returns the number of a method token (case-sensitive), or
// MethodOther.
func ParseMethod(token []byte) Method {
	switch string(token) {
	case "GET":
		return MethodGet
	case "HEAD":
		return MethodHead
	case "POST":
		return MethodPost
	case "PUT":
		return MethodPut
	case "PATCH":
		return MethodPatch
	case "DELETE":
		return MethodDelete
	case "OPTIONS":
		return MethodOptions
	case "TRACE":
		return MethodTrace
	case "CONNECT":
		return MethodConnect
	}
	return MethodOther
}

// Proto is the protocol that carried a request.
type Proto uint8

// The protocols that the engine knows by number.
const (
	ProtoHTTP1 Proto = iota
	ProtoHTTP2
	ProtoHTTP3
)
