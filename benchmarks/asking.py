"""Clients that check every answer while something happens to the server."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

ANSWER_SECONDS = 10.0  # how long a client waits for an answer, or for a connection
LARGEST_ANSWER = 16384


@dataclass
class Tally:
    """What a number of clients have seen.

    Attributes:
        asked: requests, those that failed included.
        failed: requests that could not be sent, or were not answered whole and rightly.
        reopened: connections that the server had closed while nothing was under way on them.
        reasons: why requests failed, with how many did so.
    """

    asked: int = 0
    failed: int = 0
    reopened: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Adds what another client has seen."""
        self.asked += other.asked
        self.failed += other.failed
        self.reopened += other.reopened
        self.reasons += other.reasons


class Wrong(Exception):
    """An answer that is not the right one, or not whole."""


class _Client(threading.Thread):
    """Asks, checks, pauses, until it is over."""

    def __init__(self, port: int, request: bytes, body: bytes, pause: float, over: threading.Event, keep: bool) -> None:
        super().__init__(daemon=True)
        self.port, self.request, self.body = port, request, body
        self.pause, self.over, self.keep = pause, over, keep
        self.tally = Tally()
        self.connection: socket.socket | None = None

    def run(self) -> None:
        while not self.over.wait(self.pause):
            self.tally.asked += 1
            try:
                self._ask()
            except (OSError, Wrong) as error:
                self.tally.failed += 1
                self.tally.reasons[f"{type(error).__name__}: {error}"] += 1
                self._close()
        self._close()

    def _ask(self) -> None:
        if self.connection and _was_closed(self.connection):
            self.tally.reopened += 1
            self._close()
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS)
        self.connection.sendall(self.request)
        closing = _check_answer(self.connection, self.body)
        if closing:
            self.tally.reopened += self.keep
        if closing or not self.keep:
            self._close()

    def _close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None


def _was_closed(connection: socket.socket) -> bool:
    """Whether the server closed a connection that waits. Raises Wrong for bytes that nobody asked for."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    try:
        unasked = connection.recv(LARGEST_ANSWER)
    except ConnectionResetError:
        return True
    if unasked:
        raise Wrong("bytes that nobody asked for")
    return True


def _check_answer(connection: socket.socket, body: bytes) -> bool:
    """Reads one answer and checks it. Returns whether the server says that it closes the connection.

    Raises:
        Wrong: for a status but 200, another body, or one that ends early.
        OSError: when the connection breaks or nothing comes for ANSWER_SECONDS.
    """
    received = b""
    while True:
        chunk = connection.recv(LARGEST_ANSWER)
        received += chunk
        head, end, rest = received.partition(b"\r\n\r\n")
        if end:
            fields = _fields(head)
            length = int(fields.get(b"content-length", b"-1"))
            if not head.startswith(b"HTTP/1.1 200 ") or length < 0:
                raise Wrong(f"answered {head.splitlines()[0].decode('latin-1')!r}")
            if len(rest) >= length:
                break
        if not chunk:
            raise Wrong("closed with half an answer" if received else "closed without an answer")
        if len(received) > LARGEST_ANSWER:
            raise Wrong("an answer that does not end")
    if rest.replace(b" ", b"") != body:
        raise Wrong("another body")
    return fields.get(b"connection", b"").lower() == b"close"


def _fields(head: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


@contextlib.contextmanager
def asking(port: int, target: str, wanted: str, *, staying: int, fresh: int, pause: float) -> Iterator[Tally]:
    """Clients that ask for the length of a block.

    Args:
        port: the server's.
        target: the request target.
        wanted: the body of its answer, spaces aside.
        staying: clients that keep their connection.
        fresh: clients that open a connection for each request.
        pause: seconds between a client's requests.

    Returns:
        What they have seen; complete when the block has ended.
    """
    over, total = threading.Event(), Tally()
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    keep = [True] * staying + [False] * fresh
    clients = [_Client(port, request, wanted.encode(), pause, over, each) for each in keep]
    for client in clients:
        client.start()
    try:
        yield total
    finally:
        over.set()
        for client in clients:
            client.join()
            total.add(client.tally)
