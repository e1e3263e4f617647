"""Signals that reach the server and its workers alike, at every moment; tests/cli/test_groups.py has plain cases."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wire.harness import Server

from workers.harness import alive, command, eventually, get, logged, printing, workers_of

ENDS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
SLOW = """
import contextlib, time
from covet import CovetPy

@contextlib.asynccontextmanager
async def lifespan(app):
    print("beginning", flush=True)
    time.sleep({lifespan})
    yield

app = CovetPy(lifespan=lifespan)

@app.get("/")
async def index(): return "here"

print("importing", flush=True)
time.sleep({imports})
"""


@contextlib.contextmanager
def group_of(workers: int, **options: Any) -> Iterator[Server]:
    """A supervised server in a process group of its own."""
    with printing(command(workers=workers, **options), group=True) as server:
        logged(server, "Covet running on")
        yield server


def ends_well(server: Server) -> None:
    """It stops with exit code 0, nothing started meanwhile, and has no error to tell."""
    begun = server.log.count("Started server process")
    assert server.process.wait(30) == 0
    logged(server, "Stopping parent process")
    assert "ERROR" not in server.log and "told to terminate" not in server.log, server.log
    assert server.log.count("Started server process") == begun


@ENDS
def test_an_idle_server_ends(number: signal.Signals) -> None:
    with group_of(1) as server:
        processes = workers_of(server)
        assert len(processes) == 1
        os.killpg(server.process.pid, number)
        ends_well(server)
        assert not [pid for pid in processes if alive(pid)]
        assert server.log.count("Application shutdown complete.") == 1


@ENDS
def test_requests_finish(number: signal.Signals) -> None:
    with group_of(1) as server:
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(get(server, "/hold/1000")["pid"]))
        thread.start()
        logged(server, "holding")
        processes = workers_of(server)
        os.killpg(server.process.pid, number)
        thread.join()
        assert set(answers) <= processes and answers
        ends_well(server)


def test_workers_may_get_it_before_the_supervisor() -> None:
    with group_of(2) as server:
        os.kill(server.process.pid, signal.SIGSTOP)
        for pid in workers_of(server):
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.3)  # they tell the supervisor
        os.kill(server.process.pid, signal.SIGTERM)
        os.kill(server.process.pid, signal.SIGCONT)
        ends_well(server)


def test_workers_may_get_it_a_moment_before_the_supervisor() -> None:
    with group_of(2) as server:
        for pid in workers_of(server):
            os.kill(pid, signal.SIGTERM)
        os.kill(server.process.pid, signal.SIGTERM)
        ends_well(server)


@ENDS
def test_the_second_one_forces(number: signal.Signals) -> None:
    with group_of(2, timeout_graceful_shutdown=60) as server:
        thread = threading.Thread(target=_ask_in_vain, args=(server,), daemon=True)
        thread.start()
        logged(server, "holding")
        for _ in range(3):
            os.killpg(server.process.pid, number)
        logged(server, "Waiting for connections to close")
        assert server.process.poll() is None
        os.killpg(server.process.pid, number)
        assert server.process.wait(20) == 0
        assert "ERROR" not in server.log, server.log


def _ask_in_vain(server: Server) -> None:
    with contextlib.suppress(OSError):
        get(server, "/never", 60)


@ENDS
@pytest.mark.parametrize("phase", ["importing", "beginning"])
def test_during_the_start(number: signal.Signals, phase: str, tmp_path: Path) -> None:
    slow = {"importing": ("imports", "lifespan"), "beginning": ("lifespan", "imports")}[phase]
    (tmp_path / "slow.py").write_text(SLOW.format(**dict(zip(slow, (60, 0), strict=True))), "utf-8")
    with printing(command("slow:app", app_dir=tmp_path), group=True) as server:
        eventually(lambda: server.log.count(phase) == 2)
        os.killpg(server.process.pid, number)
        assert server.process.wait(20) == 0
        logged(server, "Stopping parent process")
        assert "ERROR" not in server.log, server.log


def test_a_worker_that_starts_is_retired_once_it_serves(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(lifespan=0, imports=1), "utf-8")
    with printing(command("slow:app", app_dir=tmp_path)) as server:
        eventually(lambda: server.log.count("importing") == 2)
        early = min(workers_of(server))
        os.kill(early, signal.SIGTERM)
        logged(server, "Covet running on")
        logged(server, rf"Child process \[{early}\] was told to terminate")
        eventually(lambda: early not in workers_of(server) and len(workers_of(server)) == 2)
        assert get(server, "/") == "here"
        assert "ERROR" not in server.log, server.log
