"""A server with nothing to do does nothing, and is small."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .harness import Reader, Server
from .support import BACKENDS, LIMIT, ask, backend, head, rss

SETTLE = 3.0
WATCH = 5.0
loops = pytest.mark.parametrize("loop", BACKENDS)


def traced(server: Server, path: Path) -> list[str]:
    """The system calls that the server begins in five seconds, one line each."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: whether an idle server makes system calls is not known")
    command = ["strace", "-f", "-ttt", "-o", str(path), "-p", str(server.process.pid)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    first = strace.stderr.readline()
    if "attached" not in first:
        strace.wait(LIMIT)
        pytest.skip(f"strace may not look, so whether an idle server makes system calls is not known: {first}")
    time.sleep(1)  # what attaching interrupts is begun again and shows up
    begin = time.time()
    time.sleep(WATCH)
    end = time.time()
    assert ask(server, head("GET", "/items/5")).status == 200
    strace.send_signal(signal.SIGINT)
    strace.communicate(timeout=LIMIT)
    calls = [re.split(r"\s+", line, maxsplit=2) for line in path.read_text("utf-8").splitlines()]
    assert any(float(call[1]) >= end for call in calls), "strace did not see a request's system calls"
    return [call[2] for call in calls if begin < float(call[1]) < end]


@loops
def test_an_idle_server_makes_no_system_calls(loop: str, tmp_path: Path) -> None:
    with backend(loop, "app:app") as server:
        time.sleep(SETTLE)
        assert traced(server, tmp_path / "trace") == []


@loops
def test_nor_after_it_has_served(loop: str, tmp_path: Path) -> None:
    with backend(loop, "app:app", "--no-access-log", "--timeout-keep-alive", "1") as server:
        with server.connect(LIMIT) as sock:
            reader = Reader(sock)
            for _ in range(200):
                sock.sendall(head("GET", "/items/5?q=x") + head("GET", "/slow?ms=1"))
                assert reader.answer().status == 200 and reader.answer().status == 200
        assert ask(server, head("GET", "/blocking")).status == 200
        time.sleep(SETTLE)
        assert traced(server, tmp_path / "trace") == []


@loops
def test_an_idle_server_is_small(loop: str) -> None:
    with backend(loop, "app:app") as server:
        assert ask(server, head("GET", "/items/5")).status == 200
        assert rss(server) < 60 * 1024 * 1024
