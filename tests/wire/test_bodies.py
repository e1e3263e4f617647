"""Bodies of all sizes in both directions, and who waits for whom."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import struct
import time
import uuid
from collections.abc import Iterator

import pytest

from .harness import Answer, Closed, Reader, Server
from .lab import pattern
from .support import BACKENDS, LIMIT, ask, backend, chunked, eventually, fetch, head, in_background, push, rss

MEGABYTE = 1 << 20
SIZES = [0, 1, 100, 65535, 65536, 65537, 262144, 262145, MEGABYTE, 20 * MEGABYTE]
NEXT = head("GET", "/ping")


@pytest.fixture(scope="module", params=BACKENDS)
def lab(request: pytest.FixtureRequest) -> Iterator[Server]:
    with backend(request.param, "lab:app", "--no-access-log", "--max-body-size", "100MB") as running:
        yield running


@pytest.fixture(scope="module", params=BACKENDS)
def small(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that takes bodies of 1 MiB at most."""
    with backend(request.param, "lab:app") as running:
        yield running


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


def digest(data: bytes) -> dict[str, object]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def body_of(sock: socket.socket, reader: Reader) -> object:
    """The JSON of an answer, after which the connection must be usable."""
    answer = reader.answer()
    assert answer.status == 200, answer
    sock.sendall(NEXT)
    assert reader.answer().body == b"pong"
    return json.loads(answer.body)


# ---- requests -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/after/", "/body/"])
@pytest.mark.parametrize("size", SIZES)
def test_upload_with_content_length(lab: Server, name: str, size: int, path: str) -> None:
    data = pattern(size)
    fetch(lab, f"/open/{name}")
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", path + name, f"Content-Length: {size}"))
        sock.sendall(data)
        assert body_of(sock, Reader(sock)) == digest(data)


@pytest.mark.parametrize("chunk", [7, 1000, 65536, 300_000])
@pytest.mark.parametrize("size", [0, 1, 70_000, 3 * MEGABYTE])
def test_upload_in_chunks(lab: Server, name: str, size: int, chunk: int) -> None:
    data = pattern(size if chunk > 7 else min(size, 70_000))
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/body/" + name, "Transfer-Encoding: chunked"))
        sock.sendall(b"".join(chunked(data, chunk)))
        assert body_of(sock, Reader(sock)) == digest(data)


@pytest.mark.parametrize("size", [100, 200_000, 3 * MEGABYTE + 11])
@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_what_follows_a_body_without_a_pause(lab: Server, name: str, size: int, coding: str) -> None:
    data = pattern(size)
    field = f"Content-Length: {size}" if coding == "length" else "Transfer-Encoding: chunked"
    body = data if coding == "length" else b"".join(chunked(data, 70_000))
    with lab.connect(LIMIT) as sock:
        in_background(lambda: sock.sendall(2 * (head("POST", "/body/" + name, field) + body + NEXT)))
        reader = Reader(sock)
        for _ in range(2):
            assert json.loads(reader.answer().body) == digest(data)
            assert reader.answer().body == b"pong"


@pytest.mark.parametrize("good", [100_000, MEGABYTE])
def test_a_malformed_chunk_far_into_a_body(lab: Server, name: str, good: int) -> None:
    with lab.connect(LIMIT) as sock:
        begun = b"".join(chunked(pattern(good), 50_000)).removesuffix(b"0\r\n\r\n")
        sock.sendall(head("POST", "/body/" + name, "Transfer-Encoding: chunked") + begun + b"x\r\n")
        answer = Reader(sock).answer()
        assert (answer.status, answer.header("connection")) == (400, "close")


def test_upload_of_20_mb_in_chunks(lab: Server, name: str) -> None:
    data = pattern(20 * MEGABYTE)
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/body/" + name, "Transfer-Encoding: chunked"))
        for piece in chunked(data, 100_000):
            sock.sendall(piece)
        assert body_of(sock, Reader(sock)) == digest(data)


