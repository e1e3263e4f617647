"""Generated parameters, cookies and forms: CovetPy answers what FastAPI answers."""

import asyncio
import json
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from urllib.parse import quote, quote_from_bytes
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .frameworks import framework

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, bytes]


class Size(Enum):
    small = "s"
    large = "l"


class Number(int, Enum):
    one = 1
    two = 2


KINDS: dict[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "decimal": Decimal, "uuid": UUID, "datetime": datetime,
    "date": date, "time": time, "timedelta": timedelta, "size": Size, "number": Number, "literal": Literal["a", "é"],
    "numbers": list[int], "words": list[str], "either": int | bool | str, "maybe": float | None,
}  # fmt: skip
ONE_LINE = [name for name in KINDS if name not in ("numbers", "words")]


def shown(value: Any) -> str:
    """A value with its type: answers are compared, not how results are written."""
    return f"{type(value).__name__} {[*map(shown, value)] if isinstance(value, list) else value}"


def build(package: str) -> Any:
    fw = framework(package)
    app = fw.FastAPI()

    def add(place: str, name: str, kind: Any, declared: Any) -> None:
        async def plain(v):
            return shown(v)

        plain.__annotations__["v"] = Annotated[kind, declared] if declared is not None else kind
        app.get(f"/{place}/{name}" + ("/{v}" if place == "path" else ""))(plain)

    for name, kind in KINDS.items():
        add("query", name, kind, fw.Query())
        add("header", name, kind, fw.Header())
        if name in ONE_LINE:
            add("undeclared", name, kind, None)
            add("path", name, kind, None)
            add("cookie", name, kind, fw.Cookie())

    @app.get("/cookies")
    async def cookies(request: fw.Request):
        return list(request.cookies.items())

    @app.get("/queries")
    async def queries(request: fw.Request):
        return request.query_params.multi_items()

    @app.post("/form")
    async def form(request: fw.Request):
        return await described(await request.form())

    @app.post("/fields")
    async def fields(
        a: Annotated[int, fw.Form()],
        b: Annotated[list[str], fw.Form()] = [],  # noqa: B006
        c: Annotated[bytes, fw.File()] = b"",
        d: fw.UploadFile | None = None,
    ):
        return [a, b, c.hex(), None if d is None else [d.filename, d.size, (await d.read()).hex()]]

    return app


async def described(form: Any) -> list[Any]:
    found = []
    for key, value in form.multi_items():
        if isinstance(value, str):
            found.append([key, value])
        else:
            headers = [[name.decode("latin-1"), text.decode("latin-1")] for name, text in value.headers.raw]
            found.append([key, value.filename, value.size, headers, (await value.read()).hex()])
    return found


