"""Multidicts, addresses and header fields behave as Starlette's."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette import datastructures as theirs

from covet import datastructures as ours

BOTH = (ours, theirs)
KEYS = st.sampled_from("abc")
PAIRS = st.lists(st.tuples(KEYS, st.integers(0, 3)), max_size=6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("__setitem__"), KEYS, st.integers()),
        st.tuples(st.just("__delitem__"), KEYS),
        st.tuples(st.just("pop"), KEYS),
        st.tuples(st.just("pop"), KEYS, st.just("none")),
        st.tuples(st.just("popitem")),
        st.tuples(st.just("poplist"), KEYS),
        st.tuples(st.just("clear")),
        st.tuples(st.just("setdefault"), KEYS, st.integers()),
        st.tuples(st.just("setlist"), KEYS, st.lists(st.integers(), max_size=2)),
        st.tuples(st.just("append"), KEYS, st.integers()),
        st.tuples(st.just("update"), PAIRS),
        st.tuples(st.just("update"), st.dictionaries(KEYS, st.integers(), max_size=2)),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(PAIRS, STEPS)
def test_changes(pairs: list[Any], steps: list[Any]) -> None:
    first, second = (module.MultiDict(pairs) for module in BOTH)
    for name, *arguments in steps:
        assert outcome(first, name, *arguments) == outcome(second, name, *arguments)
        assert first.multi_items() == second.multi_items()
        assert dict(first) == dict(second)
        assert repr(first) == repr(second)


def outcome(target: Any, name: str, *arguments: Any) -> Any:
    try:
        return getattr(target, name)(*arguments)
    except KeyError as error:
        return repr(error)


@pytest.mark.parametrize(
    "arguments",
    [(), ([("a", "1"), ("a", "2")],), ({"a": "1"},), ("a=1&a=&b",), (b"a=%C3%A9&b=%ff",), ([("a", 1), ("b", None)],)],
)
def test_query_parameters(arguments: Any) -> None:
    first, second = (module.QueryParams(*arguments) for module in BOTH)
    assert first.multi_items() == second.multi_items()
    assert (str(first), repr(first), dict(first), len(first)) == (str(second), repr(second), dict(second), len(second))
    again = [module.QueryParams(module.QueryParams(*arguments), c="3") for module in BOTH]
    assert again[0].multi_items() == again[1].multi_items()
    assert first == ours.QueryParams(*arguments) and first != ours.QueryParams("z=1")


def scope_of(**members: Any) -> dict[str, Any]:
    base = {"type": "http", "path": "/a b/\u00e9", "query_string": b"q=1", "headers": [], "scheme": "http"}
    return {**base, **members}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"path": "//a"},
        {"query_string": b""},
        {"headers": [(b"host", b"example.org")]},
        {"headers": [(b"host", b"example.org:8000")], "scheme": "https"},
        {"headers": [(b"host", b"[::1]:80")]},
        {"headers": [(b"host", b"not a host")], "server": ("127.0.0.1", 8000)},
        {"headers": [(b"host", b"a@b")], "server": ("127.0.0.1", 8000)},
        {"headers": [(b"host", b"a/b")]},
        {"server": ("::1", 443), "scheme": "https"},
        {"server": ("::1", 444), "scheme": "wss"},
        {"path": "/a?b#c\\d"},
    ],
)
def test_addresses_of_scopes(members: Any) -> None:
    first, second = (module.URL(scope=scope_of(**members)) for module in BOTH)
    assert str(first) == str(second)


def test_addresses() -> None:
    def tried(module: ModuleType) -> list[str]:
        url = module.URL("https://me:secret@example.org:81/a/b?x=1&x=2&y=3#top")
        return [
            repr(url),
            *map(
                str,
                (
                    url.replace(port=None),
                    url.replace(hostname="other"),
                    url.include_query_params(x=5, z="a b"),
                    url.replace_query_params(q=1),
                    url.remove_query_params("x"),
                    url.remove_query_params(["x", "y"]),
                    module.URL(scheme="http", netloc="a", path="/b"),
                    module.URLPath("/a").make_absolute_url("https://x/root/"),
                    module.URLPath("//a").make_absolute_url("https://x"),
                    module.URLPath("/a", protocol="websocket").make_absolute_url(module.URL("https://x/")),
                    module.URLPath("/a", protocol="http", host="y").make_absolute_url("http://x/"),
                ),
            ),
        ]

    assert tried(ours) == tried(theirs)


def test_header_fields_of_a_scope_are_shared_with_it() -> None:
    scope: dict[str, Any] = {"headers": ((b"a", b"1"),)}
    headers = ours.Headers(scope=scope)
    scope["headers"].append((b"b", b"2"))
    assert dict(headers) == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match="only one"):
        ours.Headers({}, scope=scope)