def test_many_uploads_at_once(lab: Server) -> None:
    data = pattern(2 * MEGABYTE)
    results: list[object] = []

    def upload() -> None:
        with lab.connect(LIMIT) as sock:
            sock.sendall(head("POST", "/body/many", f"Content-Length: {len(data)}"))
            sock.sendall(data)
            results.append(json.loads(Reader(sock).answer().body))

    threads = [in_background(upload) for _ in range(16)]
    for thread in threads:
        thread.join(2 * LIMIT)
    assert results == [digest(data)] * 16


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_a_slow_handler_stops_the_reading(lab: Server, name: str, coding: str) -> None:
    data = pattern(64 * MEGABYTE)
    if coding == "length":
        sent = memoryview(head("POST", "/after/" + name, f"Content-Length: {len(data)}") + data)
    else:
        encoded = b"".join(chunked(data, 50_000))
        sent = memoryview(head("POST", "/after/" + name, "Transfer-Encoding: chunked") + encoded)
    before = rss(lab)
    with lab.connect(LIMIT) as sock:
        stalled = push(sock, sent)
        assert stalled < len(sent), "the server took a body that no handler reads"
        assert fetch(lab, f"/events/{name}") == ["began"]
        assert rss(lab) - before < 16 * MEGABYTE
        fetch(lab, f"/open/{name}")
        sock.settimeout(LIMIT)
        sock.sendall(sent[stalled:])
        assert body_of(sock, Reader(sock)) == digest(data)


def test_a_slow_upload_does_not_hold_up_others(lab: Server, name: str) -> None:
    with lab.connect(LIMIT) as sock:
        push(sock, head("POST", "/after/" + name, f"Content-Length: {64 * MEGABYTE}") + bytes(64 * MEGABYTE))
        for _ in range(20):
            assert fetch(lab, "/events/none") == []
    fetch(lab, f"/open/{name}")


def test_the_body_can_be_asked_for_again(lab: Server) -> None:
    assert json.loads(ask(lab, head("POST", "/twice", "Content-Length: 5") + b"12345").body) == [5, 5]


# ---- limits -------------------------------------------------------------------------


def refused(sock: socket.socket, data: bytes) -> Answer:
    """The answer to a request that the server need not read to its end."""

    def send() -> None:
        with contextlib.suppress(OSError):  # the server has closed the connection, as it may
            sock.sendall(data)

    thread = in_background(send)
    reader = Reader(sock)
    answer = reader.answer()
    assert reader.at_end(), "the connection was not closed"
    thread.join(LIMIT)
    return answer


def test_too_large_by_its_content_length(small: Server, name: str) -> None:
    with small.connect(LIMIT) as sock:
        answer = refused(sock, head("POST", "/body/" + name, f"Content-Length: {MEGABYTE + 1}"))
    assert answer.status == 413
    assert fetch(small, f"/events/{name}") == []


def test_the_refusal_reaches_a_client_that_goes_on_sending(small: Server, name: str) -> None:
    data = head("POST", "/body/" + name, f"Content-Length: {4 * MEGABYTE}") + bytes(4 * MEGABYTE)
    for _ in range(20):
        with small.connect(LIMIT) as sock:
            assert refused(sock, data).status == 413


@pytest.mark.parametrize("excess", [1, 5 * MEGABYTE])
def test_too_large_in_chunks(small: Server, name: str, excess: int) -> None:
    data = head("POST", "/body/" + name, "Transfer-Encoding: chunked") + b"".join(
        chunked(bytes(MEGABYTE + excess), 60_000)
    )
    with small.connect(LIMIT) as sock:
        assert refused(sock, data).status == 413
    assert eventually(lambda: len(fetch(small, f"/events/{name}")) == 2)
    assert fetch(small, f"/events/{name}")[0] == "began"
    assert "whole" not in fetch(small, f"/events/{name}")


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_as_large_as_allowed(small: Server, name: str, coding: str) -> None:
    data = bytes(MEGABYTE)
    line = f"Content-Length: {MEGABYTE}" if coding == "length" else "Transfer-Encoding: chunked"
    body = data if coding == "length" else b"".join(chunked(data, 60_000))
    with small.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/body/" + name, line) + body)
        assert body_of(sock, Reader(sock)) == digest(data)


