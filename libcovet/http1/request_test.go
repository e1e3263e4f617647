package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// describe gives all that a parsed request says, in one comparable line.
func describe(r *exchange.Request) string {
	var b strings.Builder
	of := func(s exchange.Span) string { return string(s.Of(r.Head)) }
	fmt.Fprintf(&b, "%d %s target=%s path=%s query=%s host=%s minor=%d length=%d flags=%s",
		r.Method, of(r.Verb), of(r.Target), of(r.Path), of(r.Query), of(r.Host), r.Minor, r.Length, flagNames(r.Flags))
	for _, h := range r.Fields() {
		fmt.Fprintf(&b, " [%s|%s]", of(h.Name), of(h.Value))
	}
	return b.String()
}

func flagNames(f exchange.Flags) string {
	names := ""
	for i, c := range "CKXQUE" {
		if f&(1<<i) != 0 {
			names += string(c)
		}
	}
	return names
}

// outcome parses text with one limit and describes the result.
func outcome(limits *Limits, text string) (string, int, error) {
	var req exchange.Request
	n, err := limits.ParseRequest([]byte(text), &req)
	if n > 0 && err == nil {
		return describe(&req), n, nil
	}
	return "", n, err
}

const h = "Host: a\r\n"

// accepted has the flags as letters: Chunked, Keep-alive, eXpect, Query,
// Upgrade, Escaped.
var accepted = []struct{ name, text, want string }{
	{"least", "GET / HTTP/1.1\r\n" + h + "\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"HTTP/1.0 needs no host", "GET / HTTP/1.0\r\n\r\n", "1 GET target=/ path=/ query= host= minor=0 length=-1 flags="},
	{"HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "1 GET target=/ path=/ query= host= minor=0 length=-1 flags=K [Connection|Keep-Alive]"},
	{"HTTP/1.0 close wins", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "1 GET target=/ path=/ query= host= minor=0 length=-1 flags= [Connection|keep-alive, close]"},
	{"HTTP/1.9 is as 1.1", "GET / HTTP/1.9\r\n" + h + "\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"close", "GET / HTTP/1.1\r\n" + h + "Connection: CLOSE\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags= [Host|a] [Connection|CLOSE]"},
	{"close among tokens", "GET / HTTP/1.1\r\n" + h + "Connection: x ,\t close\t,,y\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags= [Host|a] [Connection|x ,\t close\t,,y]"},
	{"close on a second line", "GET / HTTP/1.1\r\nConnection: keep-alive\r\n" + h + "Connection: close\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags= [Connection|keep-alive] [Host|a] [Connection|close]"},
	{"not close", "GET / HTTP/1.1\r\n" + h + "Connection: closed\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a] [Connection|closed]"},
	{"empty lines before", "\r\n\r\nGET / HTTP/1.1\r\n" + h + "\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"unknown method", "PURGE / HTTP/1.1\r\n" + h + "\r\n", "0 PURGE target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"methods have case", "get / HTTP/1.1\r\n" + h + "\r\n", "0 get target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"odd method", "!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n" + h + "\r\n", "0 !#$%&'*+-.^_`|~9 target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"query", "GET /p?q=1?2 HTTP/1.1\r\n" + h + "\r\n", "1 GET target=/p?q=1?2 path=/p query=q=1?2 host=a minor=1 length=-1 flags=KQ [Host|a]"},
	{"empty query", "GET /p? HTTP/1.1\r\n" + h + "\r\n", "1 GET target=/p? path=/p query= host=a minor=1 length=-1 flags=KQ [Host|a]"},
	{"escaped path", "GET /%41%2f HTTP/1.1\r\n" + h + "\r\n", "1 GET target=/%41%2f path=/%41%2f query= host=a minor=1 length=-1 flags=KE [Host|a]"},
	{"escape only in query", "GET /?%zz HTTP/1.1\r\n" + h + "\r\n", "1 GET target=/?%zz path=/ query=%zz host=a minor=1 length=-1 flags=KQ [Host|a]"},
	{"two slashes are a path", "GET //b/c HTTP/1.1\r\n" + h + "\r\n", "1 GET target=//b/c path=//b/c query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"unwise visible bytes", "GET /\"<>\\^`{|} HTTP/1.1\r\n" + h + "\r\n", "1 GET target=/\"<>\\^`{|} path=/\"<>\\^`{|} query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"asterisk", "OPTIONS * HTTP/1.1\r\n" + h + "\r\n", "7 OPTIONS target=* path=* query= host=a minor=1 length=-1 flags=K [Host|a]"},
	{"absolute", "GET http://b:80/c?d HTTP/1.1\r\n" + h + "\r\n", "1 GET target=http://b:80/c?d path=/c query=d host=b:80 minor=1 length=-1 flags=KQ [Host|a]"},
	{"absolute, other case", "GET HTTPS://B/ HTTP/1.1\r\n" + h + "\r\n", "1 GET target=HTTPS://B/ path=/ query= host=B minor=1 length=-1 flags=K [Host|a]"},
	{"absolute without path", "GET http://b HTTP/1.1\r\n" + h + "\r\n", "1 GET target=http://b path=/ query= host=b minor=1 length=-1 flags=K [Host|a]"},
	{"absolute with only a query", "GET http://b?x HTTP/1.1\r\n" + h + "\r\n", "1 GET target=http://b?x path=/ query=x host=b minor=1 length=-1 flags=KQ [Host|a]"},
	{"absolute, IPv6", "GET http://[::1]:8/ HTTP/1.1\r\n" + h + "\r\n", "1 GET target=http://[::1]:8/ path=/ query= host=[::1]:8 minor=1 length=-1 flags=K [Host|a]"},
	{"absolute, HTTP/1.0", "GET http://b/ HTTP/1.0\r\n\r\n", "1 GET target=http://b/ path=/ query= host=b minor=0 length=-1 flags="},
	{"authority", "CONNECT b:443 HTTP/1.1\r\n" + h + "\r\n", "9 CONNECT target=b:443 path= query= host=b:443 minor=1 length=-1 flags=K [Host|a]"},
	{"host with port", "GET / HTTP/1.1\r\nHost: a_b-c.d~e:65535\r\n\r\n", "1 GET target=/ path=/ query= host=a_b-c.d~e:65535 minor=1 length=-1 flags=K [Host|a_b-c.d~e:65535]"},
	{"host, IPv6", "GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n", "1 GET target=/ path=/ query= host=[2001:db8::1] minor=1 length=-1 flags=K [Host|[2001:db8::1]]"},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "1 GET target=/ path=/ query= host= minor=1 length=-1 flags=K [Host|]"},
	{"length", "POST / HTTP/1.1\r\n" + h + "content-LENGTH: 0012\r\n\r\n", "3 POST target=/ path=/ query= host=a minor=1 length=12 flags=K [Host|a] [content-LENGTH|0012]"},
	{"largest length", "POST / HTTP/1.1\r\n" + h + "Content-Length: 999999999999999999\r\n\r\n", "3 POST target=/ path=/ query= host=a minor=1 length=999999999999999999 flags=K [Host|a] [Content-Length|999999999999999999]"},
	{"chunked", "POST / HTTP/1.1\r\n" + h + "transfer-encoding: CHUNKED\r\n\r\n", "3 POST target=/ path=/ query= host=a minor=1 length=-1 flags=CK [Host|a] [transfer-encoding|CHUNKED]"},
	{"expectation", "POST / HTTP/1.1\r\n" + h + "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n", "3 POST target=/ path=/ query= host=a minor=1 length=5 flags=KX [Host|a] [Content-Length|5] [Expect|100-Continue]"},
	{"HTTP/1.0 has no expectation", "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", "3 POST target=/ path=/ query= host= minor=0 length=5 flags= [Content-Length|5] [Expect|100-continue]"},
	{"upgrade", "GET / HTTP/1.1\r\n" + h + "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=KU [Host|a] [Connection|keep-alive, Upgrade] [Upgrade|websocket]"},
	{"upgrade needs Connection", "GET / HTTP/1.1\r\n" + h + "Upgrade: websocket\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a] [Upgrade|websocket]"},
	{"upgrade needs Upgrade", "GET / HTTP/1.1\r\n" + h + "Connection: upgrade\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a] [Connection|upgrade]"},
	{"HTTP/1.0 has no upgrade", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "1 GET target=/ path=/ query= host= minor=0 length=-1 flags= [Connection|upgrade] [Upgrade|x]"},
	{"white space around values", "GET / HTTP/1.1\r\nHost:\t a \t\r\nX: \t\r\nY:a \t b\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a] [X|] [Y|a \t b]"},
	{"obs-text", "GET / HTTP/1.1\r\n" + h + "X: \x80\xffabcdefgh\xfe\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a] [X|\x80\xffabcdefgh\xfe]"},
	{"odd names", "GET / HTTP/1.1\r\n" + h + "!#$%&'*+-.^_`|~Az09: :\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a] [!#$%&'*+-.^_`|~Az09|:]"},
	{"names as long as known ones", "GET / HTTP/1.1\r\n" + h + "Cost: 1\r\nCookie: 2\r\nReferer: 3\r\nUser-Agent: 4\r\nAccept-Charset: 5\r\nIf-Modified-Since: 6\r\n\r\n", "1 GET target=/ path=/ query= host=a minor=1 length=-1 flags=K [Host|a] [Cost|1] [Cookie|2] [Referer|3] [User-Agent|4] [Accept-Charset|5] [If-Modified-Since|6]"},
}

func TestAccepted(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.name, func(t *testing.T) {
			got, n, err := outcome(&Limits{}, c.text+"the rest")
			if err != nil || got != c.want || n != len(c.text) {
				t.Errorf("n = %d of %d, err = %v\n got %s\nwant %s", n, len(c.text), err, got, c.want)
			}
			checkSplits(t, &Limits{}, c.text)
		})
	}
}

// checkSplits parses every beginning of text: the result must be "incomplete"
// up to some length and one and the same from there on, wide or not.
func checkSplits(t *testing.T, limits *Limits, text string) {
	t.Helper()
	plain := *limits
	plain.NoSIMD = true
	wantText, wantN, wantErr := outcome(limits, text)
	decided := false
	for k := range len(text) + 1 {
		got, n, err := outcome(limits, text[:k])
		gotPlain, nPlain, errPlain := outcome(&plain, text[:k])
		if got != gotPlain || n != nPlain || err != errPlain {
			t.Fatalf("%q: wide %q %d %v, plain %q %d %v", text[:k], got, n, err, gotPlain, nPlain, errPlain)
		}
		if n == 0 && err == nil {
			if decided {
				t.Fatalf("%q: incomplete, though a shorter beginning was decided", text[:k])
			}
			continue
		}
		decided = true
		if got != wantText || n != wantN || err != wantErr {
			t.Fatalf("%q: %q %d %v, but the whole is %q %d %v", text[:k], got, n, err, wantText, wantN, wantErr)
		}
	}
}

const get = "GET / HTTP/1.1\r\n"

// refused inputs end with the byte that shows the error, so each is also
// tested to be incomplete one byte before.
var refused = []struct {
	name, text string
	want       *Error
}{
	{"LF first", "\n", errBareLF},
	{"CR first", "\rG", errBareCR},
	{"three empty lines", "\r\n\r\n\r", errEmptyLines},
	{"space first", " ", errMethod},
	{"no method byte", "G@", errMethod},
	{"control in method", "GE\x00", errMethod},
	{"method with colon", "GET:", errMethod},
	{"method then tab", "GET\t", errMethod},
	{"method then line end", "GET\r", errMethod},
	{"high byte in method", "G\x80", errMethod},
	{"method without end", strings.Repeat("G", maxMethod+1), errMethodLong},
	{"two spaces", "GET  ", errSpaces},
	{"tab after target", "GET /\t", errSpaces},
	{"two spaces after target", "GET /  ", errSpaces},
	{"tab after the space", "GET / \t", errSpaces},
	{"HTTP/0.9", "GET /\r", errVersion},
	{"HTTP/0.9 with LF", "GET /\n", errVersion},
	{"control in target", "GET /\x01", errTarget},
	{"DEL in target", "GET /abcdefgh\x7f", errTarget},
	{"NUL in target", "GET /\x00", errTarget},
	{"high byte in target", "GET /\xc3", errTarget},
	{"fragment", "GET /a#", errTarget},
	{"relative target", "GET a ", errTargetForm},
	{"asterisk with GET", "GET * ", errTargetForm},
	{"more than an asterisk", "OPTIONS *a ", errTargetForm},
	{"query only", "GET ?a ", errTargetForm},
	{"other scheme", "GET ftp://a/ ", errTargetScheme},
	{"scheme alone", "GET http: ", errTargetScheme},
	{"no authority", "GET http:///x ", errTargetHost},
	{"no authority, query", "GET http://?x ", errTargetHost},
	{"user information", "GET http://u@b/ ", errTargetHost},
	{"user and password", "GET http://u:p@b/ ", errTargetHost},
	{"port without host", "GET http://:80/ ", errTargetHost},
	{"bad port", "GET http://b:x/ ", errTargetHost},
	{"large port", "GET http://b:65536/ ", errTargetHost},
	{"escape in authority", "GET http://b%41/ ", errTargetHost},
	{"bracket open", "GET http://[::1/ ", errTargetHost},
	{"IPv4 in brackets", "GET http://[1.2.3.4]/ ", errTargetHost},
	{"zone", "GET http://[fe80::1%25a]/ ", errTargetHost},
	{"bad IPv6", "GET http://[:::]/ ", errTargetHost},
	{"after the bracket", "GET http://[::1]a/ ", errTargetHost},
	{"CONNECT with a path", "CONNECT /a ", errTargetForm},
	{"CONNECT without port", "CONNECT b ", errTargetForm},
	{"CONNECT with empty port", "CONNECT b: ", errTargetForm},
	{"CONNECT without host", "CONNECT :80 ", errTargetForm},
	{"CONNECT with a URI", "CONNECT http://b/ ", errTargetForm},
	{"escape without digits", "GET /%zz ", errTargetEscape},
	{"escape with one digit", "GET /%4z ", errTargetEscape},
	{"escape cut short", "GET /%4 ", errTargetEscape},
	{"escape cut by query", "GET /%?41 ", errTargetEscape},
	{"second escape", "GET /%41%4x ", errTargetEscape},
	{"lower-case version", "GET / h", errVersion},
	{"other protocol", "GET / I", errVersion},
	{"no digit", "GET / HTTP/x", errVersion},
	{"no point", "GET / HTTP/1,", errVersion},
	{"no minor digit", "GET / HTTP/1.\r", errVersion},
	{"two minor digits", "GET / HTTP/1.10", errVersion},
	{"two major digits", "GET / HTTP/11", errVersion},
	{"space after version", "GET / HTTP/1.1 ", errVersion},
	{"HTTP/2.0", "GET / HTTP/2.0\r\n", errMajor},
	{"HTTP/0.9 named", "GET / HTTP/0.9\r\n", errMajor},
	{"LF after version", "GET / HTTP/1.1\n", errBareLF},
	{"CR after version", "GET / HTTP/1.1\rX", errBareCR},
	{"CR CR after version", "GET / HTTP/1.1\r\r", errBareCR},

	{"fold at the start", get + " ", errFold},
	{"fold", get + h + "\t", errFold},
	{"no name", get + ":", errNoName},
	{"space before colon", get + "Host ", errNameSpace},
	{"tab before colon", get + "Host\t", errNameSpace},
	{"no colon", get + "Host\r", errName},
	{"no colon and LF", get + "Host\n", errBareLF},
	{"control in name", get + "Ho\x01", errName},
	{"NUL in name", get + "X-Abcdefg\x00", errName},
	{"high byte in name", get + "X\xe9", errName},
	{"bracket in name", get + "X[", errName},
	{"NUL in value", get + "X: a\x00", errValue},
	{"control in value", get + "X: abcdefghijk\x1f", errValue},
	{"DEL in value", get + "X: abcdefghijk\x7f", errValue},
	{"control after a tab", get + "X: abc\tdefghijkl\x0b", errValue},
	{"LF after value", get + "X: a\n", errBareLF},
	{"CR in value", get + "X: a\rb", errBareCR},
	{"CR CR LF", get + "X: a\r\r", errBareCR},
	{"LF as the empty line", get + h + "\n", errBareLF},
	{"CR as the empty line", get + h + "\rX", errBareCR},

	{"no host", get + "\r\n", errNoHost},
	{"no host with absolute target", "GET http://b/ HTTP/1.1\r\n\r\n", errNoHost},
	{"two hosts", get + h + "hOST: a\r\n", errManyHosts},
	{"two hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" + h + h, errManyHosts},
	{"list of hosts", get + "Host: a,b\r\n", errHost},
	{"space in host", get + "Host: a b\r\n", errHost},
	{"path in host", get + "Host: a/b\r\n", errHost},
	{"user in host", get + "Host: u@a\r\n", errHost},
	{"escape in host", get + "Host: a%41\r\n", errHost},
	{"high byte in host", get + "Host: \xe9\r\n", errHost},
	{"port only", get + "Host: :80\r\n", errHost},
	{"bad port in host", get + "Host: a:8x\r\n", errHost},
	{"two ports", get + "Host: a:80:80\r\n", errHost},
	{"bare IPv6", get + "Host: ::1\r\n", errHost},
	{"empty brackets", get + "Host: []\r\n", errHost},
	{"bad host beside absolute target", "GET http://b/ HTTP/1.1\r\nHost: a b\r\n", errHost},

	{"empty length", get + "Content-Length:\r\n", errLength},
	{"length with sign", get + "Content-Length: +5\r\n", errLength},
	{"negative length", get + "Content-Length: -5\r\n", errLength},
	{"hexadecimal length", get + "Content-Length: 0x5\r\n", errLength},
	{"list of lengths", get + "Content-Length: 5, 5\r\n", errLength},
	{"space in length", get + "Content-Length: 5 5\r\n", errLength},
	{"point in length", get + "Content-Length: 5.0\r\n", errLength},
	{"length over 64 bits", get + "Content-Length: 18446744073709551617\r\n", errLengthLarge},
	{"length over 63 bits", get + "Content-Length: 9223372036854775808\r\n", errLengthLarge},
	{"two differing lengths", get + "Content-Length: 5\r\ncontent-length: 6\r\n", errManyLengths},
	{"two equal lengths", get + "Content-Length: 5\r\nContent-Length: 5\r\n", errManyLengths},
	{"coding after length", get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", errLengthAndTE},
	{"length after coding", get + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", errLengthAndTE},
	{"two codings", get + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", errManyTEs},
	{"coding in HTTP/1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", errTEOldHTTP},
	{"identity", get + "Transfer-Encoding: identity\r\n", errTE},
	{"gzip alone", get + "Transfer-Encoding: gzip\r\n", errTE},
	{"empty coding", get + "Transfer-Encoding:\r\n", errTE},
	{"chunked not last", get + "Transfer-Encoding: chunked, gzip\r\n", errTE},
	{"chunked twice", get + "Transfer-Encoding: chunked, chunked\r\n", errTE},
	{"chunked and nothing", get + "Transfer-Encoding: chunked,\r\n", errTE},
	{"nothing and chunked", get + "Transfer-Encoding: ,chunked\r\n", errTE},
	{"quoted chunked", get + "Transfer-Encoding: \"chunked\"\r\n", errTE},
	{"chunked with parameter", get + "Transfer-Encoding: chunked;q=1\r\n", errTE},
	{"vertical tab chunked", get + "Transfer-Encoding: \x0b", errValue},
	{"unknown coding", get + "Transfer-Encoding: gzip, Chunked\r\n", errTEUnknown},
	{"unknown expectation", get + "Expect: 200-ok\r\n", errExpectation},
	{"list of expectations", get + "Expect: 100-continue, x\r\n", errExpectation},
}

func TestRefused(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			_, n, err := outcome(&Limits{}, c.text)
			if n != 0 || err != error(c.want) {
				t.Fatalf("%q: n = %d, err = %v, want %v", c.text, n, err, c.want)
			}
			if _, n, err := outcome(&Limits{}, c.text[:len(c.text)-1]); n != 0 || err != nil {
				t.Errorf("without the last byte: n = %d, err = %v, want incomplete", n, err)
			}
			checkSplits(t, &Limits{}, c.text+"\r\n\r\n")
		})
	}
}

func TestErrorsAreOfOneType(t *testing.T) {
	_, err := (&Limits{}).ParseRequest([]byte(" "), new(exchange.Request))
	var e *Error
	if !errors.As(err, &e) || e.Status != 400 || e.Reason == "" || e.Error() != e.Reason {
		t.Errorf("err = %#v", err)
	}
	if _, err := (&Limits{}).ParseRequest(nil, new(exchange.Request)); err != nil {
		t.Errorf("no input: %v", err)
	}
}

func TestLimits(t *testing.T) {
	limits := &Limits{MaxTarget: 20, MaxHead: 100, MaxHeaders: 3}
	head := func(n int) string {
		start := get + h + "X: "
		return start + strings.Repeat("x", n-len(start)-4) + "\r\n\r\n"
	}
	target := func(n int) string { return "GET /" + strings.Repeat("t", n-1) }
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"longest target", target(20) + " HTTP/1.1\r\n" + h + "\r\n", nil},
		{"target too long", target(21), errTargetLong},
		{"target too long and wrong", target(21) + "\x00", errTargetLong},
		{"target wrong before it is too long", target(20) + "\x00", errTarget},
		{"largest head", head(100), nil},
		{"head too large", head(101), errHeadLong},
		{"head without end", (get + strings.Repeat("x", 100))[:100], errHeadLong},
		{"error after the limit", head(101)[:100] + "\x00", errHeadLong},
		{"most fields", get + h + "a:\r\nb:\r\n\r\n", nil},
		{"too many fields", get + h + "a:\r\nb:\r\nc", errManyFields},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, n, err := outcome(limits, c.text); err != c.want || n > 0 != (err == nil) {
				t.Errorf("n = %d, err = %v, want %v", n, err, c.want)
			}
			checkSplits(t, limits, c.text)
		})
	}
	if _, _, err := outcome(&Limits{MaxHead: 50}, target(60)); err != error(errTargetLong) {
		t.Errorf("target longer than the head limit: %v", err)
	}
	for status, e := range map[int]*Error{414: errTargetLong, 431: errHeadLong} {
		if e.Status != status {
			t.Errorf("%v has status %d", e, e.Status)
		}
	}
}

