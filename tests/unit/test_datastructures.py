"""Headers, query parameters, URLs, state."""

from __future__ import annotations

import pytest

from covet.datastructures import URL, Headers, MutableHeaders, QueryParams, State


def test_headers_are_case_insensitive_and_keep_all_values() -> None:
    headers = Headers(raw=[(b"accept", b"a"), (b"x-one", b"1"), (b"accept", b"\xe9")])
    assert headers["Accept"] == "a"
    assert headers.getlist("ACCEPT") == ["a", "é"]
    assert headers.keys() == {"accept", "x-one"}
    assert list(headers.items()) == [("accept", "a"), ("x-one", "1"), ("accept", "é")]
    assert headers.values() and len(headers) == 3
    assert "X-ONE" in headers and "x-two" not in headers and not headers.__contains__(1)
    assert headers.get("x-two", "none") == "none"
    assert headers == Headers(raw=[(b"accept", b"\xe9"), (b"accept", b"a"), (b"x-one", b"1")])
    assert repr(Headers({"A": "b"})) == "Headers({'a': 'b'})"
    with pytest.raises(KeyError):
        headers["x-two"]


def test_mutable_headers() -> None:
    headers = MutableHeaders({"A": "1"})
    headers.append("a", "2")
    headers.append("B", "3")
    headers["A"] = "4"
    assert headers.raw == [(b"a", b"4"), (b"b", b"3")]
    assert headers.setdefault("b", "5") == "3"
    assert headers.setdefault("c", "5") == "5"
    del headers["B"]
    headers.add_vary_header("Accept")
    headers.add_vary_header("Cookie")
    headers.update({"D": "6"})
    assert dict(headers) == {"a": "4", "c": "5", "vary": "Accept, Cookie", "d": "6"}
    copy = headers.mutablecopy()
    copy["a"] = "other"
    assert headers["a"] == "4"


def test_query_params() -> None:
    params = QueryParams("a=1&b=&a=2&c=%20x")
    assert params["a"] == "2"
    assert params.getlist("a") == ["1", "2"]
    assert params.multi_items() == [("a", "1"), ("b", ""), ("a", "2"), ("c", " x")]
    assert dict(params) == {"a": "2", "b": "", "c": " x"}
    assert str(params) == "a=1&b=&a=2&c=+x"
    assert params == QueryParams([("b", ""), ("a", "1"), ("c", " x"), ("a", "2")])
    assert QueryParams({"a": "1"}) == QueryParams("a=1")


def test_url() -> None:
    url = URL("https://me:secret@example.org:8443/a%20b/c?x=1&y=2#end")
    assert (url.scheme, url.hostname, url.port, url.path) == ("https", "example.org", 8443, "/a%20b/c")
    assert (url.query, url.fragment, url.username, url.password) == ("x=1&y=2", "end", "me", "secret")
    assert url.is_secure and str(url) == url and hash(url) == hash(URL(str(url)))
    assert "secret" not in repr(url)
    assert str(url.replace(port=None, username=None)) == "https://example.org/a%20b/c?x=1&y=2#end"
    assert str(URL("http://a/").replace(hostname="::1", port=80)) == "http://[::1]:80/"
    assert URL("http://a/?x=1").include_query_params(x=2, y="é").query == "x=2&y=%C3%A9"
    assert str(url.replace(path="/z", query="", fragment="")) == "https://me:secret@example.org:8443/z"
    assert URL("http://a/?x=1&y=2&x=3").remove_query_params("x") == "http://a/?y=2"


def test_state() -> None:
    state = State({"a": 1})
    state.b = 2
    state["c"] = 3
    assert (state.a, state["b"], state.c, len(state), "b" in state, list(state)) == (1, 2, 3, 3, True, ["a", "b", "c"])
    del state.a
    del state["b"]
    with pytest.raises(AttributeError, match="has no attribute 'a'"):
        _ = state.a
    with pytest.raises(AttributeError):
        del state.a
