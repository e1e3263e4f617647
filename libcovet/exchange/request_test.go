package exchange

import "testing"

func TestCutRoot(t *testing.T) {
	for _, c := range []struct{ root, path, taken, left string }{
		{"/api", "/api/i", "/api", "/i"},
		{"/api", "/api", "/api", ""},
		{"/api", "/api/", "/api", "/"},
		{"/api", "/api/api/i", "/api", "/api/i"},
		{"/api", "/apix", "", "/apix"},
		{"/api", "/ap", "", "/ap"},
		{"/api", "/i", "", "/i"},
		{"/api", "*", "", "*"},
		{"/api", "//api/i", "", "//api/i"},
		{"/api", "/%61%70i/%61", "/%61%70i", "/%61"},
		{"/api", "/api%2Fi", "", "/api%2Fi"},
		{"/api", "%2Fapi/i", "", "%2Fapi/i"},
		{"/a/b", "/a%2fb/i", "", "/a%2fb/i"},
		{"/a/b", "/a/b/i", "/a/b", "/i"},
		{"/ä", "/%C3%a4/i", "/%C3%a4", "/i"},
		{"/a%", "/a%", "/a%", ""},
		{"/api/", "/api/i", "", "/api/i"},
	} {
		head := "GET " + c.path + " HTTP/1.1"
		r := Request{Head: []byte(head), Path: Span{4, uint16(len(c.path))}}
		whole := r.Path
		r.CutRoot(c.root)
		taken := Span{whole.Off, r.Root}.Of(r.Head)
		if left := r.Path.Of(r.Head); string(taken) != c.taken || string(left) != c.left || r.WholePath() != whole {
			t.Errorf("%q off %q: %q is taken and %q left, not %q and %q", c.root, c.path, taken, left, c.taken, c.left)
		}
	}
}

func FuzzCutRoot(f *testing.F) {
	f.Add("/api", "/%61pi/i")
	f.Add("/ä", "/%C3%A4")
	f.Fuzz(func(t *testing.T, root, path string) {
		if len(path) > 1000 {
			return
		}
		r := Request{Head: []byte(path), Path: Span{0, uint16(len(path))}}
		r.CutRoot(root)
		if left := r.Path.Of(r.Head); r.Root > 0 && len(left) > 0 && left[0] != '/' {
			t.Errorf("%q off %q leaves %q", root, path, left)
		}
		if r.WholePath() != (Span{0, uint16(len(path))}) {
			t.Errorf("%q off %q: the whole path is lost", root, path)
		}
	})
}
