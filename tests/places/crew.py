"""An engine in this process with workers in others, as the supervisor has them, but moved by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from covet.engine import Engine

HERE = Path(__file__).parent
LIMIT = 30.0


class Crew:
    """The engine and its workers.

    Attributes:
        engine: the engine.
        port: its TCP port.
        marks: the folder where handlers leave files.
        workers: the processes by place.
    """

    def __init__(self, marks: Path, places: int, loops: int) -> None:
        self.marks = marks
        self.workers: dict[int, subprocess.Popen[str]] = {}
        self.engine = Engine(
            self.config() | {"places": places, "loops": loops, "listeners": [LISTENER], "log_level": "warning"}
        )
        self.engine.event_fd()
        self.engine.start()
        self.port = int((self.engine.address() or "").rpartition(":")[2])

    def config(self, greeting: str = "hello") -> dict[str, Any]:
        """What a worker would send of its application, settings and routes."""
        script = "import json; from worker import config; print(json.dumps(config()))"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=HERE, env=self._environment(greeting), capture_output=True, check=True
        )
        config: dict[str, Any] = json.loads(done.stdout)
        return config

    def _environment(self, greeting: str) -> dict[str, str]:
        return os.environ | {"COVET_TEST_MARKS": str(self.marks), "COVET_TEST_GREETING": greeting}

    def hire(self, place: int, table: int = 1, greeting: str = "hello") -> subprocess.Popen[str]:
        """Starts a worker and admits it."""
        descriptors = self.engine.channel(place)
        worker = subprocess.Popen(
            [sys.executable, "worker.py", str(place), *map(str, descriptors)],
            cwd=HERE,
            env=self._environment(greeting),
            pass_fds=descriptors,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.workers[place] = worker
        assert worker.stdout is not None
        assert worker.stdout.readline() == "attached\n"
        self.engine.admit(place, table)
        return worker

    def kill(self, place: int) -> dict[str, int]:
        """Kills a worker and reclaims its place."""
        worker = self.workers.pop(place)
        worker.send_signal(signal.SIGKILL)
        worker.wait(LIMIT)
        return self.engine.reclaim(place)

    def client(self) -> httpx.Client:
        """A client with a connection of its own."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=LIMIT)

    def place_of(self, name: str) -> int:
        """The place of the worker that has left a mark."""
        pid = int(until(lambda: self.marks.joinpath(name).exists() and self.marks.joinpath(name).read_text()))
        return next(place for place, worker in self.workers.items() if worker.pid == pid)

    def close(self) -> None:
        """Ends everything."""
        for worker in self.workers.values():
            worker.kill()
            worker.wait(LIMIT)
        assert self.engine.stop(10.0)
        self.engine.free()


LISTENER = {"network": "tcp", "address": "127.0.0.1:0"}


def until(condition: Callable[[], Any]) -> Any:
    """What the condition gives as soon as that is true."""
    deadline = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
    return found


@contextmanager
def crew_of(marks: Path, workers: int, *, places: int = 6, loops: int = 1) -> Iterator[Crew]:
    """An engine with workers at the first places."""
    crew = Crew(marks, places, loops)
    try:
        for place in range(workers):
            crew.hire(place)
        yield crew
    finally:
        crew.close()
