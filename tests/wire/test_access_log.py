"""What the access log says of requests that workers answer, begin to answer, or never answer."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

import pytest

from .harness import Closed, Reader, Server
from .support import BACKENDS, LIMIT, ask, backend, chunked, eventually, head

FORMAT = "access: %(r)s %(s)s %(B)s"
COUNT = 30_000_000
"""Bytes of an answer that the system does not buffer for a client that does not read."""


@pytest.fixture(params=BACKENDS)
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(loop: str) -> Iterator[Server]:
    with backend(loop, "app:app", "--access-log-fmt", FORMAT, "--max-body-size=1000") as running:
        yield running


def lines(server: Server, path: str) -> list[str]:
    """What was logged of a path: status and bytes."""
    found = [line.split(" ") for line in server.log.splitlines() if line.startswith("access: ")]
    return [" ".join(words[4:]) for words in found if words[2] == path]


def logged(server: Server, path: str) -> str:
    """The one line of a path, once it is there."""
    eventually(lambda: lines(server, path))
    assert len(lines(server, path)) == 1
    return lines(server, path)[0]


def reset(sock: socket.socket) -> None:
    """Ends a connection as a client does that crashes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/items/7?q=a%22b", 200),
        ("/items/x", 422),
        ("/none", 404),
        ("/empty", 204),
        ("/stream", 200),
        ("/bytes/100000", 200),
        ("/fail", 500),
    ],
)
def test_answers(server: Server, path: str, status: int) -> None:
    answer = ask(server, head("GET", path))
    assert answer.status == status
    assert logged(server, path) == f"{status} {len(answer.body)}"


def test_heads_have_no_body(server: Server) -> None:
    ask(server, head("HEAD", "/head"), head_request=True)
    assert logged(server, "/head") == "200 0"


def test_bodies_that_are_too_large(server: Server) -> None:
    assert ask(server, head("POST", "/echo?known", "Content-Length: 1001")).status == 413
    assert logged(server, "/echo?known") == "413 35"
    body = b"".join(chunked(bytes(2000), 100))
    answer = ask(server, head("POST", "/echo?chunked", "Transfer-Encoding: chunked") + body)
    assert logged(server, "/echo?chunked") == f"{answer.status} {len(answer.body)}"
    assert answer.status == 413


def test_a_client_that_goes_away_before_the_answer(server: Server) -> None:
    sock = server.connect()
    sock.sendall(head("GET", "/hang"))
    ask(server, head("GET", "/items/1"))
    reset(sock)
    assert logged(server, "/hang") == "499 0"


def test_a_client_that_goes_away_within_a_stream(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(head("GET", "/forever"))
        reader = Reader(sock)
        reader.until(b"tick\n")
        reset(sock)
    status, count = logged(server, "/forever").split(" ")
    assert status == "200"
    assert int(count) >= 5
    assert int(count) % 5 == 0


def test_a_client_that_does_not_read_all(server: Server) -> None:
    path = f"/bytes/{COUNT}"
    sock = server.connect()
    sock.sendall(head("GET", path))
    Reader(sock).take(10_000)
    assert not lines(server, path)
    reset(sock)
    status, count = logged(server, path).split(" ")
    assert status == "200"
    assert 5_000 < int(count) < COUNT


def test_a_client_that_reads_slowly_gets_one_line_at_the_end(server: Server) -> None:
    path = f"/bytes/{COUNT}"
    with server.connect() as sock:
        sock.sendall(head("GET", path) + head("GET", "/items/1"))
        sock.recv(1000)
        ask(server, head("GET", "/items/2"))
        assert not lines(server, path)
        tail = b""
        while b"item_id" not in tail:
            tail = tail[-10:] + sock.recv(1 << 20)
    assert logged(server, path) == f"200 {COUNT}"
    assert logged(server, "/items/1") == "200 22"


def test_time_limits(loop: str) -> None:
    options = ("--access-log-fmt", FORMAT, "--request-timeout=0.2", "--body-timeout=0.3")
    with backend(loop, "app:app", *options) as server:
        answer = ask(server, head("GET", "/slow?ms=60000"))
        assert logged(server, "/slow?ms=60000") == f"504 {len(answer.body)}"
    with backend(loop, "app:app", *options[:2], "--body-timeout=0.3") as server:
        answer = ask(server, head("POST", "/echo", "Content-Length: 5"))
        assert logged(server, "/echo") == f"408 {len(answer.body)}"


def test_the_time_is_from_the_head_to_the_end(loop: str) -> None:
    with backend(loop, "app:app", "--access-log-fmt", "access: %(r)s %(dt_ms).3f %(D)s %(L)s") as server:
        ask(server, head("GET", "/slow?ms=300"))
        ms, micros, seconds = logged(server, "/slow?ms=300").split(" ")
        assert 300 <= float(ms) < LIMIT * 1000
        assert float(ms) == pytest.approx(int(micros) / 1000, abs=0.001)
        assert float(ms) == pytest.approx(float(seconds) * 1000, abs=0.001)
        ask(server, head("GET", "/ping"))
        assert 0 <= float(logged(server, "/ping").split(" ")[0]) < LIMIT * 1000


def test_fields_of_requests_and_answers(loop: str) -> None:
    text = 'access: %(r)s "%(a)s" %({X-One}i)s %(header{x-two})s %({content-type}o)s %({content-length}o)s'
    with backend(loop, "app:app", "--access-log-fmt", text) as server:
        fields = ('User-Agent: a"\\b', "X-One: 1")
        ask(server, head("GET", "/items/1", *fields))
        assert logged(server, "/items/1") == '"a\\x22\\x5cb" 1 - application/json 22'
        ask(server, head("GET", "/ping", "X-Long: " + "x" * 5000, *fields))
        assert logged(server, "/ping") == '"a\\x22\\x5cb" 1 - text/plain; charset=utf-8 4'


def test_json(loop: str) -> None:
    with backend(loop, "app:app", "--access-log-fmt=json") as server:
        answer = ask(server, head("GET", "/items/1?q=x", 'User-Agent: "quoted"', "Referer: \xfc"))
        line = eventually(lambda: next((text for text in server.log.splitlines() if text.startswith("{")), None))
        found = json.loads(line)
        assert found.pop("dt_ms") >= 0
        assert found.pop("time")
        assert found == {
            "addr": "127.0.0.1",
            "method": "GET",
            "path": "/items/1",
            "query_string": "q=x",
            "protocol": "HTTP/1.1",
            "scheme": "http",
            "status": 200,
            "bytes": len(answer.body),
            "referer": "ü",
            "user_agent": '"quoted"',
        }


def test_every_pipelined_request_has_its_line(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(head("GET", "/items/1") * 40 + head("GET", "/items/2", "Connection: close") + head("GET", "/late"))
        reader = Reader(sock)
        for _ in range(41):
            assert reader.answer().status == 200
        with pytest.raises(Closed):
            reader.answer()
    eventually(lambda: lines(server, "/items/2"))
    assert len(lines(server, "/items/1")) == 40


def test_an_end_with_a_client_that_waits(loop: str) -> None:
    options = ("--access-log-fmt", FORMAT, "--timeout-graceful-shutdown=0.2")
    with backend(loop, "app:app", *options) as server, server.connect() as sock:
        sock.sendall(head("GET", "/hang"))
        ask(server, head("GET", "/items/1"))
        server.process.terminate()
        answer = Reader(sock).answer()
        assert logged(server, "/hang") == f"{answer.status} {len(answer.body)}"
