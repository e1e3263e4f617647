"""One worker process: `python -m covet.worker_process PARENT CONTROL,TRACE`, started by the supervisor.

The arguments are the supervisor's process, and the descriptors of the control
socket and of the pipe for tracebacks. With several pairs of them, and modules
that are to be loaded before, it forks one worker process for each pair. What
supervisor and worker say to each other is in `covet/control.py`. Command line
and engine are not imported: they take memory.
"""

import asyncio
import faulthandler
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

from covet import log, shared
from covet.config import ConfigError, ServeOptions, Settings
from covet.control import (
    TRACE_SIGNAL,
    Attach,
    Born,
    Closed,
    Drain,
    Failed,
    Hello,
    Leaving,
    Link,
    Ready,
    Setup,
    ToWorker,
)
from covet.core import die_with_parent
from covet.eventloop import CANCEL_SECONDS, cancel_all, exit_now, loop_factory
from covet.importer import ImportFailed, import_app
from covet.interfaces import Application, Lifespan, NotAnApplication, adapt
from covet.lifespan import LifespanFailed
from covet.worker import Worker

logger = logging.getLogger("covet.error")

USAGE_ERROR = 2
START_FAILED = 3
POLL_SECONDS = 0.02
# The supervisor's signals that reach the whole group, from a terminal or systemd; it decides what they mean here.
GROUP_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


class CannotServe(Exception):
    """The application cannot be served; the supervisor is told why."""

    def __init__(self, code: int, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.message = Failed(code, text, trace)


class Process:
    """What the process does from its first message to its end.

    Args:
        link: the control socket's end.
        setup: the first message.
        told: each SIGTERM that came before the worker could ask to be retired.
    """

    def __init__(self, link: Link, setup: Setup, told: Sequence[int]) -> None:
        self._link = link
        self._told = told
        try:
            options = ServeOptions(**setup.serve)
            self.new_loop = loop_factory(options.loop)
            self._app = load(setup, options)
            self._settings: Settings = replace(self._app.settings, **setup.settings)
        except ConfigError as error:
            raise CannotServe(USAGE_ERROR, str(error)) from None
        self._attached: asyncio.Future[Attach] | None = None
        self._draining: asyncio.Future[Drain] | None = None

    async def run(self) -> None:
        """Serves until the supervisor says Drain. Raises CannotServe."""
        loop = asyncio.get_running_loop()
        self._attached, self._draining = loop.create_future(), loop.create_future()
        loop.add_reader(self._link.fileno(), self._receive)
        self._link.send(Hello({**self._settings.engine(), **self._app.engine()}))
        place = (await self._attached).place
        (*descriptors, figures), self._link.descriptors = self._link.descriptors, []
        shared.give(figures, place)

        process = os.getpid()
        logger.info("Started server process [%d]", process)
        lifespan = self._app.lifespan()
        state = await start_up(lifespan)
        worker = Worker(self._app, self._settings, state, descriptors, place)
        for descriptor in descriptors:
            os.close(descriptor)
        worker.start(loop)
        self._link.send(Ready())
        loop.add_signal_handler(signal.SIGTERM, self._link.send, Leaving())
        if self._told:
            self._link.send(Leaving())

        drain = await self._draining
        self._app.drain()
        await finish(worker, drain.limit)
        worker.close()
        self._link.send(Closed())
        await shut_down(lifespan)
        logger.info("Finished server process [%d]", process)

    def _receive(self) -> None:
        try:
            messages = self._link.receive()
        except EOFError:
            # The engine has died: nothing that this process could still do would reach anybody.
            os._exit(1)
        for message in messages:
            waiting = self._attached if isinstance(message, Attach) else self._draining
            if waiting is not None and not waiting.done():
                waiting.set_result(message)


def load(setup: Setup, options: ServeOptions) -> Application:
    """Imports the application. Raises CannotServe, ConfigError."""
    try:
        return adapt(import_app(setup.app, factory=setup.factory), options, several=True)
    except (ImportFailed, NotAnApplication) as error:
        raise CannotServe(START_FAILED, f"Error loading the application. {error}") from None
    except ConfigError:
        raise
    except SystemExit as ended:
        text = f"Error loading the application: it ended the process with code {ended.code}."
        raise CannotServe(START_FAILED, text) from None
    except Exception as error:
        raise CannotServe(START_FAILED, "Error loading the application.", trace_of(error)) from None


def trace_of(error: BaseException | None) -> str:
    """The traceback as text, without the frames of the import machinery and of this module."""
    if error is None:
        return ""
    shown = traceback.TracebackException.from_exception(error)
    own = (__file__, import_app.__code__.co_filename)
    frames = [frame for frame in shown.stack if "importlib" not in frame.filename and frame.filename not in own]
    if frames or isinstance(error, SyntaxError):  # which says where it is by itself
        shown.stack[:] = frames
    return "".join(shown.format()).rstrip()


async def start_up(lifespan: Lifespan) -> Mapping[str, Any]:
    """Runs the application's start-up. Raises CannotServe."""
    logger.info("Waiting for application startup.")
    try:
        state = await lifespan.start()
    except LifespanFailed as error:
        raise CannotServe(START_FAILED, str(error), trace_of(error.__cause__)) from None
    except Exception as error:
        raise CannotServe(START_FAILED, "Exception in the application's start-up", trace_of(error)) from None
    logger.info("Application startup complete.")
    return state


async def finish(worker: Worker, limit: float) -> None:
    """Lets requests that have begun finish within `limit` seconds; cancels the handlers of those that have not."""
    deadline = asyncio.get_running_loop().time() + limit
    while worker.in_flight and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_SECONDS)
    if worker.in_flight:
        cancelled = await worker.cancel(CANCEL_SECONDS)
        logger.error("Cancelled %d running request(s)", cancelled)


