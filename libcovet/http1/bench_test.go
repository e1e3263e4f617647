package http1

import (
	"fmt"
	"testing"

	"github.com/covetpy/covetpy/libcovet/exchange"
)

const wrkRequest = "GET /items/42?q=abc HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: wrk/4.2.0\r\nAccept: */*\r\n\r\n"

const browserRequest = "GET /articles/2026/11/how-a-request-is-read?page=2&sort=new HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"Connection: keep-alive\r\n" +
	"Cache-Control: max-age=0\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: session=1f0a3c7be2d94f58a6b1; theme=dark; consent=yes; _ga=GA1.1.1234567890.1700000000\r\n\r\n"

func BenchmarkParseRequest(b *testing.B) {
	for _, c := range []struct{ name, text string }{{"wrk", wrkRequest}, {"browser", browserRequest}} {
		for _, plain := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/plain=%t", c.name, plain), func(b *testing.B) {
				limits := Limits{NoSIMD: plain}
				var req exchange.Request
				p := []byte(c.text)
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					if n, err := limits.ParseRequest(p, &req); n != len(p) || err != nil {
						b.Fatal(n, err)
					}
				}
			})
		}
	}
}

func BenchmarkAppendHead(b *testing.B) {
	var stamp Stamp
	stamp.Init("covet", true)
	var fields []byte
	for _, f := range [][2]string{{"x-request-id", "0123456789abcdef"}, {"cache-control", "no-store"}, {"vary", "accept-encoding"}} {
		fields = exchange.AppendField(fields, []byte(f[0]), []byte(f[1]))
	}
	for _, c := range []struct {
		name   string
		fields []byte
	}{{"fields=0", nil}, {"fields=3", fields}} {
		b.Run(c.name, func(b *testing.B) {
			r := exchange.Response{Status: 200, Type: exchange.TypeJSON, Length: 27, Fields: c.fields}
			dst := make([]byte, 0, 512)
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendHead(dst[:0], &r, 1, true, &stamp)
			}
		})
	}
}

func BenchmarkStampRefresh(b *testing.B) {
	var stamp Stamp
	stamp.Init("covet", true)
	b.ReportAllocs()
	now := int64(0)
	for b.Loop() {
		now += 1000
		stamp.Refresh(now)
	}
}

func BenchmarkChunked(b *testing.B) {
	for _, size := range []int{16, 4096} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			var body []byte
			for range 64 {
				body = AppendChunk(body, make([]byte, size))
			}
			body = AppendLastChunk(body, nil)
			var c Chunked
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				c.Reset()
				for p := body; ; {
					_, n, done, err := c.Next(p)
					if err != nil {
						b.Fatal(err)
					}
					if done {
						break
					}
					p = p[n:]
				}
			}
		})
	}
}
