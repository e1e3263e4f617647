"""Starting a server, reading what it costs, and ending it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from peers import APPS, LOGS, Peer

FIRST_PORT, LAST_PORT = 18100, 18999  # below the ports that outgoing connections take
START_SECONDS = 30.0
STOP_SECONDS = 10.0
MEGABYTE = 1_000_000


class Failed(Exception):
    """A run that does not count: errors, a wrong answer, a server that ended."""


@dataclass(frozen=True)
class CpuTime:
    """CPU time of a server at one moment, in seconds.

    Attributes:
        threads: schedstat run time of each thread that lives, by process and thread.
        processes: the CPU clock of each process, in which threads that have ended still count.
    """

    threads: dict[tuple[int, int], float]
    processes: dict[int, float]

    def since(self, before: CpuTime) -> float:
        """CPU seconds spent from `before` to now. Raises Failed when a process ended meanwhile."""
        if not before.processes.keys() <= self.processes.keys():
            raise Failed("a process of the server ended")
        by_thread = sum(spent - before.threads.get(thread, 0.0) for thread, spent in self.threads.items())
        by_process = sum(spent - before.processes.get(pid, 0.0) for pid, spent in self.processes.items())
        # schedstat lacks threads that ended, and lags by a tick for one that runs: the larger is the better known.
        return max(by_thread, by_process)


@dataclass(frozen=True)
class Memory:
    """Memory of all processes of a server in bytes; PSS divides shared pages among those who map them."""

    rss: int
    pss: int


class Running:
    """A server process and its children."""

    def __init__(self, peer: Peer, cpu: int | None) -> None:
        self.peer, self.port = peer, free_port()
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"{peer.name}.log"
        with self.log.open("wb") as log:
            command = [*on_cpu(cpu), *peer.arguments(self.port)]
            self.process = subprocess.Popen(command, cwd=APPS, stdout=log, stderr=log, start_new_session=True)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                said = self.log.read_text("utf-8", "replace").strip()[-500:]
                raise Failed(f"it ended with code {self.process.returncode}: {said}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise Failed(f"it did not listen within {START_SECONDS:g} s")

    def check(self, method: str, target: str, wanted: str) -> None:
        """Makes one request, whose answer must be right, before anything is timed.

        Args:
            method: POST sends 1 MB.
            target: the request target.
            wanted: the body, spaces aside; empty for any body of 1 MB.
        """
        self.ask(method, target, b"x" * MEGABYTE if method == "POST" else None, {}, wanted, least=MEGABYTE)

    def ask(
        self, method: str, target: str, body: bytes | None, fields: Mapping[str, str], wanted: str, *, least: int
    ) -> None:
        """Makes one request, whose answer must be right.

        Args:
            method, target, body, fields: the request.
            wanted: the answer's body, spaces aside; empty for any of `least` bytes.
            least: how many bytes it must have if it may be any.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, target, body, dict(fields))
            answer = connection.getresponse()
            got = answer.read()
        except http.client.HTTPException as error:
            raise Failed(f"{method} {target}: {error!r}") from error
        finally:
            connection.close()
        right = got.replace(b" ", b"") == wanted.encode() if wanted else len(got) == least
        if answer.status != 200 or not right:
            raise Failed(f"{method} {target} was answered {answer.status} {got[:80]!r}")

    def pids(self) -> list[int]:
        """The server's process and all that came of it."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    children.setdefault(parent, []).append(int(entry.name))
        found, left = [], [self.process.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            left += children.get(pid, [])
        return found

    def cpu_time(self) -> CpuTime:
        """CPU time so far of every thread of every process."""
        threads, processes = {}, {}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    with contextlib.suppress(OSError):
                        threads[pid, int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
                processes[pid] = time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes it
        return CpuTime(threads, processes)

    def memory(self) -> Memory:
        """Memory of all processes now."""
        rss = pss = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
                kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
                rss, pss = rss + kilobytes["Rss"] * 1024, pss + kilobytes["Pss"] * 1024
        return Memory(rss, pss)

    def stop(self) -> None:
        """Ends the server's process group, at first politely."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)  # children may outlive the first process
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


@contextlib.contextmanager
def running(peer: Peer, cpu: int | None = None) -> Iterator[Running]:
    """A server for the length of a block, on one CPU if that is given."""
    server = Running(peer, cpu)
    try:
        yield server
    finally:
        server.stop()


def on_cpu(cpu: int | None) -> list[str]:
    """What goes before a command so that it runs on one CPU."""
    return [] if cpu is None else ["taskset", "-c", str(cpu)]


def free_port() -> int:
    """A port that nobody listens on. Two servers with SO_REUSEPORT would share it without a word."""
    for port in range(FIRST_PORT, LAST_PORT):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise Failed(f"no port is free from {FIRST_PORT} to {LAST_PORT}")
