"""Worker processes: one that is started alone, and several that are forked of one that has loaded what they need."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from covet.control import Born, Link, NoMessage, ToSupervisor
from covet.core import adopt_orphans

# They reach the whole group, from a terminal or systemd; a worker unblocks them when it has handlers for them.
GROUP_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
FORK_SECONDS = 30.0


class Forked:
    """A child of this process that another one has forked: what a worker's supervisor needs of `subprocess.Popen`.

    Args:
        pid: the process's number.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or minus the number of the signal that killed it; None while it runs."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int:
        """As `poll`, once it has ended."""
        code = self._wait(0)
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Sends a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, flags: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, flags)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class Started(NamedTuple):
    """A worker's process, and what its supervisor holds of it.

    Attributes:
        process: the process.
        link: the control socket.
        trace: the pipe that its tracebacks come through.
    """

    process: "subprocess.Popen[bytes] | Forked"
    link: Link
    trace: int

    def end(self) -> None:
        """Ends the process at once, and lets go of it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.link.close()
        os.close(self.trace)


def start() -> Started:
    """Starts a process alone. Raises OSError."""
    process, ((link, trace),) = _launch(1)
    return Started(process, link, trace)


class Nursery:
    """Processes that have been forked of one and wait to be told what to serve.

    That one loads what they will need, and ends: its pages stay theirs together. It never sees the application.

    Args:
        modules: what it loads, besides what every worker process needs; what there is not is left out.
    """

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = modules
        self._ready: list[Started] = []
        self._coming: asyncio.Task[None] | None = None

    async def fill(self, count: int) -> None:
        """Has `count` processes wait here, if the system lets us: whoever finds none here starts one alone."""
        self._coming = asyncio.create_task(self._fork(count))
        await asyncio.shield(self._coming)

    def take(self) -> Started | None:
        """One of those that wait here."""
        return self._ready.pop(0) if self._ready else None

    async def clear(self) -> None:
        """Ends those that wait here."""
        if self._coming is not None:
            await self._coming
        while (started := self.take()) is not None:
            started.end()

    async def _fork(self, count: int) -> None:
        with suppress(OSError), _adopting_orphans():
            parent, ends = _launch(count, self._modules)
            born = await asyncio.gather(*(_birth(link) for link, _ in ends))
            parent.kill()  # it has ended, unless something went wrong
            parent.wait()
            for pid, (link, trace) in zip(born, ends, strict=True):
                if pid is not None:
                    self._ready.append(Started(Forked(pid), link, trace))
                else:
                    link.close()
                    os.close(trace)


@contextmanager
def _adopting_orphans() -> Iterator[None]:
    """The children of a child that ends become this process's. Raises OSError."""
    adopt_orphans(True)
    try:
        yield
    finally:
        adopt_orphans(False)


async def _birth(link: Link) -> int | None:
    """The number of a process that is being forked; None if there will be none."""
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    loop.add_reader(link.fileno(), news.set)
    try:
        async with asyncio.timeout(FORK_SECONDS):
            await news.wait()
        messages = link.receive()
    except (TimeoutError, EOFError, OSError, NoMessage):
        return None
    finally:
        loop.remove_reader(link.fileno())
    return messages[0].pid if messages and isinstance(messages[0], Born) else None


def _launch(count: int, modules: Sequence[str] = ()) -> "tuple[subprocess.Popen[bytes], list[tuple[Link, int]]]":
    """Starts a process that becomes one worker, or forks several. Raises OSError."""
    ours: list[tuple[Link, int]] = []
    theirs: list[int] = []
    try:
        for _ in range(count):
            end, other = socket.socketpair()
            theirs.append(other.detach())
            trace, traced = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            theirs.append(traced)
            ours.append((Link(end, ToSupervisor), trace))
        return _execute([str(os.getpid()), ",".join(map(str, theirs)), *modules], theirs), ours
    except OSError:
        for link, trace in ours:
            link.close()
            os.close(trace)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)


def _execute(arguments: list[str], descriptors: list[int]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, *_interpreter_options(), "-m", "covet.worker_process", *arguments]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    try:
        return subprocess.Popen(command, pass_fds=descriptors)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _interpreter_options() -> list[str]:
    """The options of this interpreter, such as -X dev and -O, for another one."""
    options: Callable[[], list[str]] | None = getattr(subprocess, "_args_from_interpreter_flags", None)
    return options() if options is not None else []