# ---- Expect: 100-continue -------------------------------------------------------------


def silent(sock: socket.socket, seconds: float = 0.3) -> bool:
    """Whether nothing comes for a while."""
    sock.settimeout(seconds)
    try:
        return not sock.recv(1, socket.MSG_PEEK) and False
    except TimeoutError:
        return True
    finally:
        sock.settimeout(LIMIT)


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_100_continue_comes_when_the_handler_reads(lab: Server, name: str, coding: str) -> None:
    line = "Content-Length: 5" if coding == "length" else "Transfer-Encoding: chunked"
    with lab.connect(LIMIT) as sock:
        reader = Reader(sock)
        sock.sendall(head("POST", "/after/" + name, line, "Expect: 100-continue"))
        eventually(lambda: fetch(lab, f"/events/{name}") == ["began"])
        assert silent(sock), "something came before the handler read"
        fetch(lab, f"/open/{name}")
        assert reader.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert reader.data == b"" and silent(sock), "something came before the body"
        sock.sendall(b"hello" if coding == "length" else b"5\r\nhello\r\n0\r\n\r\n")
        assert body_of(sock, reader) == digest(b"hello")


def test_no_100_when_the_handler_does_not_read(lab: Server, name: str) -> None:
    fetch(lab, f"/open/{name}")
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/unread/" + name, "Content-Length: 5", "Expect: 100-continue"))
        reader = Reader(sock)
        answer = reader.answer()
        assert answer.status == 200 and answer.header("connection") == "close"
        assert reader.at_end()


@pytest.mark.parametrize("path", ["/ping", "/nothing"])
def test_no_100_when_the_engine_answers(lab: Server, path: str) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", path, "Content-Length: 5", "Expect: 100-continue"))
        reader = Reader(sock)
        assert reader.answer().status in (404, 405)
        assert reader.at_end()


def test_no_100_when_the_body_is_too_large(small: Server, name: str) -> None:
    data = head("POST", "/body/" + name, f"Content-Length: {MEGABYTE + 1}", "Expect: 100-continue")
    with small.connect(LIMIT) as sock:
        assert refused(sock, data).status == 413


def test_no_100_for_a_body_that_came_without_waiting(lab: Server, name: str) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/after/" + name, "Content-Length: 5", "Expect: 100-continue") + b"hello")
        eventually(lambda: fetch(lab, f"/events/{name}") == ["began"])
        fetch(lab, f"/open/{name}")
        assert body_of(sock, Reader(sock)) == digest(b"hello")


