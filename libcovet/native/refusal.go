package native

import (
	"strconv"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// Refusal fills r with an error response in the application's own shape,
// {"detail": reason}, and returns it. extra holds packed field lines such as
// Allow or Retry-After; scratch is reused for the body.
func Refusal(r *exchange.Response, status int, reason string, extra, scratch []byte) *exchange.Response {
	body := append(scratch[:0], `{"detail":`...)
	body = strconv.AppendQuote(body, reason)
	body = append(body, '}')
	*r = exchange.Response{
		Status: uint16(status), Type: exchange.TypeJSON,
		Length: int64(len(body)), Body: body, Fields: extra,
	}
	return r
}
