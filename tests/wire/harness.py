"""A server process for tests, and a reader of raw HTTP/1.1 responses."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass
class Server:
    """A running `covet run` process."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout: float = 10.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def stop(self, limit: float = 20.0) -> int:
        """Ends the server as Ctrl-C does and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end:\n{self.log}") from None


@contextlib.contextmanager
def serve(
    target: str = "app:app",
    *options: str,
    app_dir: Path = HERE,
    env: dict[str, str] | None = None,
    command: list[str] | None = None,
) -> Iterator[Server]:
    """Runs `covet run TARGET` on a free port, or another command that prints its address, until the block ends."""
    run = [sys.executable, "-m", "covet", "run", target, "--app-dir", str(app_dir), "--port", "0", *options]
    process = subprocess.Popen(
        command or run,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
    )
    server = Server(process, 0)
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            server.lines.append(line.rstrip("\n"))
            found = re.search(r"running on http://[^ ]*:(\d+)", line)
            if found:
                server.port = int(found[1])
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        ready.wait(30)
        if not server.port:
            process.kill()
            raise AssertionError(f"the server did not start:\n{server.log}")
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        reader.join(5)


class Closed(Exception):
    """The server ended the connection."""


@dataclass
class Answer:
    status: int
    head: str
    body: bytes
    complete: bool = True

    def header(self, name: str) -> str | None:
        found = re.search(rf"(?im)^{re.escape(name)}: *(.*?)\r?$", self.head)
        return found[1] if found else None


class Reader:
    """Reads responses from a socket by the framing of RFC 9112."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""

    def more(self) -> None:
        try:
            chunk = self.sock.recv(65536)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            raise Closed
        self.data += chunk

    def take(self, n: int) -> bytes:
        while len(self.data) < n:
            self.more()
        out, self.data = self.data[:n], self.data[n:]
        return out

    def until(self, mark: bytes) -> bytes:
        while mark not in self.data:
            self.more()
        at = self.data.index(mark) + len(mark)
        return self.take(at)

    def answer(self, head_request: bool = False) -> Answer:
        """The next response; raises Closed if there is none."""
        head = self.until(b"\r\n\r\n").decode("latin-1")
        answer = Answer(int(head.split(" ", 2)[1]), head, b"")
        if head_request or answer.status in (204, 304) or answer.status < 200:
            return answer
        length = answer.header("content-length")
        if answer.header("transfer-encoding") == "chunked":
            while True:
                size = int(self.until(b"\r\n"), 16)
                answer.body += self.take(size)
                assert self.take(2) == b"\r\n"
                if size == 0:
                    return answer
        if length is not None:
            answer.body = self.take(int(length))
            return answer
        with contextlib.suppress(Closed):
            while True:
                self.more()
        answer.body, self.data = self.data, b""
        return answer

    def at_end(self, limit: float = 3.0) -> bool:
        """Whether the server ends the connection within `limit` seconds."""
        self.sock.settimeout(limit)
        deadline = time.monotonic() + limit
        try:
            while time.monotonic() < deadline:
                self.more()
        except Closed:
            return True
        except TimeoutError:
            return False
        return False
