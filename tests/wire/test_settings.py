"""Every setting of CovetPy has its effect, and a bad one is refused by an error that names it."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from covet import CovetPy

from .harness import Closed, Reader, Server, serve
from .support import BACKENDS, LIMIT, ask, eventually, fetch, head, push, rss

SCRIPT = str(Path(__file__).with_name("settings_server.py"))
NEXT = head("GET", "/ping")
loops = pytest.mark.parametrize("loop", BACKENDS)


@contextlib.contextmanager
def serving(loop: str, **settings: Any) -> Iterator[Server]:
    settings = {"enable_io_uring": loop == "io_uring", **settings}
    with serve(command=[sys.executable, SCRIPT, json.dumps(settings)]) as server:
        yield server


def status(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = fetch(server, "/status")
    return found


# ---- bad values -------------------------------------------------------------------

WHOLE = (
    *("workers", "worker_connections", "connection_pool_size", "max_exchanges", "backpressure"),
    *("threads", "ws_max_queue"),
)
SIZES = ("request_buffer_size", "response_buffer_size", "memory_pool_size", "max_body_size", "ws_max_size")
TIMES = (
    *("keepalive_timeout", "request_timeout", "header_timeout", "body_timeout"),
    *("ws_ping_interval", "ws_ping_timeout"),
)
SWITCHES = (
    *("debug", "enable_io_uring", "enable_simd", "enable_jit", "redirect_slashes"),
    *("ws_per_message_deflate", "ws_context_takeover"),
)
BAD = [
    *((name, value) for name in WHOLE for value in (-1, 1.5, "many", True, 1 << 40)),
    *((name, value) for name in SIZES for value in (-1, "much", 1.5, True, "1000000TB")),
    *((name, value) for name in TIMES for value in (-1, "long", float("nan"), float("inf"), True)),
    *((name, value) for name in SWITCHES for value in (1, "yes", None)),
    *((name, value) for name in ("title", "version") for value in (1, None, b"x")),
    *(("ws_origins", value) for value in ((1,), (None,), (b"http://a",))),
    *(
        (name, 0)
        for name in (
            "workers",
            "worker_connections",
            "max_exchanges",
            *SIZES[:3],
            *TIMES[2:4],
            "ws_max_queue",
            "ws_max_size",
        )
    ),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        CovetPy(**{name: value})


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="worker_conections"):
        CovetPy(worker_conections=1)  # type: ignore[call-arg]


def test_every_setting_is_tried_here() -> None:
    from covet.config import SETTING_NAMES

    tried = {*WHOLE, *SIZES, *TIMES, *SWITCHES, "title", "version", "ws_origins"}
    assert tried == SETTING_NAMES


# ---- effects --------------------------------------------------------------------------


@loops
def test_enable_io_uring(loop: str) -> None:
    with serving(loop) as server:
        assert status(server)["backend"].replace("-", "_").startswith(loop)


@loops
def test_title_version_and_debug(loop: str) -> None:
    with serving(loop, title="Shop", version="1.2.3", debug=True) as server:
        assert fetch(server, "/about") == {"title": "Shop", "version": "1.2.3", "debug": True}
        assert b"RuntimeError: the reason" in ask(server, head("GET", "/fail")).body
    with serving(loop) as server:
        assert fetch(server, "/about") == {"title": "CovetPy", "version": "0.1.0", "debug": False}
        assert ask(server, head("GET", "/fail")).body == b"Internal Server Error"


@loops
def test_worker_connections(loop: str) -> None:
    with serving(loop, worker_connections=4) as server, contextlib.ExitStack() as stack:
        readers = [Reader(stack.enter_context(server.connect(LIMIT))) for _ in range(4)]
        for reader in readers:
            reader.sock.sendall(NEXT)
            assert reader.answer().body == b"pong"
        extra = Reader(stack.enter_context(server.connect(0.5)))
        with contextlib.suppress(OSError):
            extra.sock.sendall(NEXT)
        with pytest.raises((Closed, TimeoutError)):
            extra.answer()
        readers[0].sock.sendall(head("GET", "/status"))
        assert json.loads(readers[0].answer().body)["connections"] == 4


@loops
@pytest.mark.parametrize(("size", "fits"), [(4096, 3000), ("16KB", 15000), (65535, 60000)])
def test_request_buffer_size(loop: str, size: int | str, fits: int) -> None:
    with serving(loop, request_buffer_size=size) as server:
        assert ask(server, head("GET", "/ping", "X-Long: " + "x" * fits)).status == 200
        assert ask(server, head("GET", "/ping", "X-Long: " + "x" * (fits * 2))).status == 431
        assert ask(server, head("GET", "/ping?" + "x" * (fits // 2))).status == 200
        with server.connect(LIMIT) as sock:
            sock.sendall(head("GET", "/ping?" + "x" * (fits * 2)))
            reader = Reader(sock)
            assert reader.answer().status == 414
            assert reader.at_end()


@loops
def test_response_buffer_size(loop: str) -> None:
    """How much is gathered for a client that does not read: the answers beyond it stay with their exchanges."""

    def waiting(size: int) -> int:
        with serving(loop, response_buffer_size=size, keepalive_timeout=60) as server, server.connect(LIMIT) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(head("GET", "/bytes/250000") * 60)
            seen: list[int] = []
            while len(seen) < 10 or len(set(seen[-10:])) > 1:
                seen.append(status(server)["in_flight"])
            return seen[-1]

    small, large = waiting(4096), waiting(1 << 26)
    assert large < small, "a larger buffer takes no more of the answers"


@loops
@pytest.mark.parametrize("path", ["/ping", "/bytes/2000", "/nothing"])
def test_a_client_that_does_not_read_is_not_read(loop: str, path: str) -> None:
    with serving(loop) as server, server.connect(LIMIT) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        fetch(server, "/about")
        before = rss(server)
        data = head("GET", path) * 400_000
        assert push(sock, data) < len(data)
        assert rss(server) - before < 16 << 20


@loops
def test_keepalive_timeout(loop: str) -> None:
    with serving(loop, keepalive_timeout=0.5) as server, server.connect(LIMIT) as sock:
        sock.sendall(NEXT)
        reader = Reader(sock)
        assert reader.answer().body == b"pong"
        assert reader.at_end(LIMIT)
    with serving(loop, keepalive_timeout=None) as server, server.connect(LIMIT) as sock:
        sock.sendall(NEXT)
        reader = Reader(sock)
        assert reader.answer().body == b"pong"
        assert not reader.at_end(7)  # longer than the default
    with serving(loop, keepalive_timeout=0) as server, server.connect(LIMIT) as sock:
        sock.sendall(NEXT)
        reader = Reader(sock)
        assert reader.answer().body == b"pong"
        assert reader.at_end(LIMIT)


@loops
def test_header_timeout(loop: str) -> None:
    with serving(loop, header_timeout=0.3) as server:
        for begun in (b"", b"GET /ping HTTP/1.1\r\n"):
            with server.connect(LIMIT) as sock:
                sock.sendall(begun)
                reader = Reader(sock)
                if begun:
                    assert reader.answer().status == 408
                assert reader.at_end(LIMIT)
    with serving(loop) as server, server.connect(LIMIT) as sock:
        sock.sendall(b"GET /ping HTTP/1.1\r\n")
        assert not Reader(sock).at_end(1.0)


@loops
def test_body_timeout(loop: str) -> None:
    with serving(loop, body_timeout=0.3) as server, server.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/body", "Content-Length: 10"))
        assert Reader(sock).answer().status == 408
    with serving(loop) as server, server.connect(LIMIT) as sock:
        sock.sendall(head("POST", "/body", "Content-Length: 10"))
        assert not Reader(sock).at_end(1.0)


@loops
def test_request_timeout(loop: str) -> None:
    with serving(loop, request_timeout=0.3) as server:
        assert ask(server, head("GET", "/wait")).status == 504
    with serving(loop) as server, server.connect(1.0) as sock:
        sock.sendall(head("GET", "/wait"))
        with pytest.raises(TimeoutError):
            Reader(sock).answer()


@loops
def test_max_body_size(loop: str) -> None:
    with serving(loop, max_body_size="1KB") as server:
        assert ask(server, head("POST", "/body", "Content-Length: 1024") + bytes(1024)).body == b"1024"
        assert ask(server, head("POST", "/body", "Content-Length: 1025")).status == 413
    with serving(loop, max_body_size=None) as server:
        size = 101 << 20  # more than the default
        with server.connect(LIMIT) as sock:
            sock.sendall(head("POST", "/body", f"Content-Length: {size}"))
            sock.sendall(bytes(size))
            assert Reader(sock).answer().body == str(size).encode()


@loops
def test_enable_simd(loop: str) -> None:
    answers = []
    for enabled in (True, False):
        with serving(loop, enable_simd=enabled) as server:
            assert status(server)["simd"] is enabled
            requests = [
                head("GET", "/typed/5?q=" + "y" * 100, "X-Long: " + "z" * 1000),
                head("GET", "/typed/5?q=a%20b+c"),
                head("GET", "/typed/5", "Bad: \x01"),
                head("GET", "/typed/\x7f"),
            ]
            answers.append([(a.status, a.body) for a in (ask(server, request) for request in requests)])
    assert answers[0] == answers[1]
    assert [code for code, _ in answers[0]] == [200, 200, 400, 400]


@loops
def test_enable_jit(loop: str) -> None:
    answers = []
    for enabled in (True, False):
        with serving(loop, enable_jit=enabled) as server:
            assert status(server)["json"] == ("sonic" if enabled else "encoding/json")
            assert (fetch(server, "/generated") > 5) is enabled
            paths = ("/typed/5", "/typed/x", "/typed/5?q=a&x=1.5&flags=true&flags=0", "/typed/5?x=y", "/direct")
            answers.append([ask(server, head("GET", path)).body for path in paths])
    assert answers[0] == answers[1]


@loops
def test_memory_pool_size(loop: str) -> None:
    def mapped(server: Server) -> int:
        """The size of the channel's memory."""
        lines = Path(f"/proc/{server.process.pid}/maps").read_text("utf-8").splitlines()
        spans = [line.split()[0].split("-") for line in lines if "memfd:covet" in line]
        return max(int(end, 16) - int(start, 16) for start, end in spans)

    with serving(loop, memory_pool_size="4MB", max_body_size=None) as small:
        # What does not fit waits for its turn instead of failing.
        with small.connect(LIMIT) as sock:
            sock.sendall(head("GET", "/bytes/20000000"))
            assert len(Reader(sock).answer().body) == 20_000_000
        with small.connect(LIMIT) as sock:
            sock.sendall(head("POST", "/body", "Content-Length: 20000000") + bytes(20_000_000))
            assert Reader(sock).answer().body == b"20000000"
        with serving(loop, memory_pool_size="64MB") as large:
            assert mapped(large) - mapped(small) >= 50 << 20
        eventually(lambda: status(small)["blocks_in_use"] <= 2)


