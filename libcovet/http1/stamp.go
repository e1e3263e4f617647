package http1

import (
	"math"
	"time"
)

const (
	serverName = "server: "
	dateName   = "date: "
	dateForm   = "Mon, 02 Jan 2006 15:04:05 GMT"
)

// Stamp holds the lines that every response head has, ready to be copied: the
// Server and Date lines and those of the operator. The zero value has none. It
// is for one goroutine.
type Stamp struct {
	lines  []byte // the operator's lines, the Server line, then the Date line
	server int    // where the Server line begins in lines
	date   int    // where the Date line begins in lines
	second int64
	due    int64
}

// Add appends a line for every response. It comes before Init, and reports
// false for what is no field (RFC 9110, section 5.1 and 5.5).
func (s *Stamp) Add(name, value string) bool {
	if name == "" || skipName([]byte(name), 0) != len(name) || skipValue([]byte(value), 0, false) != len(value) {
		return false
	}
	s.lines = append(append(append(append(s.lines, name...), ": "...), value...), "\r\n"...)
	s.server = len(s.lines)
	return true
}

// Init sets the Server line, left out if server is empty or no valid field
// value, and the Date line, left out unless date is set. The date is that of
// the call until Refresh changes it.
func (s *Stamp) Init(server string, date bool) {
	*s = Stamp{lines: s.lines[:s.server], server: s.server, due: math.MaxInt64}
	if server != "" && skipValue([]byte(server), 0, false) == len(server) {
		s.lines = append(append(append(s.lines, serverName...), server...), "\r\n"...)
	}
	s.date = len(s.lines)
	if date {
		s.lines = append(append(append(s.lines, dateName...), dateForm...), "\r\n"...)
		s.due = math.MinInt64
		s.set(time.Now())
	}
}

// Refresh brings the date up to the wall clock. now is any clock in
// nanoseconds that does not run backwards: it only tells when to look at the
// wall clock again, which is once a second, so calling this on every turn of
// a loop costs one comparison.
func (s *Stamp) Refresh(now int64) {
	if now < s.due || s.date == len(s.lines) {
		return
	}
	wall := time.Now()
	s.due = now + int64(time.Second) - int64(wall.Nanosecond())
	s.set(wall)
}

// Second is the Unix time in seconds that the date shows: what was made with
// this stamp is stale when it changes. It stays 0 without a Date line.
func (s *Stamp) Second() int64 { return s.second }

// set writes the date as an IMF-fixdate (RFC 9110, section 5.6.7).
func (s *Stamp) set(wall time.Time) {
	if s.second == wall.Unix() {
		return
	}
	s.second = wall.Unix()
	const days, months = "SunMonTueWedThuFriSat", "JanFebMarAprMayJunJulAugSepOctNovDec"
	wall = wall.UTC()
	year, month, day := wall.Date()
	hour, minute, second := wall.Clock()
	d := s.lines[s.date+len(dateName):]
	copy(d, days[3*wall.Weekday():][:3])
	copy(d[8:], months[3*(month-1):][:3])
	digits(d[5:7], day)
	digits(d[12:16], year)
	digits(d[17:19], hour)
	digits(d[20:22], minute)
	digits(d[23:25], second)
}

func digits(d []byte, n int) {
	for i := len(d) - 1; i >= 0; i-- {
		d[i] = byte('0' + n%10)
		n /= 10
	}
}
