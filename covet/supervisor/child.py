"""One worker process, as its supervisor sees it."""

import asyncio
import enum
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from covet.control import (
    TRACE_SIGNAL,
    Attach,
    Closed,
    Drain,
    Failed,
    Hello,
    Leaving,
    NoMessage,
    Ready,
    Setup,
    ToSupervisor,
)
from covet.supervisor.errors import WorkerFailed
from covet.supervisor.process import Started, start

TRACE_BYTES = 65536
TRACE_SECONDS = 1.0
TRACE_REST_SECONDS = 0.05
# How often, and how many times, to look whether a worker without a pidfd has ended.
END_SECONDS = 0.02
END_LOOKS = 250


class State(enum.Enum):
    """Where a worker is on its way."""

    STARTING = "starting"
    READY = "ready"
    SERVING = "serving"
    LEAVING = "leaving"


class Child:
    """A worker process.

    Args:
        place: its place on the channel.
        setup: what it serves, and how.
        cpu: the CPU that it is to run on; None leaves it to the system.
        started: its process; None starts one.

    Attributes:
        place: its place on the channel.
        state: where it is on its way.
        attached: it was given the channel's descriptors.
        table: the number of its table of routes; 0 before it has one.
        started: when it was started, on the monotonic clock.
        request_limit: the requests after which it is replaced; None is no limit.
        hello: its configuration; the future fails with WorkerFailed.
        ready: the end of its start-up; the future fails with WorkerFailed.
        closed: it has let go of the channel, or ended.
        ended: its exit code, or minus the number of the signal that killed it.
    """

    def __init__(self, place: int, setup: Setup, cpu: int | None = None, started: Started | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.place = place
        self.cpu = cpu
        self.state = State.STARTING
        self.attached = False
        self.table = 0
        self.request_limit: int | None = None
        self.on_leaving: Callable[[Child], None] | None = None
        self.hello: asyncio.Future[Hello] = loop.create_future()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.closed = asyncio.Event()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.started = time.monotonic()
        self._spawn(started)
        self._watch(loop)
        with suppress(OSError):  # it has died already, which the descriptors tell
            self._link.send(setup)

    # ---- the process --------------------------------------------------------------

    def _spawn(self, started: Started | None) -> None:
        self._process, self._link, self._trace = started or start()
        if self.cpu is not None:
            with suppress(OSError):  # it has ended, or the CPU was taken from us
                os.sched_setaffinity(self.pid, {self.cpu})
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError:  # before Linux 5.3, or where a sandbox refuses it: the control socket tells its end
            self._pidfd = -1

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._pidfd >= 0:
            loop.add_reader(self._pidfd, self._on_end)
        loop.add_reader(self._link.fileno(), self._on_message)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def name(self) -> str:
        """What the worker is called in the log."""
        return f"worker {self.place + 1}"

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return not self.ended.done()

    def kill(self) -> None:
        """Ends the process at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.alive:
            self._process.send_signal(number)

    def _look_for_end(self, looks: int) -> None:
        """Without a pidfd, once it has closed the control socket, which is the last thing that it does."""
        if looks == 0:
            self.kill()
        elif self._process.poll() is None:
            asyncio.get_running_loop().call_later(END_SECONDS, self._look_for_end, looks - 1)
            return
        self._on_end()

    def _on_end(self) -> None:
        self._read_last()
        loop = asyncio.get_running_loop()
        code = self._process.wait()
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        os.close(self._trace)
        self._link.close()
        self._fail(WorkerFailed(f"Child process [{self.pid}] {describe_end(code)} before it could serve"))
        self.closed.set()
        self.ended.set_result(code)

    def _fail(self, failure: WorkerFailed) -> None:
        for future in (self.hello, self.ready):
            if not future.done():
                future.set_exception(failure)
                future.exception()  # whoever waits for the other one hears of it too

    # ---- messages -------------------------------------------------------------------

    def attach(self, descriptors: Sequence[int]) -> None:
        """Gives it the channel's descriptors, and that of the memory for the workers' own figures."""
        self.attached = True
        with suppress(OSError):
            self._link.send(Attach(self.place), descriptors)

    def drain(self, limit: float) -> None:
        """Tells it to finish what it has begun, within `limit` seconds, and to end."""
        with suppress(OSError):
            self._link.send(Drain(limit))

    def _on_message(self) -> None:
        try:
            messages = self._link.receive()
        except (EOFError, ConnectionError):
            asyncio.get_running_loop().remove_reader(self._link.fileno())
            if self._pidfd < 0:
                self._look_for_end(END_LOOKS)
            return
        except NoMessage:
            self.kill()  # the application wrote into a descriptor that is not its own
            return
        for message in messages:
            self._take(message)

    def _take(self, message: ToSupervisor) -> None:
        match message:
            case Hello() if not self.hello.done():
                self.hello.set_result(message)
            case Ready() if not self.ready.done():
                if self.state is State.STARTING:
                    self.state = State.READY
                self.ready.set_result(None)
            case Failed():
                self._fail(WorkerFailed(message.text, message.trace, message.code))
            case Closed():
                self.closed.set()
            case Leaving() if self.on_leaving is not None:
                self.on_leaving(self)

    def _read_last(self) -> None:
        """What it said before it ended."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._link.fileno())
        with suppress(EOFError, OSError, NoMessage):
            while messages := self._link.receive():
                for message in messages:
                    self._take(message)

    # ---- questions ------------------------------------------------------------------

    async def traceback(self) -> str:
        """Where its main thread is, in faulthandler's words; empty if it does not say."""
        self._read_trace()  # an older answer
        self._signal(TRACE_SIGNAL)
        text = b""
        deadline = time.monotonic() + TRACE_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(TRACE_REST_SECONDS)
            piece = self._read_trace()
            if text and not piece:
                break  # it came in several writes, and no more follow
            text += piece
        return text.decode("utf-8", "replace")

    def _read_trace(self) -> bytes:
        if not self.alive:
            return b""
        try:
            return os.read(self._trace, TRACE_BYTES)
        except BlockingIOError:
            return b""


def describe_end(code: int) -> str:
    """How a process ended, of its exit code."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
