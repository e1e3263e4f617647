"""Serving: the engine and one worker in this process, from start-up to shutdown."""

import asyncio
import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from types import FrameType
from typing import Any

from covet import log
from covet.config import SETTING_NAMES, ConfigError, ServeOptions, Settings
from covet.engine import Engine, EngineError
from covet.eventloop import CANCEL_SECONDS, cancel_all, exit_now, loop_factory
from covet.importer import ImportFailed, import_app
from covet.interfaces import Lifespan, NotAnApplication, adapt
from covet.lifespan import LifespanFailed
from covet.worker import Worker

logger = logging.getLogger("covet.error")

START_FAILED = 3
STOP_SECONDS = 5.0
POLL_SECONDS = 0.02
EXIT_SECONDS = 5.0
BIND_ERRORS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)


class StartFailed(Exception):
    """The server could not start; the log says why."""


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
        """Serves until `should_exit`, or SIGINT or SIGTERM in the main thread. Raises StartFailed."""
        self._loop = asyncio.get_running_loop()
        with self._signals(self._loop):
            await self._serve(self._loop)

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        process = os.getpid()
        logger.info("Started server process [%d]", process)
        lifespan = self.app.lifespan()
        state = await self._start_up(lifespan)
        try:
            engine, worker = self._open(loop, state)
        except EngineError as error:
            logger.error(self._bind_error(str(error)))
            await self._shut_down(lifespan)
            raise StartFailed(str(error)) from None
        try:
            self._engine = engine
            self.started = True
            logger.info("Covet running on http://%s (Press CTRL+C to quit)", self.address)
            while not self._should_exit:
                await self._changed.wait()
                self._changed.clear()
            logger.info("Shutting down")
            await self._finish(loop, engine, worker)
        finally:
            self.started = False
            self._engine = None
            self._close(engine, worker)
        await self._shut_down(lifespan)
        logger.info("Finished server process [%d]", process)

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

    def _open(self, loop: asyncio.AbstractEventLoop, state: Mapping[str, Any]) -> tuple[Engine, Worker]:
        """The engine and the worker, both at work."""
        engine = Engine(self._engine_config())
        worker = None
        try:
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

    def _engine_config(self) -> dict[str, Any]:
        return {
            **self.settings.engine(),
            **self.options.engine(),
            **self.app.engine(),
        }

    def _bind_error(self, text: str) -> str:
        """The error in asyncio's words if it is about the address."""
        for number in BIND_ERRORS:
            reason = os.strerror(number).lower()
            if reason in text.lower():
                where = (self.options.host, self.options.port)
                return f"[Errno {number}] error while attempting to bind on address {where}: {reason}"
        return text

    # ---- shutdown -----------------------------------------------------------------

    async def _finish(self, loop: asyncio.AbstractEventLoop, engine: Engine, worker: Worker) -> None:
        """Lets requests finish within the limit; cancels the handlers of those that have not."""
        engine.drain()
        deadline = loop.time() + self.options.timeout_graceful_shutdown
        told = False
        while (worker.in_flight or engine.status()["connections"]) and not self._force_exit:
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


def run(
    app: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    backlog: int = 2048,
    log_level: str = "info",
    access_log: bool = True,
    loop: str = "auto",
    timeout_keep_alive: float | None = None,
    timeout_graceful_shutdown: float = 10.0,
    app_dir: str | None = None,
    interface: str = "auto",
    lifespan: str = "auto",
    root_path: str = "",
    threads: int = 40,
    **settings: Any,
) -> None:
    """Serves an application until SIGINT or SIGTERM.

    Args:
        app: the application (CovetPy, ASGI 3 or WSGI), or its name such as "main:app".
        host: an address or name to listen on.
        port: a TCP port; 0 takes a free one, and the log names it.
        backlog: connections that may wait to be accepted.
        log_level: critical, error, warning, info, debug or trace.
        access_log: one line for each request, on standard output.
        loop: auto, uvloop or asyncio.
        timeout_keep_alive: seconds; instead of the application's keepalive_timeout.
        timeout_graceful_shutdown: seconds that requests may take to finish when the server stops.
        app_dir: a folder to put at the front of the import path.
        interface: auto, covet, asgi or wsgi: what the application speaks.
        lifespan: auto, on or off: whether an ASGI application's lifespan is run; with auto it may have none.
        root_path: the path that ASGI and WSGI applications are mounted at, such as "/api".
        threads: how many requests of a WSGI application run at a time.
        settings: settings of `CovetPy(...)`, instead of the application's own.

    Raises:
        ConfigError: an option or setting cannot be used.
        SystemExit: with code 3 if the server could not start; the log says why.
    """
    unknown = settings.keys() - SETTING_NAMES
    if unknown:
        raise TypeError(f"run() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    if timeout_keep_alive is not None:
        settings["keepalive_timeout"] = timeout_keep_alive
    options = ServeOptions(
        host,
        port,
        backlog,
        log_level,
        access_log,
        loop,
        timeout_graceful_shutdown,
        interface=interface,
        lifespan=lifespan,
        root_path=root_path,
        threads=threads,
    )
    new_loop = loop_factory(loop)
    log.configure(log_level)
    application = _imported(app, app_dir) if isinstance(app, str) else app
    try:
        server = Server(application, options)
    except NotAnApplication as error:
        logger.error("Error loading the application. %s", error)
        sys.exit(START_FAILED)
    server.settings = replace(server.settings, **settings)
    try:
        _run(server, new_loop)
    except StartFailed:
        sys.exit(START_FAILED)


def _imported(name: str, app_dir: str | None) -> object:
    if app_dir is not None:
        sys.path.insert(0, app_dir)
    try:
        return import_app(name)
    except ImportFailed as error:
        logger.error("Error loading the application. %s", error)
    except ConfigError:
        raise
    except Exception as error:
        logger.error("Error loading the application.", exc_info=error)
    sys.exit(START_FAILED)


def _run(server: Server, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Serves on a loop of its own, and sees to it that the process ends when it was told to."""
    loop = new_loop()
    finished = threading.Event()
    guard = threading.Thread(target=_guard, args=(server, loop, finished), name="covet-guard", daemon=True)

    def on_signal() -> None:
        if not guard.is_alive() and not finished.is_set():
            guard.start()

    server.on_signal = on_signal
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(server.serve())
    finally:
        try:
            cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            finished.set()
            asyncio.set_event_loop(None)
            loop.close()
            _limit_exit()


def _guard(server: Server, loop: asyncio.AbstractEventLoop, finished: threading.Event) -> None:
    """Ends the process if the loop does not get to do so: a handler blocks it."""
    while not finished.wait(0.5):
        answered = threading.Event()
        try:
            loop.call_soon_threadsafe(answered.set)
        except RuntimeError:
            return
        waited = 0.0
        while not answered.wait(0.25) and not finished.is_set():
            waited += 0.25
            if waited >= (1.0 if server.force_exit else server.options.timeout_graceful_shutdown):
                logger.critical("A handler blocks the event loop; ending the process")
                exit_now(0)


@cache
def _limit_exit() -> None:
    """Ends the process if a thread that never returns, of asyncio.to_thread say, keeps it from ending by itself."""
    ending = threading.Event()

    def end() -> None:
        ending.wait()
        threading.Event().wait(EXIT_SECONDS)
        exit_now(0)

    # It is called before executors wait for their threads; atexit comes too late.
    register: Callable[[Callable[[], None]], None] | None = getattr(threading, "_register_atexit", None)
    if register is not None:
        threading.Thread(target=end, name="covet-exit", daemon=True).start()
        register(ending.set)
