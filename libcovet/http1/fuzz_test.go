package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

// canonical is one request as both parsers should see it.
type canonical struct {
	method, target, host string
	length               int64
	chunked, close       bool
	fields               []string
}

func canonicalOf(r *exchange.Request) canonical {
	c := canonical{
		method: string(r.Verb.Of(r.Head)), target: string(r.Target.Of(r.Head)), host: string(r.Host.Of(r.Head)),
		length: max(r.Length, 0), chunked: r.Has(exchange.Chunked), close: !r.Has(exchange.KeepAlive),
	}
	if c.chunked {
		c.length = -1
	}
	for _, f := range r.Fields() {
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name.Of(r.Head)))
		if name != "Host" && name != "Transfer-Encoding" && name != "Trailer" {
			c.fields = append(c.fields, name+": "+string(f.Value.Of(r.Head)))
		}
	}
	slices.Sort(c.fields)
	return c
}

func canonicalOfNetHTTP(r *http.Request) canonical {
	c := canonical{
		method: r.Method, target: r.RequestURI, host: r.Host,
		length: r.ContentLength, chunked: len(r.TransferEncoding) > 0, close: r.Close,
	}
	for name, values := range r.Header {
		for _, v := range values {
			c.fields = append(c.fields, name+": "+v)
		}
	}
	slices.Sort(c.fields)
	return c
}

// looser reports whether r is one of the few requests that are accepted here
// and refused by net/http, none of which is framed in a doubtful way:
//   - a Trailer field that announces fields which may not be in a trailer
//     section: here such trailers are dropped when they come.
func looser(r *exchange.Request, err error) bool {
	return r.Has(exchange.Chunked) && strings.Contains(err.Error(), "bad trailer key")
}

// differs compares the two parsers on a request accepted here. It returns ""
// if net/http agrees. net/http invents a Cache-Control for a Pragma.
func differs(r *exchange.Request) string {
	theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.Head)))
	if err != nil {
		if looser(r, err) {
			return ""
		}
		return "net/http refuses it: " + err.Error()
	}
	a, b := canonicalOf(r), canonicalOfNetHTTP(theirs)
	if theirs.Header.Get("Pragma") == "no-cache" {
		invented := func(f string) bool { return f == "Cache-Control: no-cache" }
		a.fields = slices.DeleteFunc(a.fields, invented)
		b.fields = slices.DeleteFunc(b.fields, invented)
	}
	if got, want := fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b); got != want {
		return "here " + got + ", net/http " + want
	}
	return ""
}

func TestAgreesWithNetHTTP(t *testing.T) {
	texts := []string{wrkRequest, browserRequest}
	for _, c := range accepted {
		texts = append(texts, c.text)
	}
	for _, text := range texts {
		var req exchange.Request
		if n, err := (&Limits{}).ParseRequest([]byte(text), &req); n == 0 || err != nil {
			t.Fatalf("%q: %d %v", text, n, err)
		}
		if d := differs(&req); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

// What net/http reads and this package refuses, on purpose.
func TestStricterThanNetHTTP(t *testing.T) {
	for _, text := range []string{
		"GET / HTTP/1.1\nHost: a\n\n",
		get + h + "X: a\n\r\n",
		get + h + "X: a\r\n b\r\n\r\n",
		get + h + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		get + "\r\n",
		get + "Host: a,b\r\n\r\n",
		get + h + "Expect: x\r\n\r\n",
		"GET http://u:p@b/ HTTP/1.1\r\n" + h + "\r\n",
		"GET ftp://b/ HTTP/1.1\r\n" + h + "\r\n",
		"GET /\xc3\xa9 HTTP/1.1\r\n" + h + "\r\n",
		"GET /a#b HTTP/1.1\r\n" + h + "\r\n",
		"CONNECT /rpc HTTP/1.1\r\n" + h + "\r\n",
	} {
		if _, _, err := outcome(&Limits{}, text); err == nil {
			t.Errorf("%q is accepted", text)
		}
		if _, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text))); err != nil {
			t.Errorf("%q: net/http refuses it too: %v", text, err)
		}
	}
}

func TestLooserThanNetHTTP(t *testing.T) {
	text := get + h + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n"
	if _, n, err := outcome(&Limits{}, text); n != len(text) || err != nil {
		t.Errorf("n = %d, err = %v", n, err)
	}
	if _, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text))); err == nil {
		t.Error("net/http accepts it too")
	}
}

