"""What several test modules over real sockets need."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .harness import Answer, Reader, Server, serve

BACKENDS = ("epoll", "io_uring")
LIMIT = 15.0
"""Seconds within which something must happen that does happen at once."""


@contextlib.contextmanager
def backend(name: str, target: str, *options: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """Serves an application of this folder on one of the two event loops."""
    uring = "--enable-io-uring" if name == "io_uring" else "--no-enable-io-uring"
    with serve(target, uring, *options, env={"WIRE_BACKEND": name, **(env or {})}) as running:
        yield running


def eventually(check: Callable[[], Any], limit: float = LIMIT) -> Any:
    """Asks again until the result is true, and returns it."""
    deadline = time.monotonic() + limit
    while not (result := check()):
        assert time.monotonic() < deadline, f"did not happen within {limit:g} seconds; the last answer was {result!r}"
        time.sleep(0.02)
    return result


def fetch(server: Server, path: str) -> Any:
    """The JSON that a path gives."""
    with urllib.request.urlopen(server.url + path, timeout=LIMIT) as response:
        return json.load(response)


def head(method: str, path: str, *lines: str) -> bytes:
    """A request's head."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *lines, "", ""]).encode("latin-1")


def ask(server: Server, data: bytes, head_request: bool = False) -> Answer:
    """The answer to one request on a connection of its own."""
    with server.connect() as sock:
        sock.sendall(data)
        return Reader(sock).answer(head_request)


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    """The chunks of a body (RFC 9112, section 7.1), with the last one."""
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def push(sock: socket.socket, data: bytes | memoryview, quiet: float = 1.0) -> int:
    """Sends until the peer takes nothing for `quiet` seconds; returns how many bytes were sent."""
    view, sent = memoryview(data), 0
    sock.settimeout(quiet)
    with contextlib.suppress(TimeoutError):
        while sent < len(view):
            sent += sock.send(view[sent : sent + (1 << 18)])
    sock.settimeout(LIMIT)
    return sent


def in_background(function: Callable[[], Any]) -> threading.Thread:
    """Starts a thread that does not keep the tests from ending."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def rss(server: Server) -> int:
    """Resident memory of the server process in bytes, without what is shared with nobody but the page cache."""
    text = Path(f"/proc/{server.process.pid}/status").read_text("utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024


def descriptors(server: Server) -> int:
    """How many files the server process has open."""
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))
