"""Path and query parameters in the fast path: canonical text, or BAD."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from operator import methodcaller
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.core import BAD, Exchange
from native.engine import request
from native.service import Service, run


def ask(lib: ctypes.CDLL, look: Callable[[Exchange], Any], **kwargs: Any) -> Any:
    """What `look` says of an exchange."""
    seen: list[Any] = []

    async def handler(x: Exchange) -> str:
        seen.append(look(x))
        return ""

    async def main(service: Service) -> None:
        await service.get(**kwargs)

    service = Service(lib, [handler])
    run(service, main)
    if service.failures:
        raise service.failures[0]
    return seen[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0),
        (b"-0", 0),
        (b"007", 7),
        (b"-12", -12),
        (b"9" * 18, 10**18 - 1),
        (b"-" + b"9" * 18, 1 - 10**18),
        (b"9" * 19, BAD),
        (b"-", BAD),
        (b"+1", BAD),
        (b"1_0", BAD),
        (b"1.0", BAD),
        (b"%31", BAD),
        (b"1e3", BAD),
        (b"\xd9\xa1", BAD),
    ],
)
def test_path_int(lib: ctypes.CDLL, text: bytes, value: Any) -> None:
    found = ask(lib, lambda x: x.path_int(0), path=b"/n/" + text, params=[text])
    assert found is value if value is BAD else (found, type(found)) == (value, int)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0", 0.0),
        (b"1.5", 1.5),
        (b"-12.25", -12.25),
        (b"3", 3.0),
        (b"1" * 63, float("1" * 63)),
        (b"1" * 64, BAD),
        (b".5", BAD),
        (b"5.", BAD),
        (b"1.2.3", BAD),
        (b"-", BAD),
        (b"-.", BAD),
        (b"1e5", BAD),
        (b"nan", BAD),
        (b"inf", BAD),
        (b"0x10", BAD),
        (b"1_0", BAD),
    ],
)
def test_path_float(lib: ctypes.CDLL, text: bytes, value: Any) -> None:
    found = ask(lib, lambda x: x.path_float(0), path=b"/n/" + text, params=[text])
    assert found is value if value is BAD else (found, type(found)) == (value, float)


@pytest.mark.parametrize("text", ["a", "a b", "é", "日本", "a/b", "%", "%4", "100%25"])
def test_path_str(lib: ctypes.CDLL, text: str) -> None:
    sent = quote(text, safe="").encode()
    assert ask(lib, lambda x: x.path_str(0), path=b"/" + sent, params=[sent]) == text


def test_path_str_keeps_what_is_no_escape(lib: ctypes.CDLL) -> None:
    for sent in (b"%zz", b"%", b"%4", b"a+b"):
        assert ask(lib, lambda x: x.path_str(0), path=b"/" + sent, params=[sent]) == sent.decode()
    assert ask(lib, lambda x: x.path_str(0), path=b"/%ff", params=[b"%ff"]) == "\ufffd"


def test_several_parameters_and_indexes(lib: ctypes.CDLL) -> None:
    seen = ask(
        lib,
        lambda x: (x.num_params, x.path_str(0), x.path_int(1), x.path_float(2)),
        path=b"/a/12/1.5",
        params=[b"a", b"12", b"1.5"],
    )
    assert seen == (3, "a", 12, 1.5)
    for index in (1, -1, 1 << 40):
        with pytest.raises(IndexError):
            ask(lib, methodcaller("path_str", index), path=b"/a", params=[b"a"])
    with pytest.raises(TypeError):
        ask(lib, lambda x: x.path_str("0"), path=b"/a", params=[b"a"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (b"q=x", "x"),
        (b"q=", ""),
        (b"q", ""),
        (b"", None),
        (b"other=1", None),
        (b"qq=1&q2=2", None),
        (b"q=1&q=2", "2"),
        (b"q=2&q=", ""),
        (b"&&q=1&&", "1"),
        (b"q=a+b%20c%2Bd", "a b c+d"),
        (b"q=a=b=c", "a=b=c"),
        (b"%71=x", "x"),
        (b"%71=x&q=y", "y"),
        (b"q=%", "%"),
        (b"q=%4", "%4"),
        (b"q=%C3%A9", "é"),
        (b"q=%ff", "\ufffd"),
        (b"Q=x", None),
    ],
)
def test_query_str(lib: ctypes.CDLL, query: bytes, value: str | None) -> None:
    assert ask(lib, lambda x: x.query_str("q", None), query=query) == value


def test_query_names_may_be_anything(lib: ctypes.CDLL) -> None:
    for name in ("", "a b", "é", "a&b", "x" * 300):
        sent = "".join(f"%{b:02x}" for b in name.encode()).encode()
        assert ask(lib, methodcaller("query_str", name, "none"), query=sent + b"=1") == "1"


def test_the_default_is_the_very_object(lib: ctypes.CDLL) -> None:
    default = object()
    for get in ("query_str", "query_int", "query_float", "query_bool"):
        assert ask(lib, methodcaller(get, "q", default), query=b"a=1") is default


def test_query_numbers(lib: ctypes.CDLL) -> None:
    assert ask(lib, lambda x: x.query_int("n", 1), query=b"n=42") == 42
    assert ask(lib, lambda x: x.query_int("n", 1), query=b"n=") is BAD
    assert ask(lib, lambda x: x.query_int("n", 1), query=b"n=+4") is BAD
    assert ask(lib, lambda x: x.query_float("n", 1), query=b"n=4.5") == 4.5
    assert ask(lib, lambda x: x.query_float("n", 1), query=b"n") is BAD


@pytest.mark.parametrize("word", ["true", "1", "on", "yes", "t", "y", "TRUE", "Yes"])
def test_query_true(lib: ctypes.CDLL, word: str) -> None:
    assert ask(lib, lambda x: x.query_bool("b", None), query=b"b=" + word.encode()) is True


@pytest.mark.parametrize("word", ["false", "0", "off", "no", "f", "n", "FALSE", "Off"])
def test_query_false(lib: ctypes.CDLL, word: str) -> None:
    assert ask(lib, lambda x: x.query_bool("b", None), query=b"b=" + word.encode()) is False


@pytest.mark.parametrize("word", ["", "2", "tru", "truetrue", "nope", "%31", "+", "\x00"])
def test_query_neither(lib: ctypes.CDLL, word: str) -> None:
    assert ask(lib, lambda x: x.query_bool("b", None), query=b"b=" + word.encode()) is BAD


def test_wrong_arguments(lib: ctypes.CDLL) -> None:
    for look in (lambda x: x.query_str("q"), lambda x: x.query_str(b"q", None), lambda x: x.query_str("q", 1, 2)):
        with pytest.raises(TypeError):
            ask(lib, look, query=b"q=1")


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"#", b"")), max_size=6))
def test_queries_read_as_the_standard_library_reads_them(lib: ctypes.CDLL, parts: list[bytes]) -> None:
    query = b"&".join(parts)
    wanted = [
        tuple(unquote_to_bytes(side.replace(b"+", b" ")).decode("utf-8", "replace") for side in (name, value))
        for name, _, value in (part.partition(b"=") for part in query.split(b"&") if part)
    ]
    last = {name: value for name, value in wanted if "\ufffd" not in name}
    # In one request, as a server for each takes long.
    found = ask(lib, lambda x: (x.query_items(), {name: x.query_str(name, None) for name in last}), query=query)
    assert found == (wanted, last)


def test_items_agree_with_parse_qsl(lib: ctypes.CDLL) -> None:
    query = "a=1&b=&c&a=2&d=%20x+y"
    items = ask(lib, lambda x: x.query_items(), query=query.encode())
    assert items == parse_qsl(query, keep_blank_values=True)


def test_a_span_beyond_the_head_is_empty(lib: ctypes.CDLL) -> None:
    """The engine is trusted with the layout, but never so far as to read beyond it."""
    r = request(b"/a", b"q=1", params=[b"a"])
    r.params[1] = 60000
    r.spans[7] = 60000
    seen: list[Any] = []

    async def handler(x: Exchange) -> str:
        seen.append((x.path_str(0), x.query_str("q", None), x.query_items(), x.query_string))
        return ""

    async def main(service: Service) -> None:
        await service.engine.answer(service.engine.post(r))

    run(Service(lib, [handler]), main)
    assert seen == [("", None, [], b"")]
