"""Limits of time and number, and clients that go away."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
import uuid
from collections.abc import Iterator

import pytest

from .harness import Closed, Reader, Server
from .support import BACKENDS, LIMIT, ask, backend, eventually, fetch, head, in_background

NEXT = head("GET", "/ping")


@pytest.fixture(scope="module", params=BACKENDS)
def lab(request: pytest.FixtureRequest) -> Iterator[Server]:
    options = ("--timeout-keep-alive", "1", "--request-timeout", "2", "--timeout-graceful-shutdown", "2")
    with backend(request.param, "lab:app", *options) as running:
        yield running


@pytest.fixture(scope="module", params=BACKENDS)
def patient(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server without a limit for requests."""
    with backend(request.param, "lab:app", "--timeout-graceful-shutdown", "2") as running:
        yield running


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


def reset(sock: socket.socket) -> None:
    """Closes a connection with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# ---- time limits ------------------------------------------------------------------


def test_an_idle_connection_is_closed(lab: Server) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(NEXT)
        reader = Reader(sock)
        assert reader.answer().body == b"pong"
        assert reader.at_end(LIMIT)
        assert reader.data == b""


def test_a_busy_connection_is_kept(lab: Server) -> None:
    with lab.connect(LIMIT) as sock:
        reader = Reader(sock)
        for _ in range(10):  # twice the keep-alive time in all
            sock.sendall(NEXT)
            assert reader.answer().body == b"pong"
            time.sleep(0.2)


def trickle(sock: socket.socket) -> None:
    """Sends a head that never ends, until the server has enough."""
    with contextlib.suppress(OSError):
        sock.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        while True:
            sock.sendall(b"x")
            time.sleep(0.1)


def test_a_head_that_does_not_come_is_answered_with_408(lab: Server) -> None:
    with contextlib.ExitStack() as stack:
        slow, first, second, later, silent = (stack.enter_context(lab.connect(2 * LIMIT)) for _ in range(5))
        in_background(lambda: trickle(slow))
        first.sendall(b"GET / HT")
        second.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow:")
        later.sendall(NEXT + b"GET /")
        assert Reader(silent).at_end(2 * LIMIT)
        after = Reader(later)
        assert after.answer().body == b"pong"
        for reader in (Reader(slow), Reader(first), Reader(second), after):
            assert reader.answer().status == 408
            assert reader.at_end()


def test_a_slow_client_is_served(lab: Server) -> None:
    with lab.connect(LIMIT) as sock:
        for byte in head("GET", "/events/none"):
            sock.sendall(bytes([byte]))
            time.sleep(0.01)
        assert Reader(sock).answer().body == b"[]"


def test_a_handler_that_takes_too_long_is_answered_with_504(lab: Server, name: str) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("GET", f"/wait/{name}"))
        reader = Reader(sock)
        answer = reader.answer()
        assert answer.status == 504 and answer.header("connection") == "close"
        assert reader.at_end()
    # The handler itself goes on; what it answers is dropped.
    assert fetch(lab, f"/events/{name}") == ["began"]
    fetch(lab, f"/open/{name}")
    assert eventually(lambda: fetch(lab, f"/events/{name}")[1:]) == ["gone"]
    assert ask(lab, NEXT).body == b"pong"


def test_a_handler_that_asked_for_it_is_cancelled_when_its_time_is_over(lab: Server, name: str) -> None:
    assert ask(lab, head("GET", f"/wait-cancelled/{name}")).status == 504
    assert eventually(lambda: fetch(lab, f"/events/{name}")[1:]) == ["cancelled"]


def test_a_streamed_answer_may_take_longer_than_a_request(lab: Server, name: str) -> None:
    with lab.connect(LIMIT) as sock:
        sock.sendall(head("GET", f"/ticks/{name}?pause_ms=100"))
        reader = Reader(sock)
        reader.until(b"\r\n\r\n")
        reader.take(40 * len(b"5\r\nttttt\r\n"))  # four seconds' worth, at least


# ---- clients that go away -------------------------------------------------------------


@pytest.mark.parametrize("end", [reset, socket.socket.close])
def test_a_handler_is_cancelled_if_it_asked_for_it(patient: Server, name: str, end: object) -> None:
    sock = patient.connect(LIMIT)
    sock.sendall(head("GET", f"/wait-cancelled/{name}"))
    eventually(lambda: fetch(patient, f"/events/{name}") == ["began"])
    assert callable(end)
    end(sock)
    eventually(lambda: fetch(patient, f"/events/{name}") == ["began", "cancelled"])


def test_a_handler_that_did_not_ask_is_not_cancelled(patient: Server, name: str) -> None:
    sock = patient.connect(LIMIT)
    sock.sendall(head("GET", f"/wait/{name}"))
    eventually(lambda: fetch(patient, f"/events/{name}") == ["began"])
    reset(sock)
    for _ in range(20):
        assert fetch(patient, f"/events/{name}") == ["began"]
    fetch(patient, f"/open/{name}")
    eventually(lambda: fetch(patient, f"/events/{name}") == ["began", "gone"])


def test_is_disconnected(patient: Server, name: str) -> None:
    sock = patient.connect(LIMIT)
    sock.sendall(head("GET", f"/watch/{name}"))
    eventually(lambda: fetch(patient, f"/events/{name}") == ["began"])
    for _ in range(20):
        assert fetch(patient, f"/events/{name}") == ["began"]
    reset(sock)
    eventually(lambda: fetch(patient, f"/events/{name}") == ["began", "gone"])


@pytest.mark.parametrize("end", [reset, socket.socket.close])
@pytest.mark.parametrize("path", ["/ticks/", "/quiet/", "/large-ticks/"])
def test_a_generator_is_closed_when_its_client_goes(patient: Server, name: str, path: str, end: object) -> None:
    large = path == "/large-ticks/"
    path = f"/ticks/{name}?size=100000&pause_ms=0" if large else path + name
    sock = patient.connect(LIMIT)
    sock.sendall(head("GET", path))
    Reader(sock).until(b"\r\n\r\n")
    assert fetch(patient, f"/events/{name}") == []
    assert callable(end)
    end(sock)
    eventually(lambda: fetch(patient, f"/events/{name}") == ["closed"])


@pytest.mark.parametrize("wait", [False, True], ids=["at once", "waiting"])
def test_a_half_closed_client_gets_its_answer(patient: Server, name: str, wait: bool) -> None:
    with patient.connect(LIMIT) as sock:
        sock.sendall(head("GET", f"/wait/{name}") + NEXT)
        if wait:
            eventually(lambda: fetch(patient, f"/events/{name}") == ["began"])
        sock.shutdown(socket.SHUT_WR)
        eventually(lambda: fetch(patient, f"/events/{name}"))
        fetch(patient, f"/open/{name}")
        reader = Reader(sock)
        assert reader.answer().status == 200
        assert reader.answer().body == b"pong"
        assert reader.at_end()


def test_a_half_closed_client_never_takes_a_cut_stream_for_a_whole_one(patient: Server) -> None:
    with patient.connect(LIMIT) as sock:
        sock.sendall(head("GET", "/pieces/3000000"))
        sock.shutdown(socket.SHUT_WR)
        # Its generator is told that the client has probably gone, and may end; the framing shows it.
        with contextlib.suppress(Closed):
            assert len(Reader(sock).answer().body) == 3_000_000


def test_many_clients_that_go_leave_nothing_behind(patient: Server) -> None:
    name = uuid.uuid4().hex
    for n in range(200):
        sock = patient.connect(LIMIT)
        sock.sendall(head("GET", f"/ticks/{name}") if n % 2 else head("GET", f"/wait-cancelled/{name}"))
        if n % 4 < 2:
            sock.recv(1) if n % 2 else None
            reset(sock)
        else:
            sock.close()
    eventually(lambda: len([e for e in fetch(patient, f"/events/{name}") if e == "closed"]) >= 50)
    assert ask(patient, NEXT).body == b"pong"


# ---- limits in number ----------------------------------------------------------------------


@pytest.mark.parametrize("loop", BACKENDS)
def test_worker_connections(loop: str) -> None:
    with backend(loop, "lab:app", "--worker-connections", "8") as server:
        with contextlib.ExitStack() as stack:
            readers = []
            for _ in range(8):
                sock = stack.enter_context(server.connect(LIMIT))
                sock.sendall(NEXT)
                readers.append(Reader(sock))
                assert readers[-1].answer().body == b"pong"
            extra = stack.enter_context(server.connect(LIMIT))
            served = Reader(extra)
            with contextlib.suppress(OSError):
                extra.sendall(NEXT)
            extra.settimeout(0.5)
            # A connection too many is closed, or waits in the backlog; it is not served.
            with pytest.raises((Closed, TimeoutError)):
                served.answer()
            extra.settimeout(LIMIT)
            for reader in readers:
                reader.sock.sendall(NEXT)
                assert reader.answer().body == b"pong"

        def again() -> bool:
            with contextlib.suppress(Closed, OSError):
                return ask(server, NEXT).body == b"pong"
            return False

        eventually(again)


@pytest.mark.parametrize("loop", BACKENDS)
def test_requests_beyond_the_exchanges_wait_and_beyond_the_backpressure_are_refused(loop: str) -> None:
    options = (
        "--max-exchanges",
        "4",
        "--backpressure",
        "3",
        "--timeout-keep-alive",
        "30",
        "--timeout-graceful-shutdown",
        "1",
    )
    with backend(loop, "lab:app", *options) as server, contextlib.ExitStack() as stack:
        readers = []
        for n in range(12):
            sock = stack.enter_context(server.connect(LIMIT))
            sock.sendall(head("GET", f"/wait/{n % 4 if n < 4 else 'late'}"))
            readers.append(Reader(sock))
            if n < 4:
                time.sleep(0.2)  # so that these four have the exchanges
        refused, waiting = [], []
        for reader in readers[4:]:
            reader.sock.settimeout(1)
            try:
                answer = reader.answer()
            except TimeoutError:
                waiting.append(reader)
                continue
            assert answer.status == 503
            assert answer.header("retry-after") == "1" and answer.header("connection") == "close"
            assert reader.at_end()
            refused.append(reader)
        assert len(waiting) == 3 and len(refused) == 5
        # The engine still answers what needs no exchange.
        assert ask(server, NEXT).body == b"pong"
        for reader in readers[:4]:
            reader.sock.close()