def test_no_100_for_http_1_0(lab: Server, name: str) -> None:
    data = head("POST", "/body/" + name, "Content-Length: 5", "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert json.loads(ask(lab, data + b"hello").body) == digest(b"hello")


# ---- bodies that do not come, or are not read -------------------------------------------


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("line", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_client_that_dies_in_its_body(lab: Server, name: str, line: str, reset: bool) -> None:
    sock = lab.connect(LIMIT)
    sock.sendall(head("POST", "/body/" + name, line) + b"5\r\nhello\r\n")
    eventually(lambda: fetch(lab, f"/events/{name}") == ["began"])
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    eventually(lambda: fetch(lab, f"/events/{name}") == ["began", "ClientDisconnect"])


def test_a_malformed_chunk_after_the_handler_began(lab: Server, name: str) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/body/" + name, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        eventually(lambda: fetch(lab, f"/events/{name}") == ["began"])
        assert refused(sock, b"xyz\r\n").status == 400
    eventually(lambda: fetch(lab, f"/events/{name}") == ["began", "ClientDisconnect"])


def test_trailers_are_read_over(lab: Server, name: str) -> None:
    trailers = b"3\r\nabc\r\n0\r\nX-Checksum: 1\r\nX-More: 2\r\n\r\n"
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/body/" + name, "Transfer-Encoding: chunked", "Trailer: X-Checksum") + trailers)
        assert body_of(sock, Reader(sock)) == digest(b"abc")


@pytest.mark.parametrize("size", [10, 70_000, 900_000])
@pytest.mark.parametrize("path", ["/unread/", "/first/"])
def test_a_body_left_unread_is_read_over(lab: Server, name: str, path: str, size: int) -> None:
    fetch(lab, f"/open/{name}")
    with lab.connect(LIMIT) as sock:
        reader = Reader(sock)
        for _ in range(3):
            sock.sendall(head("POST", path + name, f"Content-Length: {size}") + bytes(size))
            assert reader.answer().status == 200
        sock.sendall(NEXT)
        assert reader.answer().body == b"pong"


@pytest.mark.parametrize("coding", ["length", "chunked"])
def test_a_large_body_left_unread_is_not_read_for_ever(lab: Server, name: str, coding: str) -> None:
    data = bytes(50 * MEGABYTE)
    if coding == "length":
        data = head("POST", "/unread/" + name, f"Content-Length: {len(data)}") + data
    else:
        data = head("POST", "/unread/" + name, "Transfer-Encoding: chunked") + b"".join(chunked(data, 60_000))
    fetch(lab, f"/open/{name}")
    with lab.connect(LIMIT) as sock:
        assert refused(sock, data).status == 200


def test_a_body_is_sent_back_as_it_comes(lab: Server) -> None:
    data = pattern(5 * MEGABYTE)
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/mirror", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        reader = Reader(sock)
        assert b" 200 " in reader.until(b"\r\n\r\n")
        assert reader.until(b"hello\r\n") == b"5\r\nhello\r\n"
        in_background(lambda: sock.sendall(b"".join(chunked(data, 50_000))))
        got = b""
        while size := int(reader.until(b"\r\n"), 16):
            got += reader.take(size)
            reader.take(2)
        assert got == data


# ---- responses ------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["whole", "pieces", "length"])
@pytest.mark.parametrize("size", [0, 1, 65536, 262_143, 262_144, 262_145, 300_000, 10 * MEGABYTE])
def test_large_answers(lab: Server, size: int, query: str) -> None:
    path = f"/whole/{size}" if query == "whole" else f"/pieces/{size}" + ("?length=true" if query == "length" else "")
    with lab.connect(LIMIT) as sock:
        reader = Reader(sock)
        sock.sendall(head("GET", path))
        answer = reader.answer()
        assert answer.status == 200 and answer.body == pattern(size)
        known = query != "pieces" or size == 0
        assert answer.header("transfer-encoding") == (None if known else "chunked")
        assert answer.header("content-length") == (str(size) if known else None)
        sock.sendall(NEXT)
        assert reader.answer().body == b"pong"


@pytest.mark.parametrize("piece", [1, 300_000, 5 * MEGABYTE])
def test_pieces_of_any_size(lab: Server, piece: int) -> None:
    size = 5000 if piece == 1 else 10 * MEGABYTE
    assert ask(lab, head("GET", f"/pieces/{size}?size={piece}")).body == pattern(size)


def test_pieces_from_a_thread(lab: Server) -> None:
    assert ask(lab, head("GET", "/threaded/500")).body == b"x" * 500_000


@pytest.mark.parametrize("path", ["/whole/300000", "/pieces/300000"])
def test_pipelined_large_answers(lab: Server, path: str) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("GET", path) * 20 + NEXT)
        reader = Reader(sock)
        for _ in range(20):
            assert reader.answer().body == pattern(300_000)
        assert reader.answer().body == b"pong"


def test_http_1_0_gets_a_streamed_answer_until_the_close(lab: Server) -> None:
    answer = ask(lab, b"GET /pieces/300000 HTTP/1.0\r\n\r\n")
    assert answer.header("transfer-encoding") is None and answer.header("content-length") is None
    assert answer.body == pattern(300_000)


def settled(lab: Server, name: str) -> int:
    """How many pieces were asked for, once that number has stopped growing."""
    last, same = -1, 0
    while last <= 0 or same < 10:
        now = fetch(lab, f"/produced/{name}")
        last, same = now, same + 1 if now == last else 0
        time.sleep(0.02)
    return last


@pytest.mark.parametrize("length", [False, True], ids=["chunked", "length"])
def test_a_slow_reader_holds_the_generator_back(lab: Server, name: str, length: bool) -> None:
    count = 600
    before = rss(lab)
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("GET", f"/counted/{name}/{count}?length={length}"))
        # The kernel's buffers take several megabytes.
        assert settled(lab, name) < count // 2, "the generator ran ahead of its reader"
        assert rss(lab) - before < 16 * MEGABYTE
        reader = Reader(sock)
        reader.until(b"\r\n\r\n")
        total = (65536 + (0 if length else len(b"10000\r\n\r\n"))) * count + (0 if length else len(b"0\r\n\r\n"))
        drain(sock, total - len(reader.data))
        sock.sendall(NEXT)
        assert Reader(sock).answer().body == b"pong"
    assert fetch(lab, f"/produced/{name}") == count


