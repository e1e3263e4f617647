package http1

// keptOut names the fields that are not taken from, nor put into, a trailer
// section: those that frame, route, authorize or condition a message, or say
// how its content is to be understood (RFC 9110, section 6.5.1), and those
// that proxies add to say whom a request came from.
var keptOut = [...]string{
	"te", "age", "via", "date", "from", "host", "vary", "allow", "range", "cookie", "expect",
	"origin", "pragma", "expires", "trailer", "upgrade", "warning", "location", "forwarded",
	"x-real-ip", "connection", "keep-alive", "retry-after", "set-cookie", "content-type",
	"max-forwards", "authorization", "cache-control", "content-range", "content-length",
	"content-encoding", "www-authenticate", "proxy-connection", "transfer-encoding",
	"proxy-authenticate", "authentication-info", "proxy-authorization", "proxy-authentication-info",
	"x-http-method-override", "x-api-key",
}

// keptOutPrefixes begins the names of whole families of such fields.
var keptOutPrefixes = [...]string{"if-", "x-forwarded-", "access-control-", "sec-"}

func forbiddenTrailer(name []byte) bool {
	for _, text := range keptOut {
		if equalFold(name, text) {
			return true
		}
	}
	for _, text := range keptOutPrefixes {
		if len(name) > len(text) && equalFold(name[:len(text)], text) {
			return true
		}
	}
	return false
}