// The widest limits must not let a span or the header array overflow.
func TestUnboundedLimitsAreBounded(t *testing.T) {
	limits := &Limits{MaxTarget: 1 << 20, MaxHead: 1 << 20, MaxHeaders: 1 << 20}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"target": {"GET /" + strings.Repeat("t", 1<<17), errTargetLong},
		"head":   {get + "X: " + strings.Repeat("x", 1<<17), errHeadLong},
		"fields": {get + strings.Repeat("a:\r\n", exchange.MaxHeaders+1), errManyFields},
	} {
		if _, n, err := outcome(limits, c.text); n != 0 || err != c.want {
			t.Errorf("%s: n = %d, err = %v, want %v", name, n, err, c.want)
		}
	}
	full := get + h + strings.Repeat("a:\r\n", exchange.MaxHeaders-1)
	full += "\r\n"
	if _, n, err := outcome(limits, full); n != len(full) || err != nil {
		t.Errorf("most fields: n = %d, err = %v", n, err)
	}
	largest := get + h + "X: "
	largest += strings.Repeat("x", exchange.MaxHead-len(largest)-4) + "\r\n\r\n"
	if _, n, err := outcome(limits, largest); n != exchange.MaxHead || err != nil {
		t.Errorf("largest head: n = %d, err = %v", n, err)
	}
}

