"""The workers: their places, how they come and how they go."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from covet import shared
from covet.control import Setup
from covet.supervisor.child import Child, State, describe_end
from covet.supervisor.errors import WorkerFailed
from covet.supervisor.options import SupervisorOptions
from covet.supervisor.process import Nursery
from covet.supervisor.tables import Tables

logger = logging.getLogger("covet.error")

POLL_SECONDS = 0.02
# A worker cancels its handlers when its limit is over, and waits a second for them.
CANCEL_GRACE_SECONDS = 2.0
SHUTDOWN_LEAST_SECONDS = 2.0
# A signal to the whole group may reach a worker before this process, where it means that nobody is to be replaced.
GROUP_SECONDS = 0.25
# What ServeOptions has for the workers.
WORKER_OPTIONS = ("interface", "lifespan", "loop", "root_path", "threads")


class Pool:
    """Starts workers, gives them places, and takes the places back.

    Args:
        options: how the server is to run.
        tables: the engine and its routes.
        places: how many places the channel has.

    Attributes:
        children: the workers whose processes live.
        stopping: the whole server stops.
        lost: the engine has failed, and knows of no request any more.
        on_change: called when a worker has come or gone.
        on_death: called with a worker that ended without having been told to.
    """

    def __init__(self, options: SupervisorOptions, tables: Tables, places: int) -> None:
        self._options = options
        self._tables = tables
        self._free = set(range(places))
        self._setup = setup_of(options)
        self._nursery = Nursery(modules_of(options))
        self._cpus = sorted(os.sched_getaffinity(0)) if options.serve.pin_workers else []
        self._retiring: set[asyncio.Future[None]] = set()
        self._place_freed = asyncio.Event()
        self._figures = os.fdopen(shared.create(), "rb", buffering=0)
        self.children: list[Child] = []
        self.stopping = False
        self.lost = False
        self.on_change: Callable[[], None] = lambda: None
        self.on_death: Callable[[Child], None] = lambda child: None

    @property
    def wanted(self) -> list[Child]:
        """The workers that serve or come to serve."""
        return [child for child in self.children if child.state is not State.LEAVING]

    @property
    def serving(self) -> list[Child]:
        """The workers that are given requests."""
        return [child for child in self.children if child.state is State.SERVING]

    # ---- coming -------------------------------------------------------------------

    async def room(self) -> None:
        """Waits until a place is free: workers that leave keep theirs to their end."""
        while not self._free:
            self._place_freed.clear()
            await self._place_freed.wait()

    async def expect(self, count: int) -> None:
        """Prepares for so many calls of `spawn`: their processes will share memory."""
        if count > 1:
            await self._nursery.fill(count)

    async def expect_none(self) -> None:
        """Ends the processes that `expect` has prepared and `spawn` has not taken."""
        await self._nursery.clear()

    def spawn(self) -> Child:
        """Starts a process for a free place. Raises WorkerFailed if there is no place or no process."""
        if not self._free:
            raise WorkerFailed("no place is free for another worker")
        place = min(self._free)
        self._free.remove(place)
        try:
            child = Child(place, self._setup, self._choose_cpu(), self._nursery.take())
        except OSError as error:
            self._free.add(place)
            raise WorkerFailed(f"a worker process cannot be started: {error}") from None
        if (limit := self._options.serve.limit_max_requests) is not None:
            child.request_limit = limit + _at_random(self._options.serve.limit_max_requests_jitter)
        child.on_leaving = self._on_leaving
        child.ended.add_done_callback(lambda ended: self._on_end(child, ended.result()))
        self.children.append(child)
        return child

    async def prepare(self, child: Child, *, renew: bool) -> None:
        """Waits until a worker is ready to be admitted.

        Args:
            child: the worker.
            renew: its routes may be new ones.

        Raises:
            WorkerFailed: it cannot serve; it has been killed.
            StartFailed: it is the first one, and the engine cannot be made.
        """
        try:
            hello = await child.hello
            child.table = self._tables.number_of(hello.config, renew=renew)
            child.attach([*self._tables.engine.channel(child.place), self._figures.fileno()])
            try:
                async with asyncio.timeout(self._options.timeout_worker_startup):
                    await child.ready
            except TimeoutError:
                seconds = self._options.timeout_worker_startup
                raise WorkerFailed(f"{child.name}: its start-up takes longer than {seconds:g} s") from None
        except BaseException:
            self.dismiss(child)
            raise

    def admit(self, child: Child) -> None:
        """Lets the engine give requests to a worker that is ready. Raises WorkerFailed."""
        if child.state is not State.READY or not child.alive:
            raise WorkerFailed(f"{child.name} ended before it could serve")
        try:
            self._tables.engine.admit(child.place, child.table)
        except RuntimeError as error:
            self.dismiss(child)
            raise WorkerFailed(str(error)) from None
        self._tables.current = child.table
        child.state = State.SERVING
        self.on_change()

    # ---- going --------------------------------------------------------------------

    def let_go(self, child: Child) -> None:
        """Retires a worker: it is given nothing more, finishes what it has begun, and ends, by force if need be."""
        if child.state is not State.SERVING:
            self.dismiss(child)
            return
        child.state = State.LEAVING
        with suppress(RuntimeError):  # it has just died
            self._tables.engine.retire(child.place)
        self.on_change()
        task = asyncio.ensure_future(self._see_off(child))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _see_off(self, child: Child) -> None:
        """Waits until a retired worker has begun what nobody else can take, and ends it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.serve.timeout_graceful_shutdown
        while self._waiting(child) and loop.time() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        await self.end(child, max(0.0, deadline - loop.time()))

    def _waiting(self, child: Child) -> int:
        """Requests that it has not begun and that no other worker can take."""
        if not child.alive:
            return 0
        workers: list[dict[str, Any]] = self._tables.engine.status()["workers"]
        return next((worker["waiting"] for worker in workers if worker["place"] == child.place), 0)

    async def end(self, child: Child, limit: float) -> None:
        """Tells a worker to end; kills it if its requests take longer than `limit`, or its shutdown too long."""
        child.drain(limit)
        shutdown = max(SHUTDOWN_LEAST_SECONDS, self._options.serve.timeout_graceful_shutdown)
        for reached, seconds in ((child.closed.wait(), limit + CANCEL_GRACE_SECONDS), (child.ended, shutdown)):
            try:
                await asyncio.wait_for(asyncio.shield(reached), seconds)
            except TimeoutError:
                logger.error("Child process [%d] does not end, killing it", child.pid)
                child.kill()
                break
        await asyncio.shield(child.ended)

    def dismiss(self, child: Child) -> None:
        """Ends a worker that serves nobody yet."""
        if child.state in (State.STARTING, State.READY):
            child.state = State.LEAVING
            child.kill()

    def kill_all(self) -> None:
        """Ends every worker at once."""
        for child in self.children:
            child.kill()

    async def gone(self) -> None:
        """Waits until no worker is left."""
        await self._nursery.clear()
        while self.children:
            await asyncio.wait([child.ended for child in self.children])
            await asyncio.sleep(0)  # their places are given back

    def _on_leaving(self, child: Child) -> None:
        asyncio.get_running_loop().call_later(GROUP_SECONDS, self._leave, child)

    def _leave(self, child: Child) -> None:
        if child in self.serving and not self.stopping:
            logger.info("Child process [%d] was told to terminate", child.pid)
            self.let_go(child)

    def _on_end(self, child: Child, code: int) -> None:
        self.children.remove(child)
        if child.attached and not self.lost:
            self._reclaim(child)
        self._free.add(child.place)
        self._place_freed.set()
        if child.state in (State.READY, State.SERVING) and not self.stopping:
            logger.error("Child process [%d] died: it %s", child.pid, describe_end(code))
            self.on_death(child)
        self.on_change()

    def _reclaim(self, child: Child) -> None:
        """Has the engine find what the worker held."""
        try:
            became = self._tables.engine.reclaim(child.place)
        except RuntimeError as error:
            logger.error("The requests of child process [%d] cannot be found: %s", child.pid, error)
            return
        if failed := became["failed"]:
            logger.error("%d request(s) failed with child process [%d]", failed, child.pid)

    def _choose_cpu(self) -> int | None:
        """The CPU that the fewest workers run on."""
        if not self._cpus:
            return None
        taken = [child.cpu for child in self.children if child.state is not State.LEAVING]
        return min(self._cpus, key=taken.count)


