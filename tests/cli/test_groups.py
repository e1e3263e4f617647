"""Signals to the whole process group: what a service manager and a terminal send."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from .support import LIMIT, get

APP = """
import asyncio
from covet import CovetPy

app = CovetPy()


@app.get("/slow")
async def slow():
    await asyncio.sleep(1)
    return "done"
"""


def start(folder: Path, workers: str) -> subprocess.Popen[str]:
    (folder / "grouped.py").write_text(APP)
    return subprocess.Popen(
        [sys.executable, "-m", "covet", "run", "grouped:app", "--port", "0", "--workers", workers],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def port_of(server: subprocess.Popen[str], lines: list[str]) -> int:
    assert server.stdout is not None
    for line in server.stdout:
        lines.append(line)
        if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise AssertionError(f"the server did not start:\n{''.join(lines)}")


@pytest.mark.parametrize("workers", ["1", "2", "4"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("busy", [True, False])
def test_the_whole_group_is_told(tmp_path: Path, workers: str, number: signal.Signals, busy: bool) -> None:
    server, lines = start(tmp_path, workers), []
    port = port_of(server, lines)
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(get(("127.0.0.1", port), "/slow")[2]))
    if busy:
        client.start()
        time.sleep(0.3)
    os.killpg(server.pid, number)
    rest, _ = server.communicate(timeout=LIMIT)
    log = "".join(lines) + rest
    if busy:
        client.join(LIMIT)
        assert answers == ['"done"']
    assert server.returncode == 0, log
    assert "ERROR" not in log and "told to terminate" not in log, log
    # Nothing was started in place of a worker that was about to end.
    assert log.count("Application startup complete.") == log.count("Application shutdown complete.") == int(workers)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_group_is_told_while_it_starts(tmp_path: Path, workers: str) -> None:
    server = start(tmp_path, workers)
    assert server.stdout is not None
    first = server.stdout.readline()
    os.killpg(server.pid, signal.SIGTERM)
    rest, _ = server.communicate(timeout=LIMIT)
    assert "ERROR" not in first + rest and "Traceback" not in rest, first + rest


def test_a_group_that_is_told_twice_ends_at_once(tmp_path: Path) -> None:
    server, lines = start(tmp_path, "2"), []
    port = port_of(server, lines)

    def ask() -> None:
        for _ in range(8):
            try:
                get(("127.0.0.1", port), "/slow")
            except OSError:
                return

    client = threading.Thread(target=ask)
    client.start()
    time.sleep(0.3)
    os.killpg(server.pid, signal.SIGINT)
    time.sleep(0.5)
    os.killpg(server.pid, signal.SIGINT)
    server.communicate(timeout=LIMIT)
    client.join(LIMIT)
    assert not client.is_alive()