class Both:
    """Both applications, asked without a server in between."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.apps = [build(package) for package in ("fastapi", "covet")]

    def ask(self, path: str, query: bytes = b"", headers: Headers = [], body: bytes | None = None) -> list[Answer]:  # noqa: B006
        return [self._runner.run(answer(app, path, query, headers, body)) for app in self.apps]


async def answer(app: Any, path: str, query: bytes, headers: Headers, body: bytes | None) -> Answer:
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
        "method": "GET" if body is None else "POST", "path": path, "raw_path": quote(path).encode(),
        "query_string": query, "headers": [(b"host", b"testserver"), *headers],
        "client": ("127.0.0.1", 5), "server": ("testserver", 80),
    }  # fmt: skip
    sent: list[Mapping[str, Any]] = []
    rest = iter([{"type": "http.request", "body": body or b"", "more_body": False}])

    async def receive() -> Any:
        return next(rest, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception as error:
        if not sent:
            return 500, repr(error).encode()
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with asyncio.Runner() as runner:
        yield Both(runner)


SAMPLES = [
    "\u0130",
    "0.0078125", "-0.0078125", "9223372036854775807", "9223372036854775808", "99999999999999999999.5",
    "9" * 400 + ".5", "8.64e4", "1.5E400",
    "", " ", "0", "-0", "1", "+1", "007", "1_000", "1.0", "1.5", ".5", "1.", "1e3", "1E400", "-1e-400", "inf",
    "-Infinity", "nan", "0x10", "\u0661\u0662", "9" * 25, "9" * 5000, "true", "True", "TRUE", "tRue", "on", "off",
    "yes", "no", "y", "n", "t", "f", "None", "null", "a", "\u00e9", "s", "l", "2", "s ", "small", "1,2", "a;b", "a=b",
    '"a"', "'", "\x00", "\x7f", "\ud7ff", "2024-02-29", "2023-02-29", "2024-02-29T10:11:12Z", "2024-02-29 10:11",
    "2024-02-29T24:00:00", "2024-02-29T10:11:12.123456789+05:30", "1700000000", "1700000000000", "-1", "10:11",
    "10:11:12.5Z", "25:00", "P1D", "PT1H30M", "1 day, 2:03:04", "3 days", "-P1DT1S",
    "c7e8e0a4-6b0e-4bd3-9f5c-0123456789ab", "C7E8E0A46B0E4BD39F5C0123456789AB",
    "urn:uuid:c7e8e0a4-6b0e-4bd3-9f5c-0123456789ab", "{c7e8e0a4-6b0e-4bd3-9f5c-0123456789ab}", "c7e8e0a4",
]  # fmt: skip
WELL_MADE = st.one_of(
    st.integers().map(str), st.floats().map(repr), st.decimals().map(str), st.booleans().map(str), st.uuids().map(str),
    st.datetimes(timezones=st.none() | st.timezones()).map(datetime.isoformat), st.dates().map(date.isoformat),
    st.times().map(time.isoformat), st.timedeltas().map(str), st.text(max_size=12),
)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn) -> str:
    """A value with some characters put into it, in the place of others or not."""
    text = draw(st.sampled_from(SAMPLES) | WELL_MADE)[:60]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        extra = draw(st.sampled_from([*"0123456789+-_.:eETZPYn \t\u00a0\u0663%&=;,\"'/", "", "\x1f", "\u2007"]))
        text = text[:start] + extra + text[start + draw(st.integers(0, 2)) :]
    return text


VALUES = st.sampled_from(SAMPLES) | WELL_MADE | changed()
RAW = st.lists(
    st.sampled_from([*"&;=+%v1a ", "v=", "&v=", "%20", "%00", "%zz", "%f", "%C3%A9", "%ff", "%2", "%26", "%3D", "\xff"])
    | st.binary(max_size=3).map(quote_from_bytes),
    max_size=12,
).map(lambda parts: "".join(parts).encode("latin-1"))
ASCII = bytes(range(128))
FAST = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def same(answers: list[Answer], name: str = "") -> None:
    theirs, ours = answers
    if theirs[0] == ours[0] == 422 and (name == "timedelta" or (name == "number" and b"int_parsing_size" in theirs[1])):
        return  # the words about durations differ, and those about an Enum's numbers beyond 64 bits
    assert (ours[0], without_files(ours[1])) == (theirs[0], without_files(theirs[1]))


def without_files(body: bytes) -> Any:
    """An answer; in errors, of a file that came in the place of a text, only what both show."""
    found = json.loads(body)
    for error in found.get("detail", ()) if isinstance(found, dict) else ():
        if isinstance(error, dict) and isinstance(error["input"], dict) and "filename" in error["input"]:
            error["input"] = {name: error["input"][name] for name in ("filename", "size", "headers")}
    return found


@FAST
@given(name=st.sampled_from([*KINDS]), value=VALUES, place=st.sampled_from(["query", "undeclared"]))
def test_query_values(both: Both, name: str, value: str, place: str) -> None:
    if place == "undeclared" and name not in ONE_LINE:
        place = "query"
    same(both.ask(f"/{place}/{name}", b"v=" + quote(value, safe="").encode()), name)


@pytest.mark.parametrize("name", KINDS)
def test_odd_values(both: Both, name: str) -> None:
    """Each of the samples for each type, whatever is generated."""
    for value in SAMPLES:
        same(both.ask(f"/query/{name}", b"v=" + quote(value, safe="").encode()), name)
        if name in ONE_LINE:
            same(both.ask(f"/undeclared/{name}", b"v=" + quote(value, safe="").encode()), name)


@FAST
@given(name=st.sampled_from([*KINDS]), query=RAW)
def test_query_strings(both: Both, name: str, query: bytes) -> None:
    # Bytes beyond ASCII are UTF-8, as if they were escaped; FastAPI takes them for Latin-1.
    escaped = quote(query, safe=ASCII).encode()
    for path in ("/queries", f"/query/{name}"):
        ours = both.ask(path, query)[1]
        same([both.ask(path, escaped)[0], ours], name)


@FAST
@given(name=st.sampled_from(ONE_LINE), value=VALUES.filter(lambda text: text and "/" not in text))
def test_path_values(both: Both, name: str, value: str) -> None:
    theirs, ours = both.ask(f"/path/{name}/{value}")
    if "\0" in value:
        assert ours[0] == 400
    else:
        same([theirs, ours], name)


def sendable(value: bytes) -> bytes:
    """What a server lets through in a field."""
    return bytes(byte for byte in value if byte not in b"\r\n\0").strip(b" \t")


@FAST
@given(name=st.sampled_from([*KINDS]), values=st.lists(VALUES | st.binary(max_size=8), max_size=3))
def test_header_values(both: Both, name: str, values: list[str | bytes]) -> None:
    headers = [(b"v", sendable(each if isinstance(each, bytes) else each.encode())) for each in values]
    same(both.ask(f"/header/{name}", headers=headers), name)


COOKIES = st.lists(
    st.sampled_from([*'=;," \t\\v', "v=", "; ", "; v=", '"', "\\054", "\\", "\\3", "\\303\\251", "%20", "a=1"])
    | VALUES,
    max_size=8,
).map("".join)  # fmt: skip


@FAST
@given(name=st.sampled_from(ONE_LINE), line=COOKIES | VALUES.map("v={}".format), more=st.none() | COOKIES)
def test_cookies(both: Both, name: str, line: str, more: str | None) -> None:
    headers = [(b"cookie", sendable(each.encode())) for each in (line, more) if each is not None]
    same(both.ask("/cookies", headers=headers))
    same(both.ask(f"/cookie/{name}", headers=headers), name)


PART_NAMES = st.sampled_from(["a", "b", "c", "d", "", "\u00e9", "a%22", "a\\\\b", "x y", "a;b"])
CONTENTS = st.one_of(
    st.binary(max_size=40),
    VALUES.map(str.encode),
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"--", b"--bound", b"\r\n--boun", b"x" * 3000])).map(b"".join),
).filter(lambda data: b"\r\n--bound" not in data and not data.startswith(b"--bound"))


@st.composite
def parts(draw: st.DrawFn) -> bytes:
    """A well-made part of a multipart body."""
    name, filename = draw(PART_NAMES), draw(st.none() | st.sampled_from(["f.txt", "", "\u00fc.png", "a'b", "C:\\\\x"]))
    lines = [
        f'Content-Disposition: form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    ]
    lines += draw(
        st.lists(
            st.sampled_from(
                [
                    "Content-Type: text/plain",
                    "content-type:image/png; a=b",
                    "X-Own: \u00e9",
                    "Content-Transfer-Encoding: base64",
                ]
            ),
            max_size=2,
        )
    )
    return b"--bound\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + draw(CONTENTS) + b"\r\n"


BODIES = st.lists(parts(), max_size=6).map(lambda found: b"".join(found) + b"--bound--\r\n")
INSERTS = st.sampled_from(
    [b"", b"\r\n", b"\r", b"\n", b"--", b"--bound", b'"', b";", b":", b"=", b"\0", b"\xff", b" ", b"form-data"]
)
TYPES = st.sampled_from(
    [
        "multipart/form-data; boundary=bound", 'multipart/form-data; boundary="bound"',
        "multipart/form-data;boundary=bound",
        "Multipart/Form-Data; BOUNDARY=bound", "multipart/form-data; charset=latin-1; boundary=bound",
        "multipart/form-data; boundary=bound; charset=utf-8", "multipart/form-data", "multipart/form-data; boundary=",
        "multipart/form-data; boundary=other", "multipart/mixed; boundary=bound", "text/plain", "",
    ]
)  # fmt: skip


def both_forms(both: Both, content_type: str, body: bytes) -> None:
    for path in ("/form", "/fields"):
        same(both.ask(path, headers=[(b"content-type", content_type.encode())], body=body))


@FAST
@given(content_type=TYPES, body=BODIES)
def test_multipart_forms(both: Both, content_type: str, body: bytes) -> None:
    both_forms(both, content_type, body)


@FAST
@given(body=BODIES, places=st.lists(st.tuples(st.floats(0, 1), INSERTS, st.integers(0, 12)), min_size=1, max_size=4))
def test_multipart_forms_that_are_damaged(both: Both, body: bytes, places: list[tuple[float, bytes, int]]) -> None:
    for place, extra, cut in places:
        start = int(place * len(body))
        body = body[:start] + extra + body[start + cut :]
    both_forms(both, "multipart/form-data; boundary=bound", body)


@FAST
@given(
    content_type=st.sampled_from(["", "; charset=utf-8", "; charset=latin-1"]).map(
        "application/x-www-form-urlencoded{}".format
    ),
    body=RAW | VALUES.map(lambda value: b"a=" + quote(value).encode()),
)
def test_urlencoded_forms(both: Both, content_type: str, body: bytes) -> None:
    both_forms(both, content_type, body)