def _at_random(most: int) -> int:
    import random  # takes memory, and is rarely needed

    return random.randint(0, most)


FOR_VALIDATION = (
    "covet.endpoint",
    "covet.fastpath",
    "pydantic.type_adapter",
    "pydantic.main",
    "pydantic.fields",
    "pydantic.plugin._loader",
)
"""What nearly every application needs that has more than a few parameters."""


def modules_of(options: SupervisorOptions) -> list[str]:
    """What workers will load before the application, as far as the options tell."""
    modules = ["uvloop"] if options.serve.loop != "asyncio" else []
    if options.serve.interface in ("auto", "covet"):
        modules += ["covet.app", "covet.interfaces.native", *FOR_VALIDATION]
    return modules


def setup_of(options: SupervisorOptions) -> Setup:
    """What every worker is told first."""
    path = list(sys.path)
    if options.serve.app_dir is not None:
        path.insert(0, os.path.abspath(options.serve.app_dir))
    return Setup(
        app=options.app,
        path=path,
        log={
            "level": options.serve.log_level,
            "use_colors": options.serve.use_colors,
            "config": options.serve.log_config,
        },
        factory=options.serve.factory,
        serve={name: getattr(options.serve, name) for name in WORKER_OPTIONS},
        settings=dict(options.settings),
    )
