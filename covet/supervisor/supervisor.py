"""The supervisor: from the first worker's start to the last one's end."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from covet.binds import describe_all
from covet.status_socket import StatusError, StatusServer, default_socket, describe
from covet.supervisor.autoscale import Autoscale
from covet.supervisor.blocked import BlockedWatch
from covet.supervisor.errors import StartFailed, WorkerFailed
from covet.supervisor.events import Events, Handler
from covet.supervisor.keeper import Keeper
from covet.supervisor.options import SupervisorOptions
from covet.supervisor.pool import POLL_SECONDS, Pool
from covet.supervisor.recycling import Recycler
from covet.supervisor.reload import FileWatch
from covet.supervisor.report import report
from covet.supervisor.rolling import Rolling
from covet.supervisor.tables import Engine, Tables

logger = logging.getLogger("covet.error")

Result = TypeVar("Result")

ENGINE_FAILED = 1
STOP_SECONDS = 5.0
PATIENCE_SECONDS = 0.5
# What starts the server may pass on a signal that the terminal has already sent to all; that is not a second one.
ECHO_SECONDS = 0.2


class Supervisor:
    """Runs one engine in this process and the workers in theirs.

    Args:
        options: how.
        make_engine: makes an engine of its configuration. Raises RuntimeError.

    Raises:
        ConfigError: reload is wanted and cannot be.
    """

    def __init__(self, options: SupervisorOptions, make_engine: Callable[[Mapping[str, Any]], Engine]) -> None:
        self._options = options
        places = 2 * options.most
        self._tables = Tables(make_engine, options.serve, places)
        self._pool = Pool(options, self._tables, places)
        self._rolling = Rolling(self._pool, self._tables)
        self._keeper = Keeper(self._pool, self._rolling, options.workers)
        self._files = FileWatch(options.serve) if options.serve.reload else None
        self._restart = asyncio.Event()
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._stopped_at = 0.0
        self._failed = False
        self._serving = False
        self._autoscale: Autoscale | None = None
        self._status: StatusServer | None = None

    # ---- from outside ---------------------------------------------------------------

    @property
    def workers(self) -> int:
        """How many workers are wanted."""
        return self._keeper.count

    def set_workers(self, count: int) -> None:
        """Changes how many workers are wanted, within the options' limits."""
        count = min(max(count, self._options.workers_min), self._options.most)
        if self._autoscale is not None:
            self._autoscale.changed(count)
        self._keeper.set_count(count)

    def status(self) -> dict[str, Any]:
        """The engine's figures and what the processes use, as `covet status` shows them."""
        engine = self._tables.engine
        where = describe_all(self._options.serve.binds, engine.address)
        return describe(engine.status(), address=where, target=self.workers)

    # ---- the whole life -------------------------------------------------------------

    async def run(self) -> int:
        """Serves until SIGINT or SIGTERM, or until the engine fails, and returns the exit code."""
        logger.info("Started parent process [%d]", os.getpid())
        self._take_signals()
        background = [self._background(self._files.run())] if self._files is not None else []
        try:
            code = await unless(self._start(), self._stop.wait())
            if code is None and not self._stop.is_set():
                background += self._begin()
                await self._stop.wait()
            await self._finish(background)
        finally:
            self._pool.kill_all()
            await self._pool.gone()
            if self._status is not None:
                await self._status.close()
            self._tables.close()
        logger.info("Stopping parent process [%d]", os.getpid())
        return ENGINE_FAILED if self._failed else code or 0

    @staticmethod
    def _background(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        task.add_done_callback(_tell_error)
        return task

    # ---- the first start --------------------------------------------------------------

    async def _start(self) -> int | None:
        """Has all workers ready and the engine at work; an exit code if that cannot be."""
        while True:
            try:
                if self._files is None:
                    await self._start_all()
                    return None
                if await unless(self._start_all(), self._files.changes()):
                    return None
            except StartFailed as failure:
                logger.error("%s", failure)
                return failure.code
            except WorkerFailed as failure:
                self._pool.stopping = True
                self._pool.kill_all()
                if self._stop.is_set():
                    return None
                report(failure)
                if self._files is None:
                    logger.error("Application startup failed. Exiting.")
                    return failure.code
                logger.error("Application startup failed. Waiting for a change of the files.")
                await self._files.changes()
            await self._forget()

    async def _forget(self) -> None:
        """Leaves nothing of a start that has failed."""
        self._pool.stopping = True
        self._pool.kill_all()
        await self._pool.gone()
        self._pool.stopping = self._stop.is_set()
        self._tables.close()

    async def _start_all(self) -> bool:
        """True; raises WorkerFailed if a worker does not come to serve, StartFailed if the engine does not."""
        await self._pool.expect(self._keeper.count)
        children = [self._pool.spawn() for _ in range(self._keeper.count)]
        await asyncio.gather(*(self._pool.prepare(child, renew=False) for child in children))
        for child in children:
            self._pool.admit(child)
        try:
            self._tables.engine.start()
        except RuntimeError as error:
            raise StartFailed(str(error)) from None
        await self._offer_status()
        return True

    async def _offer_status(self) -> None:
        """Listens for `covet status`. Raises StartFailed if that cannot be where the user wants it."""
        path = self._options.serve.control_socket
        self._status = StatusServer(path or default_socket(os.getpid()), self.status)
        try:
            await self._status.start()
        except StatusError as error:
            self._status = None
            if path is not None:
                raise StartFailed(str(error)) from None
            logger.warning("covet status will not find this server: %s", error)

    def _begin(self) -> list["asyncio.Task[None]"]:
        """Starts what goes on while the server serves."""
        self._serving = True
        engine = self._tables.engine
        self._blocked = BlockedWatch(self._pool, self._options.serve.timeout_worker_healthcheck)
        handlers: dict[str, Handler] = {
            "blocked": self._blocked.blocked,
            "unblocked": self._blocked.unblocked,
            "failed": self._on_failure,
        }
        self._pool.on_change = self._keeper.look
        self._pool.on_death = self._keeper.died
        self._keeper.look()
        work = [self._keeper.run(), self._restarts()]
        if self._files is not None:
            work.append(self._reloads(self._files))
        if self._options.recycles:
            work.append(Recycler(self._options.serve, engine, self._pool, self._rolling).run())
        if self._options.autoscale:
            self._autoscale = Autoscale(self._options, engine, self._keeper)
            handlers["queued"] = self._autoscale.queued
            work.append(self._autoscale.run())
        self._events = Events(engine, handlers)
        self._events.start()
        # Last: whoever reads it may send a signal at once.
        where = describe_all(self._options.serve.binds, engine.address)
        logger.info("Covet running on %s (Press CTRL+C to quit)", where)
        return [self._background(one) for one in work]

    # ---- restarts -----------------------------------------------------------------------

    async def _restarts(self) -> None:
        while True:
            await self._restart.wait()
            self._restart.clear()
            # What is asked for now comes before what still starts: that may hang.
            done = await unless(self._rolling.restart(self._keeper.count), self._restart.wait())
            if done:
                self._keeper.backoff.reset()

    async def _reloads(self, files: FileWatch) -> None:
        while True:
            changed = await files.changes()
            logger.warning("WatchFiles detected changes in %s. Reloading...", ", ".join(changed))
            self._restart.set()

    # ---- the end --------------------------------------------------------------------------

    async def _finish(self, background: list["asyncio.Task[None]"]) -> None:
        """Lets requests and the workers' shutdown finish within their limits, unless a second signal comes."""
        self._pool.stopping = True
        for task in background:
            task.cancel()
        if self._serving:
            logger.info("Shutting down")
            self._events.stop()
            self._blocked.stop()
            ending, forced = asyncio.ensure_future(self._drain()), asyncio.ensure_future(self._force.wait())
            await asyncio.wait({ending, forced}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            forced.cancel()
        self._pool.kill_all()
        await self._pool.gone()
        if self._serving:
            await asyncio.sleep(POLL_SECONDS)  # the engine sends what the workers still answered
            if not self._tables.engine.stop(STOP_SECONDS):
                logger.error("The engine did not stop within %g seconds", STOP_SECONDS)

    async def _drain(self) -> None:
        engine, loop = self._tables.engine, asyncio.get_running_loop()
        engine.drain()
        begin = loop.time()
        deadline = begin + self._options.serve.timeout_graceful_shutdown
        told = False
        while self._pool.children and engine.status()["connections"] and not self._failed:
            if loop.time() >= deadline:
                logger.error("Timeout of the graceful shutdown exceeded, closing what is left")
                break
            if not told and loop.time() > begin + PATIENCE_SECONDS:
                logger.info("Waiting for connections to close. (CTRL+C to force quit)")
                told = True
            await asyncio.sleep(POLL_SECONDS)
        for child in self._pool.children:
            self._pool.dismiss(child)
        # Nobody gets the answers of an engine that has failed.
        left = 0.0 if self._failed else max(0.0, deadline - loop.time())
        await asyncio.gather(*(self._pool.end(child, left) for child in self._pool.children))

    # ---- signals ------------------------------------------------------------------------------

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_stop)
        loop.add_signal_handler(signal.SIGTERM, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        loop.add_signal_handler(signal.SIGTTIN, self._on_step, 1)
        loop.add_signal_handler(signal.SIGTTOU, self._on_step, -1)

    def _on_failure(self, event: Mapping[str, Any]) -> None:
        logger.critical("The engine has failed: %s", event["reason"])
        self._failed = self._pool.lost = True
        self._begin_stop()

    def _begin_stop(self) -> None:
        self._stopped_at = asyncio.get_running_loop().time()
        self._pool.stopping = True
        self._stop.set()

    def _on_stop(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._stop.is_set():
            self._begin_stop()
        elif now - self._stopped_at > ECHO_SECONDS:
            self._force.set()

    def _on_hangup(self) -> None:
        if self._serving:
            logger.info("Received SIGHUP, restarting processes.")
            self._restart.set()

    def _on_step(self, step: int) -> None:
        name, action = ("SIGTTIN", "incrementing") if step > 0 else ("SIGTTOU", "decrementing")
        logger.info("Received %s, %s number of processes.", name, action)
        before = self.workers
        self.set_workers(before + step)
        if self.workers == before:
            logger.info("The number of processes stays %d.", before)


async def unless(work: Coroutine[Any, Any, Result], other: Coroutine[Any, Any, object]) -> Result | None:
    """The result of some work, or None if something else is done before; then the work is cancelled."""
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(other)
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        waiting.cancel()
        working.cancel()
        await asyncio.wait({working, waiting})


def _tell_error(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("The supervisor has failed in %s", task.get_name(), exc_info=error)
