"""Files are sent as Starlette sends them, and not sent at all to whoever has them."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette import responses as theirs

from covet import CovetPy, JSONResponse, Request
from covet.background import BackgroundTask
from covet.conditions import http_date, not_modified
from covet.fileresponses import AT_ONCE
from covet.files import FileShrunk, FileSlices, open_file
from covet.responses import FileResponse
from covet.testclient import TestClient

from .support import Answer, asked

CONTENT = bytes(range(256)) * 40
BOUNDARY = re.compile(rb"[0-9a-f]{26}")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("files") / "data.txt"
    path.write_bytes(CONTENT)
    return path


def same(path: Path, arguments: dict[str, Any], **request: Any) -> Answer:
    """Asks both; returns what both answer."""
    found = []
    for kind in (theirs.FileResponse, FileResponse):
        status, headers, body = asked(kind(path, **arguments), "/", **request)
        headers["content-type"] = BOUNDARY.sub(b"B", headers["content-type"].encode()).decode()
        body = BOUNDARY.sub(b"B", body) if "multipart" in headers["content-type"] else body
        if request.get("method") == "HEAD":
            body = b""  # a server leaves out what Starlette may send here
        found.append((status, headers, body))
    assert found[0] == found[1]
    return found[1]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"filename": "a.png"},
        {"filename": "caf\u00e9 \u20ac.pdf"},
        {"filename": 'quo"te.txt', "content_disposition_type": "inline"},
        {"media_type": "image/x"},
        {"status_code": 404},
        {"headers": {"etag": '"mine"', "content-disposition": "inline", "x-a": "b"}},
        {"headers": {"Content-Type": "a/b", "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT"}},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_whole_files(file: Path, arguments: dict[str, Any], method: str) -> None:
    status, headers, body = same(file, arguments, method=method)
    assert body == (b"" if method == "HEAD" else CONTENT)
    assert headers["content-length"] == str(len(CONTENT))
    with_stat = {**arguments, "stat_result": os.stat(file)}
    assert same(file, with_stat, method=method) == (status, headers, body)
    assert same(file, arguments, method=method, range="bytes=0-1")[0] == (
        206 if method != "POST" and status == 200 else status
    )


SIZE = len(CONTENT)
RANGES = [
    "bytes=0-0", "bytes=0-", "bytes=-1", f"bytes=-{SIZE}", f"bytes=-{SIZE + 5}", f"bytes={SIZE - 1}-", f"bytes={SIZE}-",
    f"bytes=0-{SIZE - 1}", f"bytes=0-{SIZE}", "bytes=5-4", "bytes=1-2,4-5", "bytes=1-5,3-9", "bytes=1-5,6-9",
    "bytes=9-,0-1", "bytes=0-1,99999999-", "bytes=-0", "bytes=-", "bytes=", "bytes", "", "lines=0-1", "Bytes = 0-1",
    "bytes=a-b", "bytes=0-1,x", "bytes=,,0-1,-,", "bytes=0--1", "bytes= 5 - 7 ", "bytes=1-2,1-2", "bytes=0-1;2-3",
    "bytes=\xe9-1", "bytes=" + ",".join(["0-0"] * 100), "bytes=" + ",".join(["0-0"] * 101),
    "bytes=" + ",".join(f"{2 * i}-{2 * i}" for i in range(100)),
]  # fmt: skip


@pytest.mark.parametrize("field", RANGES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ranges(file: Path, field: str, method: str) -> None:
    same(file, {}, method=method, range=field)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, SIZE + 9), st.integers(0, SIZE + 9)), min_size=1, max_size=6))
def test_any_ranges(file: Path, pairs: list[tuple[int, int]]) -> None:
    status, headers, body = same(file, {}, range="bytes=" + ",".join(f"{a}-{b}" for a, b in pairs))
    if status == 206:
        assert headers["content-length"] == str(len(body)) or "multipart" in headers["content-type"]
        if "content-range" in headers:
            first, last = re.findall(r"\d+", headers["content-range"])[:2]
            assert body == CONTENT[int(first) : int(last) + 1]


def test_ranges_of_what_the_client_knows(file: Path) -> None:
    _, headers, _ = same(file, {})
    etag, modified = headers["etag"], headers["last-modified"]
    for value, status in ((etag, 206), (modified, 206), ("W/" + etag, 200), ('"other"', 200), ("", 200), ("x", 200)):
        assert same(file, {}, range="bytes=0-1", if_range=value)[0] == status, value


def test_a_client_that_has_the_file_gets_none(file: Path) -> None:
    _, headers, _ = same(file, {})
    etag, modified = headers["etag"], headers["last-modified"]
    later = http_date(os.stat(file).st_mtime + 100)
    for fields, status in (
        ({"if_none_match": etag}, 304),
        ({"if_none_match": f'"x", W/{etag}'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"x"', "if_modified_since": modified}, 200),
        ({"if_modified_since": modified}, 304),
        ({"if_modified_since": later}, 304),
        ({"if_modified_since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"if_modified_since": "nonsense"}, 200),
        ({"if_none_match": etag, "range": "bytes=0-1"}, 304),
    ):
        for method in ("GET", "HEAD"):
            got, headers, body = asked(FileResponse(file), "/", method=method, **fields)
            assert got == status, fields
            if status == 304:
                assert (headers, body) == ({"etag": etag}, b"")
    assert asked(FileResponse(file), "/", method="POST", if_none_match="*")[0] == 200
    assert asked(FileResponse(file, 404), "/", if_none_match="*")[0] == 404
    kept = FileResponse(file, headers={"cache-control": "no-cache", "x-a": "b"})
    kept.set_cookie("a", "b")

    async def fields_of() -> list[Any]:
        from covet.asgi.exchange import AsgiExchange

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"if-none-match", b"*")]}
        x: Any = AsgiExchange(scope, None, None)  # type: ignore[arg-type]
        return [name for name, _ in kept.selected_for(x).raw_headers]

    assert asyncio.run(fields_of()) == [b"cache-control", b"x-a", b"set-cookie", b"etag"]


@pytest.mark.parametrize("seconds", [0, 1, 86399, 951782400, 1709164800.9, 4102444799])
def test_dates(seconds: float) -> None:
    from email.utils import formatdate

    assert http_date(seconds) == formatdate(seconds, usegmt=True)
    assert not_modified(None, formatdate(seconds), '"x"', http_date(seconds))


@pytest.mark.parametrize("size", [0, 1, AT_ONCE, AT_ONCE + 1, 5 * FileResponse.chunk_size + 3])
def test_sizes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    assert same(path, {})[2] == path.read_bytes()
    assert same(path, {}, range="bytes=0-1")[0] == (206 if size else 416)
    if size > 3:
        assert len(same(path, {}, range=f"bytes=1-{size - 2}")[2]) == size - 2


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("nothing", "does not exist"), ("", "is not a file"), ("pipe", "is not a file")):
        with pytest.raises(RuntimeError, match=message):
            asked(FileResponse(tmp_path / name), "/")
    assert descriptors() == descriptors()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_the_file_is_closed_whatever_happens(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (1 << 20))
    asked(FileResponse(path), "/")
    before = descriptors()
    for fields in ({}, {"range": "bytes=0-1"}, {"range": "x"}, {"range": "bytes=99999999-"}, {"if_none_match": "*"}):
        for method in ("GET", "HEAD"):
            asked(FileResponse(path), "/", method=method, **fields)
    slices = FileSlices(open_file(path), [(0, 9)], 4)
    del slices

    async def give_up() -> None:
        slices = FileSlices(open_file(path), [(0, 1 << 20)], 4)
        assert await anext(aiter(slices)) == b"xxxx"
        await slices.aclose()
        with pytest.raises(ValueError, match="closed"):
            await anext(slices)

    asyncio.run(give_up())
    assert descriptors() == before


def test_a_file_that_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)

    async def main() -> None:
        slices = FileSlices(open_file(path), [(0, 100)], 40)
        got = [await anext(slices)]
        os.truncate(path, 60)
        got.append(await anext(slices))
        with pytest.raises(FileShrunk):
            await anext(slices)
        assert b"".join(got) == b"x" * 60
        await slices.aclose()

    asyncio.run(main())


def test_a_file_that_has_changed_since_it_was_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    response = FileResponse(path, stat_result=os.stat(path))
    path.write_bytes(b"new and longer")
    os.utime(path, (1, 1))
    status, headers, body = asked(response, "/")
    assert (status, headers["content-length"], body) == (200, "14", b"new and longer")
    assert headers["last-modified"] == "Thu, 01 Jan 1970 00:00:01 GMT"


def test_servers_that_send_files_by_their_path(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (AT_ONCE + 1))
    extensions: dict[str, Any] = {"http.response.pathsend": {}}
    status, headers, body = asked(FileResponse(path), "/", extensions=extensions)
    assert (status, headers["content-length"], body) == (200, str(AT_ONCE + 1), f"path:{path}".encode())
    # A part of it has no path.
    assert len(asked(FileResponse(path), "/", extensions=extensions, range="bytes=1-")[2]) == AT_ONCE


def test_background_work_is_done_after_it(tmp_path: Path) -> None:
    done: list[int] = []
    path = tmp_path / "file"
    for size in (1, AT_ONCE + 1):
        path.write_bytes(b"x" * size)
        for fields in ({}, {"if_none_match": "*"}):
            asked(FileResponse(path, background=BackgroundTask(done.append, size)), "/", **fields)
    assert done == [1, 1, AT_ONCE + 1, AT_ONCE + 1]


@pytest.mark.parametrize("size", [10, AT_ONCE + 10])
def test_behind_middleware(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"x" * size)
    app = CovetPy()

    @app.middleware("http")
    async def looks(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-seen"] = f"{response.status_code} {response.headers.get('content-length')}"
        if "x-upper" in request.headers:
            response.body_iterator = upper(response.body_iterator)
        elif "x-other" in request.headers:
            return JSONResponse("another one")
        return response

    async def upper(pieces: Any) -> Any:
        async for piece in pieces:
            yield bytes(piece).upper()

    @app.get("/")
    async def file() -> FileResponse:
        return FileResponse(path)

    @app.get("/nothing")
    async def nothing() -> FileResponse:
        return FileResponse(tmp_path / "nothing")

    with TestClient(app, raise_server_exceptions=False) as client:
        before = descriptors()
        whole = client.get("/")
        assert (whole.content, whole.headers["x-seen"]) == (b"x" * size, f"200 {size}")
        part = client.get("/", headers={"range": "bytes=1-3"})
        assert (part.status_code, part.content, part.headers["x-seen"]) == (206, b"xxx", "206 3")
        known = client.get("/", headers={"if-none-match": whole.headers["etag"]})
        assert (known.status_code, known.headers["x-seen"]) == (304, "304 None")
        assert client.get("/", headers={"x-upper": "1"}).content == b"X" * size
        assert client.get("/", headers={"x-other": "1"}).json() == "another one"
        assert client.get("/nothing").status_code == 500
        assert descriptors() == before