@loops
def test_connection_pool_size(loop: str) -> None:
    def pooled(size: int) -> int:
        with serving(loop, connection_pool_size=size) as server:
            with contextlib.ExitStack() as stack:
                for _ in range(600):
                    sock = stack.enter_context(server.connect(LIMIT))
                    sock.sendall(NEXT)
                    assert Reader(sock).answer().body == b"pong"
            eventually(lambda: status(server)["connections"] == 1)
            return int(status(server)["pooled_connections"])

    assert pooled(0) <= 256 < 1000 <= pooled(1024)  # their memory comes in steps of 256


@loops
def test_max_exchanges_and_backpressure(loop: str) -> None:
    with serving(loop, max_exchanges=2, backpressure=0) as server, contextlib.ExitStack() as stack:
        for _ in range(2):
            sock = stack.enter_context(server.connect(LIMIT))
            sock.sendall(head("GET", "/wait"))
        answer = eventually(lambda: (a := ask(server, head("GET", "/about"))).status == 503 and a)
        assert answer.header("retry-after") == "1"
        assert ask(server, NEXT).body == b"pong"


@loops
def test_redirect_slashes(loop: str) -> None:
    with serving(loop, redirect_slashes=True) as server:
        assert ask(server, head("GET", "/about/")).status == 307
    with serving(loop, redirect_slashes=False) as server:
        assert ask(server, head("GET", "/about/")).status == 404