func seedRequests(f *testing.F) {
	for _, c := range accepted {
		f.Add([]byte(c.text))
	}
	for _, c := range refused {
		f.Add([]byte(c.text + "\r\n\r\n"))
	}
	f.Add([]byte(wrkRequest))
	f.Add([]byte(browserRequest))
}

// FuzzParseRequest holds that no input makes the parser panic, that wide and
// plain scans give one result, that the split of the input never changes it,
// and that net/http reads every accepted request in the same way.
func FuzzParseRequest(f *testing.F) {
	seedRequests(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		text := string(p[:min(len(p), 1500)])
		checkSplits(t, &Limits{MaxTarget: 100, MaxHead: 1000, MaxHeaders: 20}, text)
		var req exchange.Request
		n, err := (&Limits{}).ParseRequest(p, &req)
		if err != nil {
			if e, ok := err.(*Error); !ok || n != 0 || e.Status < 400 || e.Reason == "" {
				t.Fatalf("%d %#v", n, err)
			}
			return
		}
		if n == 0 {
			return
		}
		if !bytes.HasSuffix(p[:n], req.Head) || bytes.IndexByte(req.Head, 0) >= 0 {
			t.Fatalf("head %q of %q", req.Head, p[:n])
		}
		if d := differs(&req); d != "" {
			t.Fatalf("%q: %s", p[:n], d)
		}
	})
}

// FuzzChunked holds that no input makes the decoder panic, that the split of
// the input never changes the result, and that the decoder of net/http reads
// every accepted body in the same way.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "1;a=b;c=\"d\\\"\"\r\nx\r\n0\r\nx-a: b\r\nhost: c\r\n\r\nGET",
		"ffffffffffffffff\r\n", "1\r\nxy", "0\r\n \r\n", "1 \r\nx\r\n0\r\n\r\n", "000f\n",
	} {
		f.Add([]byte(s), byte(3))
	}
	f.Fuzz(func(t *testing.T, p []byte, split byte) {
		var d Chunked
		data, used, done, err := decode(&d, string(p), whole)
		for _, next := range []func() int{one, func() int { return int(split) }} {
			var e Chunked
			data2, used2, done2, err2 := decode(&e, string(p), next)
			if data2 != data || done2 != done || err2 != err || err == nil && used2 != used || !bytes.Equal(e.Trailers(), d.Trailers()) {
				t.Fatalf("whole: %q %d %t %v, split: %q %d %t %v", data, used, done, err, data2, used2, done2, err2)
			}
		}
		if !done {
			return
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(p[:used])))
		if err != nil || string(theirs) != data {
			t.Fatalf("here %q, net/http %q %v", data, theirs, err)
		}
	})
}

// FuzzAppendHead holds that whatever an application puts into its fields, a
// client reads one response with the announced framing and no forged line.
func FuzzAppendHead(f *testing.F) {
	f.Add(uint16(200), int64(5), "x-a", "b", byte(1), byte(0))
	f.Add(uint16(304), int64(-1), "transfer-encoding", "chunked", byte(0), byte(1))
	f.Add(uint16(200), int64(0), "a\r\nb", "c\r\nContent-Length: 9", byte(1), byte(19))
	f.Fuzz(func(t *testing.T, status uint16, length int64, name, value string, minor, flags byte) {
		if len(name) > 60000 || len(value) > 60000 {
			return
		}
		r := exchange.Response{Status: status, Length: length, Flags: exchange.ResponseFlags(flags & 31), Fields: pack(name, value, "x-end", "1")}
		out := AppendHead(nil, &r, minor&1, true, stampAt("covet", true))
		head := string(out)
		if !strings.HasSuffix(head, "\r\n\r\n") || strings.Count(head, "\r\n\r\n") != 1 {
			t.Fatalf("not one head: %q", head)
		}
		if n := strings.Count(head, "\n"); n > 9 || n != strings.Count(head, "\r\n") || n != strings.Count(head, "\r") {
			t.Fatalf("%d line ends: %q", n, head)
		}
		if _, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head)), nil); err != nil {
			t.Fatalf("%q: %v", head, err)
		}
	})
}
