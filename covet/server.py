"""Serving: the engine and one worker in this process, from start-up to shutdown."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from covet import accesslog
from covet.binds import bind_error, describe_all
from covet.config import ServeOptions, Settings
from covet.cpus import pinned
from covet.engine import Engine, EngineError
from covet.eventloop import CANCEL_SECONDS
from covet.interfaces import Lifespan, adapt
from covet.lifespan import LifespanFailed
from covet.worker import Worker

logger = logging.getLogger("covet.error")

STOP_SECONDS = 5.0
POLL_SECONDS = 0.02


class StartFailed(Exception):
    """The server could not start; the log says why."""


class EngineFailed(Exception):
    """The engine has failed while it served; the text says why."""


class Server:
    """Serves an application in this process.

    Args:
        app: the application: CovetPy, ASGI 3 or WSGI.
        options: where and how to serve.
        settings: the application's settings, if others than its own are wanted.

    Raises:
        NotAnApplication: `app` is none of them, or not what the options name.

    Attributes:
        started: requests are being served.
        address: where the server is bound, as host:port; None before it is.
    """

    def __init__(self, app: object, options: ServeOptions | None = None, settings: Settings | None = None) -> None:
        self.options = options or ServeOptions()
        self.app = adapt(app, self.options)
        self.settings = settings or self.app.settings
        self.started = False
        self.address: str | None = None
        self.on_signal: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None
        self._changed = asyncio.Event()
        self._should_exit = False
        self._force_exit = False
        self._failure: str | None = None
        self._cpu = max(os.sched_getaffinity(0)) if self.options.pin_workers else None

    @property
    def should_exit(self) -> bool:
        """Set it, from any thread, to have the server stop."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._should_exit = value
        self._wake()

    @property
    def force_exit(self) -> bool:
        """Set it as well to have the server not wait for requests and shutdown functions."""
        return self._force_exit

    @force_exit.setter
    def force_exit(self, value: bool) -> None:
        self._force_exit = value
        self._wake()

    def status(self) -> dict[str, Any]:
        """The engine's figures: state, connections, in_flight, requests and more; empty when not serving."""
        return self._engine.status() if self._engine is not None else {}

    def _wake(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the server has stopped
                self._loop.call_soon_threadsafe(self._changed.set)

    async def serve(self) -> None:
        """Serves until `should_exit`, or SIGINT or SIGTERM in the main thread. Raises StartFailed, EngineFailed."""
        self._loop = asyncio.get_running_loop()
        with self._signals(self._loop), accesslog.routed(self.options) as extra:
            await self._serve(self._loop, extra)

    async def _serve(self, loop: asyncio.AbstractEventLoop, extra: Mapping[str, Any]) -> None:
        process = os.getpid()
        logger.info("Started server process [%d]", process)
        lifespan = self.app.lifespan()
        state = await self._start_up(lifespan)
        try:
            engine, worker = self._open(loop, state, extra)
        except EngineError as error:
            logger.error(bind_error(str(error), self.options.binds))
            await self._shut_down(lifespan)
            raise StartFailed(str(error)) from None
        try:
            self._engine = engine
            self.started = True
            logger.info("Covet running on %s (Press CTRL+C to quit)", describe_all(self.options.binds, engine.address))
            with pinned(self._cpu), self._events(loop, engine):
                while not (self._should_exit or self._failure):
                    await self._changed.wait()
                    self._changed.clear()
            logger.info("Shutting down")
            self.app.drain()
            await self._finish(loop, engine, worker)
        finally:
            self.started = False
            self._engine = None
            self._close(engine, worker)
        await self._shut_down(lifespan)
        logger.info("Finished server process [%d]", process)
        if self._failure is not None:
            raise EngineFailed(self._failure)

    @contextmanager
    def _events(self, loop: asyncio.AbstractEventLoop, engine: Engine) -> Iterator[None]:
        """Notes if the engine fails."""

        def read() -> None:
            for event in engine.events():
                if event["event"] == "failed":
                    self._failure = event["reason"]
                    logger.critical("The engine has failed: %s", self._failure)
                    self._changed.set()

        loop.add_reader(engine.event_fd(), read)
        try:
            yield
        finally:
            loop.remove_reader(engine.event_fd())

    # ---- start-up ---------------------------------------------------------------

    async def _start_up(self, lifespan: Lifespan) -> Mapping[str, Any]:
        logger.info("Waiting for application startup.")
        try:
            state = await lifespan.start()
        except Exception as error:
            _log_lifespan("start-up", error)
            logger.error("Application startup failed. Exiting.")
            raise StartFailed("the application's start-up failed") from error
        logger.info("Application startup complete.")
        return state

    def _open(
        self, loop: asyncio.AbstractEventLoop, state: Mapping[str, Any], extra: Mapping[str, Any]
    ) -> tuple[Engine, Worker]:
        """The engine and the worker, both at work; `extra` comes on top of the engine's configuration."""
        # A loop and a worker that wake each other on one CPU need no interrupts between CPUs.
        together = {"pin_cpus": [self._cpu]} if self._cpu is not None and self.options.loop_count == 1 else {}
        engine = Engine({**self.engine_config(), **extra, **together}, workers_here=1)
        worker = None
        try:
            engine.event_fd()  # from now on it notes what happens
            worker = Worker(self.app, self.settings, state, engine.channel())
            worker.start(loop)
            engine.admit(0)
            engine.start()
            self.address = engine.address()
        except BaseException:
            if worker is not None:
                worker.close()
            engine.free()
            raise
        return engine, worker

    def engine_config(self) -> dict[str, Any]:
        """What the engine is told: options, settings and routes."""
        return {
            **self.settings.engine(),
            **self.options.engine(),
            **self.app.engine(),
        }

    # ---- shutdown -----------------------------------------------------------------

    async def _finish(self, loop: asyncio.AbstractEventLoop, engine: Engine, worker: Worker) -> None:
        """Lets requests finish within the limit; cancels the handlers of those that have not."""
        engine.drain()
        deadline = loop.time() + self.options.timeout_graceful_shutdown
        told = False
        while (worker.in_flight or engine.status()["connections"]) and not (self._force_exit or self._failure):
            if loop.time() >= deadline:
                logger.error("Timeout of the graceful shutdown exceeded, closing what is left")
                break
            if not told and loop.time() > deadline - self.options.timeout_graceful_shutdown + 0.5:
                logger.info("Waiting for connections to close. (CTRL+C to force quit)")
                told = True
            await asyncio.sleep(POLL_SECONDS)
        if cancelled := await worker.cancel(CANCEL_SECONDS):
            logger.error("Cancelled %d running request(s)", cancelled)
            await asyncio.sleep(POLL_SECONDS)  # the engine sends what they still answered

    @staticmethod
    def _close(engine: Engine, worker: Worker) -> None:
        if not engine.stop(STOP_SECONDS):
            logger.error("The engine did not stop within %g seconds", STOP_SECONDS)
        worker.close()
        engine.free()

    async def _shut_down(self, lifespan: Lifespan) -> None:
        if self._force_exit:
            lifespan.cancel()
            return
        logger.info("Waiting for application shutdown.")
        stopping = asyncio.ensure_future(lifespan.stop())
        while not stopping.done() and not self._force_exit:
            changed = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait({stopping, changed}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            self._changed.clear()
        if not stopping.done():
            lifespan.cancel()
            stopping.cancel()
            return
        error = stopping.exception()
        if error is not None:
            _log_lifespan("shutdown", error)
            logger.error("Application shutdown failed. Exiting.")
        else:
            logger.info("Application shutdown complete.")

    # ---- signals --------------------------------------------------------------------

    @contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """The first SIGINT or SIGTERM asks the server to stop, the second one not to wait."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            # Python's handler runs even while the loop is busy; the loop's own one is there to wake it up.
            loop.add_signal_handler(number, _nothing)
            signal.signal(number, self._signalled)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if self._should_exit:
            self.force_exit = True
        self.should_exit = True
        if self.on_signal is not None:
            self.on_signal()


def _nothing() -> None:
    pass


def _log_lifespan(phase: str, error: BaseException) -> None:
    if isinstance(error, LifespanFailed):
        logger.error(str(error), exc_info=error.__cause__)
    else:
        logger.error("Exception in the application's %s", phase, exc_info=error)