def drain(sock: socket.socket, count: int) -> bytearray:
    """Reads exactly `count` bytes."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        n = sock.recv_into(view)
        assert n, "the server ended the connection too early"
        view = view[n:]
    return data


def test_a_slow_reader_of_a_whole_answer(lab: Server) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("GET", f"/whole/{30 * MEGABYTE}"))
        assert sock.recv(1, socket.MSG_PEEK)  # the answer has begun; its reader waits
        assert fetch(lab, "/events/none") == []
        reader = Reader(sock)
        reader.until(b"\r\n\r\n")
        data = pattern(30 * MEGABYTE)
        assert reader.data + drain(sock, len(data) - len(reader.data)) == data


@pytest.mark.parametrize("length", [3, 20])
def test_a_wrong_content_length_never_breaks_the_framing(lab: Server, length: int) -> None:
    with lab.connect(LIMIT) as sock:
        reader = Reader(sock)
        sock.sendall(head("GET", f"/wrong/{length}") + NEXT)
        try:
            answer = reader.answer()
        except Closed:
            assert length > 10
            assert reader.data == b"0123456789"[: len(reader.data)], "more came than the body"
            return
        assert length < 10 and answer.body == b"0123456789"[:length]


def all_of(sock: socket.socket) -> bytes:
    """Reads to the end of the connection."""
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


@pytest.mark.parametrize("size", [5, 200_000])
@pytest.mark.parametrize("path", ["/breaks?size={}", "/breaks-sync?size={}"])
def test_a_streamed_answer_that_fails_is_cut_behind_what_there_is(lab: Server, path: str, size: int) -> None:
    for _ in range(30):
        with lab.connect(LIMIT) as sock:
            sock.sendall(head("GET", path.format(size)))
            data = all_of(sock)
        assert data.startswith(b"HTTP/1.1 200 ")
        assert data.count(b"x") == size and not data.endswith(b"0\r\n\r\n")
    eventually(lambda: "as the test asked" in lab.log)


def test_a_streamed_answer_of_known_length_that_fails_is_cut(lab: Server) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("GET", "/breaks?length=true") + NEXT)
        data = all_of(sock)
    assert b"content-length: 6\r\n" in data.lower() and data.endswith(b"\r\n\r\nxxxxx")


def test_a_streamed_answer_that_only_the_end_would_end_is_reset_when_it_fails(lab: Server) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(b"GET /breaks HTTP/1.0\r\nHost: a\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            all_of(sock)


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_answers_that_have_no_body(lab: Server, code: int, method: str) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head(method, f"/status/{code}") + NEXT)
        reader = Reader(sock)
        answer = reader.answer(head_request=True)
        assert answer.status == code and answer.header("x-code") == str(code)
        assert answer.header("transfer-encoding") is None
        if code == 204:
            assert answer.header("content-length") is None
        assert reader.answer().body == b"pong"


@pytest.mark.parametrize(
    ("path", "length"), [("/both", "10"), ("/status/200", "4"), ("/large-head", "123456789"), ("/streamed-both", None)]
)
def test_head(lab: Server, path: str, length: str | None) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("HEAD", path) + NEXT)
        reader = Reader(sock)
        answer = reader.answer(head_request=True)
        assert answer.status == 200 and answer.header("content-length") == length
        assert reader.answer().body == b"pong"