// Every byte value at every place of a head: wide and plain scans agree, and
// so do all splits.
func TestEveryByteEverywhere(t *testing.T) {
	base := "GET /abcdefgh?q HTTP/1.1\r\nHost: abcdef.gh\r\nX-Name-Long: some value\there\r\n\r\n"
	wide, plain := &Limits{}, &Limits{NoSIMD: true}
	for i := range base {
		for b := range 256 {
			text := base[:i] + string([]byte{byte(b)}) + base[i+1:]
			got, n, err := outcome(wide, text)
			gotPlain, nPlain, errPlain := outcome(plain, text)
			if got != gotPlain || n != nPlain || err != errPlain {
				t.Fatalf("byte %#x at %d: wide %q %d %v, plain %q %d %v", b, i, got, n, err, gotPlain, nPlain, errPlain)
			}
		}
	}
}

func TestPipelined(t *testing.T) {
	p := []byte(wrkRequest + browserRequest + wrkRequest)
	var req exchange.Request
	for i, want := range []string{wrkRequest, browserRequest, wrkRequest} {
		n, err := (&Limits{}).ParseRequest(p, &req)
		if err != nil || n != len(want) || string(req.Head) != want {
			t.Fatalf("request %d: n = %d, err = %v, head %q", i, n, err, req.Head)
		}
		p = p[n:]
	}
}

func TestParseRequestDoesNotAllocate(t *testing.T) {
	var req exchange.Request
	for name, text := range map[string]string{
		"wrk": wrkRequest, "browser": browserRequest, "refused": get + "Host: a b\r\n\r\n",
		"partial": browserRequest[:300],
		"IPv6":    get + "Host: [2001:db8::1]:80\r\n\r\n", "absolute": "GET http://a/b HTTP/1.1\r\n" + h + "\r\n",
	} {
		for _, plain := range []bool{false, true} {
			limits, p := Limits{NoSIMD: plain}, []byte(text)
			if n := testing.AllocsPerRun(100, func() { _, _ = limits.ParseRequest(p, &req) }); n != 0 {
				t.Errorf("%s, plain=%t: %v allocations", name, plain, n)
			}
		}
	}
}