async def shut_down(lifespan: Lifespan) -> None:
    """Runs the application's shutdown; an error in it is logged."""
    logger.info("Waiting for application shutdown.")
    try:
        await lifespan.stop()
    except LifespanFailed as error:
        logger.error(str(error), exc_info=error.__cause__)
        logger.error("Application shutdown failed. Exiting.")
    except Exception as error:
        logger.error("Exception in the application's shutdown", exc_info=error)
        logger.error("Application shutdown failed. Exiting.")
    else:
        logger.info("Application shutdown complete.")


def fork_off(parent: int, pairs: Sequence[tuple[int, int]], modules: Sequence[str]) -> tuple[int, int]:
    """Forks a process for each pair of descriptors; returns, in each, its own pair."""
    from covet.worker_forks import fork

    tie_to(parent)
    return fork(pairs, modules)


def tie_to(parent: int) -> None:
    """Has the process end with its supervisor."""
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)  # it died before it was asked for


def prepare(trace: int, parent: int) -> list[int]:
    """Ties the process to its supervisor: its death, its signals, its questions.

    Returns:
        Each SIGTERM is added to it, until something else is done with them.
    """
    told: list[int] = []
    tie_to(parent)
    for number in GROUP_SIGNALS:
        # Not SIG_IGN, which the application's own processes would inherit.
        signal.signal(number, lambda number, frame: None)
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    # The supervisor starts workers with these blocked, so that they cannot come too early.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP_SIGNALS)
    faulthandler.register(TRACE_SIGNAL, file=trace, all_threads=False)
    return told


def serve(link: Link, told: Sequence[int]) -> int:
    """Serves as the supervisor says, and returns the exit code; `told` is what `prepare` has returned."""
    try:
        (setup,) = link.receive(wait=True)
    except EOFError:
        return 1
    sys.path[:] = setup.path
    log.configure(**setup.log)
    try:
        process = Process(link, setup, told)
        run(process, process.new_loop())
    except CannotServe as failure:
        with suppress(OSError):
            link.send(failure.message)
        return failure.message.code
    return 0


def run(process: Process, loop: asyncio.AbstractEventLoop) -> None:
    """Runs the process on its loop, and what the application left on the loop to its end."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(process.run())
    finally:
        cancel_all(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def main() -> NoReturn:
    """The process, from its arguments to its exit."""
    parent = int(sys.argv[1])
    descriptors = [int(number) for number in sys.argv[2].split(",")]
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    pairs = list(zip(descriptors[::2], descriptors[1::2], strict=True))
    control, trace = pairs[0] if len(pairs) == 1 else fork_off(parent, pairs, sys.argv[3:])
    told = prepare(trace, parent)
    link = Link(socket.socket(fileno=control), ToWorker)
    if len(pairs) > 1:
        link.send(Born(os.getpid()))
    code = serve(link, told)
    link.close()
    if code:
        exit_now(code)
    sys.exit(0)


if __name__ == "__main__":
    main()
