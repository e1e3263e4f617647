"""Runs the command, and asks servers of every kind of address."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT = 60.0
APPLICATION = """
import os
from covet import CovetPy

app = CovetPy()

@app.get("/")
async def index() -> str:
    return os.environ.get("GREETING", "hello")

@app.get("/pid")
async def pid() -> int:
    return os.getpid()

def make():
    return app
"""


def command(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "covet", *arguments]


def covet(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


class Running:
    """A serving process, and what it has logged."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._serving = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._serving.wait(LIMIT) or not self.where:
            process.kill()
            process.wait()
            raise AssertionError(f"the server did not start:\n{self.log}")

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return "".join(self.lines)

    @property
    def where(self) -> str:
        """The addresses that the log names."""
        found = re.search(r"Covet running on (.*) \(Press CTRL\+C to quit\)", self.log)
        return found[1] if found else ""

    @property
    def ports(self) -> list[int]:
        """The TCP ports that the log names, in order."""
        return [int(port) for port in re.findall(r"http://\S*:(\d+)", self.where)]

    def stop(self) -> int:
        """Interrupts it and returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(LIMIT)
        self._reader.join()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if "Covet running on" in line:
                self._serving.set()
        self._serving.set()


@contextmanager
def running(*arguments: str, cwd: Path, pass_fds: Sequence[int] = (), **environment: str) -> Iterator[Running]:
    """Serves until the end of the context, which asserts that the server stops as it should."""
    process = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=pass_fds,
    )
    server = Running(process)
    try:
        yield server
    except BaseException:
        process.kill()
        process.wait()
        raise
    assert server.stop() == 0, server.log


def get(address: Any, path: str = "/") -> tuple[int, dict[str, str], str]:
    """Status, fields and body of a request to (host, port) or to the path of a unix socket."""
    connection = http.client.HTTPConnection("localhost", timeout=LIMIT)
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    connection.sock = socket.socket(family, socket.SOCK_STREAM)
    connection.sock.settimeout(LIMIT)
    connection.sock.connect(address)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()
