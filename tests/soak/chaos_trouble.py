"""What befalls the server in the chaos run: dead, stopped and replaced workers, and a load generator."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.soak.chaos_clients import Clients, Failure, Report
from tests.wire.harness import Server

DEATH = re.compile(r"Child process \[(\d+)\] died|request\(s\) failed with child process \[(\d+)\]")
WAITS = "the next one starts in"
BURST_SECONDS = 4


class Log(list[str]):
    """The lines that the server has logged.

    Attributes:
        deaths: when which worker's death was logged, on the monotonic clock.
        waits: how often the server said that starts wait as too many workers have died.
    """

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines)
        self.deaths: dict[int, float] = {}
        self.waits = 0

    def append(self, line: str) -> None:
        super().append(line)
        if found := DEATH.search(line):
            self.deaths.setdefault(int(found[1] or found[2]), time.monotonic())
        self.waits += WAITS in line


def children_of(pid: int) -> dict[int, str]:
    """The child processes and their states in the words of proc(5), such as S or Z."""
    found = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, IndexError, ValueError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid:
                found[int(folder.name)] = state
    return found


class Trouble:
    """Makes it.

    Args:
        server: the server.
        log: its log.
        clients: one of them has handlers end their workers.
        seed: of what is done when.

    Attributes:
        counts: what has been done.
    """

    def __init__(self, server: Server, log: Log, clients: Clients, seed: int) -> None:
        self.server = server
        self.log = log
        self.clients = clients
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._waits_seen = 0
        self._missing = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float) -> None:
        """Makes trouble for some time; then all is as it was at first."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(self.random.uniform(0.2, 2.0))
            self._one()
        await asyncio.gather(*self._tasks)
        while self._missing:
            await self._step(1)

    def _one(self) -> None:
        if self.log.waits > self._waits_seen or not children_of(self.server.process.pid):
            # Workers die faster than the server likes to replace them: do what whoever runs it would do.
            self._waits_seen = self.log.waits
            kind = "hangup"
        else:
            kinds = {"kill": 5, "end": 6, "freeze": 2, "hangup": 2, "terminate": 1, "step": 1}
            (kind,) = self.random.choices(list(kinds), list(kinds.values()))
        self.counts[kind] += 1
        if kind == "hangup":
            self.server.process.send_signal(signal.SIGHUP)
        elif kind == "end":
            self._do(self.clients.live(self.clients.end_worker))
        elif kind == "step":
            self._do(self._step(1 if self._missing else -1))
        elif victims := list(children_of(self.server.process.pid)):
            self._strike(kind, self.random.choice(victims))

    def _strike(self, kind: str, victim: int) -> None:
        with suppress(ProcessLookupError):
            if kind == "freeze":
                os.kill(victim, signal.SIGSTOP)
                self._do(self._thaw(victim))
            else:
                os.kill(victim, signal.SIGKILL if kind == "kill" else signal.SIGTERM)

    async def _thaw(self, victim: int) -> None:
        await asyncio.sleep(self.random.uniform(0.1, 1.5))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGCONT)

    async def _step(self, step: int) -> None:
        self._missing -= step
        self.server.process.send_signal(signal.SIGTTIN if step > 0 else signal.SIGTTOU)
        await asyncio.sleep(0.2)  # pending signals of a kind are one

    def _do(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def load(server: Server, report: Report, seconds: float) -> None:
    """Bursts of requests from wrk, which counts those that fail; nothing where there is no wrk."""
    wrk = shutil.which("wrk")
    until = time.monotonic() + seconds
    while wrk and time.monotonic() < until:
        since = time.monotonic()
        left = max(1, min(BURST_SECONDS, round(until - since)))
        process = await asyncio.create_subprocess_exec(
            *(wrk, "-t1", "-c8", f"-d{left}s", "--timeout", "90s", f"{server.url}/echo/7?q=wrk"),
            stdout=asyncio.subprocess.PIPE,
        )
        text = (await process.communicate())[0].decode()
        if found := re.search(r"(\d+) requests in", text):
            report.counts["wrk"] += int(found[1])
        if found := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
            report.failures += [Failure("wrk: 502", 2, since, time.monotonic())] * int(found[1])
        if found := re.search(r"Socket errors: .*", text):
            report.faults[f"wrk: {found[0]}"] += 1
        await asyncio.sleep(BURST_SECONDS)
