"""Forms are read as Starlette reads them, however they are cut into pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette import datastructures as theirs
from starlette import formparsers as their_parsers

from covet import formparsers
from covet.datastructures import FormData, Headers, UploadFile

BOUNDARY = "bound"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
URLENCODED = "application/x-www-form-urlencoded"


async def stream_of(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def part(head: str, data: bytes) -> bytes:
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


def field(name: str, data: bytes) -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', data)


def file(name: str, filename: str, data: bytes) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: image/png\r\nX-A: b'
    return part(head, data)


END = f"--{BOUNDARY}--\r\n".encode()
BODY = (
    field("a", b"1")
    + file("f", "x.png", b"\x00\r\n--bounx\r\n--bound\r--\r\n")
    + field("a", "\u00e9".encode())
    + file("empty", "", b"")
    + END
)


async def ours(content_type: str, pieces: Sequence[bytes], **limits: Any) -> Any:
    headers = Headers({"content-type": content_type})
    limits = {"max_files": 1000, "max_fields": 1000, "max_part_size": 1024 * 1024, **limits}
    try:
        form = await formparsers.read(headers, stream_of(pieces), limits)  # type: ignore[arg-type]
    except formparsers.MultiPartException as error:
        return error.message
    try:
        return await described(form)
    finally:
        await form.close()


async def starlettes(content_type: str, pieces: Sequence[bytes], **limits: Any) -> Any:
    headers = theirs.Headers({"content-type": content_type})
    stream: Any = stream_of(pieces)
    try:
        if content_type == URLENCODED:
            limits.pop("max_files", None)
            form = await their_parsers.FormParser(headers, stream, **limits).parse()
        else:
            form = await their_parsers.MultiPartParser(headers, stream, **limits).parse()
    except their_parsers.MultiPartException as error:
        return error.message
    try:
        return await described(form)
    finally:
        await form.close()


async def described(form: Any) -> list[Any]:
    found: list[Any] = []
    for key, value in form.multi_items():
        if isinstance(value, str):
            found.append((key, value))
        else:
            content = await value.read()
            found.append((key, value.filename, value.size, value.content_type, value.headers.raw, content))
    return found


def test_cut_at_every_byte() -> None:
    whole = asyncio.run(ours(MULTIPART, [BODY]))
    assert [each[0] for each in whole] == ["a", "f", "a", "empty"]
    assert whole[1] == (
        "f",
        "x.png",
        24,
        "image/png",
        [
            (b"content-disposition", b'form-data; name="f"; filename="x.png"'),
            (b"content-type", b"image/png"),
            (b"x-a", b"b"),
        ],
        b"\x00\r\n--bounx\r\n--bound\r--\r\n",
    )
    for at in range(len(BODY) + 1):
        assert asyncio.run(ours(MULTIPART, [BODY[:at], BODY[at:]])) == whole, at
    assert asyncio.run(ours(MULTIPART, [BODY[i : i + 1] for i in range(len(BODY))])) == whole


def test_an_end_that_is_missing_is_as_with_starlette() -> None:
    for at in range(len(BODY)):
        assert asyncio.run(ours(MULTIPART, [BODY[:at]])) == asyncio.run(starlettes(MULTIPART, [BODY[:at]])), at


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"--bound\r\n", b"--bound--\r\n", b"--bound", b"\r\n", b"\r", b"\n", b"--", b"-", b":", b";", b'"',
                b"=", b"&", b"+", b"%41", b"%", b"a", b"\xff", b"name", b'name="a"', b"filename",
                b'; filename="b"', b" ",
                b"Content-Disposition: form-data; ", b'Content-Disposition: form-data; name="a"\r\n\r\n',
                b'Content-Disposition: form-data; name="a"; filename="b"\r\n\r\n',
                field("x", b"y"), file("f", "g", b"h"), END,
            ]
        ),
        st.binary(max_size=20),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    PIECES,
    st.sampled_from([MULTIPART, URLENCODED]),
    st.fixed_dictionaries(
        {}, optional={name: st.integers(0, 5) for name in ("max_files", "max_fields", "max_part_size")}
    ),
)
def test_anything_is_as_with_starlette(pieces: list[bytes], content_type: str, limits: dict[str, int]) -> None:
    async def main() -> None:
        assert await ours(content_type, pieces, **limits) == await starlettes(content_type, pieces, **dict(limits))

    asyncio.run(main())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=3000))), st.integers(1, 500))
def test_what_is_sent_comes_out(parts: list[tuple[str, bytes]], size: int) -> None:
    parts = [(name, data) for name, data in parts if not set(name) & set('"\\\r\n\0') and b"--bound" not in data]
    body = b"".join(file(f"f{n}", name, data) for n, (name, data) in enumerate(parts)) + END
    got = asyncio.run(ours(MULTIPART, [body[i : i + size] for i in range(0, len(body), size)]))
    assert [(each[0], each[2], each[5]) for each in got] == [
        (f"f{n}", len(data), data) for n, (_, data) in enumerate(parts)
    ]


def test_large_files_are_on_disk() -> None:
    small, large = b"s" * formparsers.SPOOLED, b"l" * (3 * formparsers.SPOOLED + 7)
    body = file("small", "s", small) + file("large", "l", large) + file("again", "s", large) + END

    async def main() -> None:
        pieces = [body[i : i + 65536] for i in range(0, len(body), 65536)]
        headers = Headers({"content-type": MULTIPART})
        form = await formparsers.MultiPartParser(headers, stream_of(pieces)).parse()
        for name, data in (("small", small), ("large", large), ("again", large)):
            upload: Any = form[name]
            assert isinstance(upload, UploadFile)
            assert upload._in_memory is (name == "small")
            assert await upload.read(3) == data[:3] and await upload.read() == data[3:]
            await upload.seek(len(data) - 1)
            await upload.write(b"xy")
            assert upload.size == len(data) + 2
            await upload.seek(len(data) - 1)
            assert await upload.read() == b"xy"
        await form.close()
        assert all(value.file.closed for _, value in form.multi_items() if isinstance(value, UploadFile))

    asyncio.run(main())


@pytest.mark.parametrize("error", [ValueError("from the stream"), asyncio.CancelledError()])
@pytest.mark.parametrize("sent", [0, 70_000, 2_000_000])
def test_files_are_closed_when_reading_fails(monkeypatch: pytest.MonkeyPatch, error: BaseException, sent: int) -> None:
    made: list[Any] = []
    original = formparsers.SpooledTemporaryFile
    monkeypatch.setattr(
        formparsers, "SpooledTemporaryFile", lambda **options: made.append(original(**options)) or made[-1]
    )

    async def broken() -> AsyncIterator[bytes]:
        yield file("a", "a", b"1") + file("b", "b", b"x" * sent)[:-2]
        raise error

    async def main() -> None:
        with pytest.raises(type(error)):
            await formparsers.MultiPartParser(Headers({"content-type": MULTIPART}), broken()).parse()

    asyncio.run(main())
    assert len(made) == 2 and all(each.closed for each in made)


@pytest.mark.parametrize("charset", ["punycode", "undefined", "hex", "utf-16", "idna", "\u00e9"])
def test_strange_charsets_are_no_server_errors(charset: str) -> None:
    content_type = f"{MULTIPART}; charset={charset}"
    for name in ("a", "xn--a-\udcff".encode("utf-8", "surrogateescape").decode("latin-1")):
        got = asyncio.run(ours(content_type, [field(name, b"\xff-\xff") + END]))
        assert isinstance(got, list) and len(got) == 1


def test_forms_are_multidicts() -> None:
    form = FormData([("a", "1"), ("a", "2"), ("b", "3")])
    assert (form["a"], form.getlist("a"), form.get("c"), dict(form)) == ("2", ["1", "2"], None, {"a": "2", "b": "3"})
    assert form == FormData([("a", "1"), ("b", "3"), ("a", "2")])
    assert repr(form) == "FormData([('a', '1'), ('a', '2'), ('b', '3')])"
