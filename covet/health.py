"""Health and readiness: what load balancers and orchestrators ask an application."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, overload

from covet.checks import check_seconds
from covet.concurrency import ThreadPool, run_in_threadpool

logger = logging.getLogger("covet.error")

P = ParamSpec("P")
T = TypeVar("T")
Check = Callable[[], Any]
Function = TypeVar("Function", bound=Check)

CHECK_SECONDS = 5.0
CHECK_THREADS = 8
"""Threads for checks that block: their own, so that they pass when all others are busy."""

OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
REASONS = {"new": "starting", "starting": "starting", "stopping": "shutting down"}


class Probe:
    """Answers one question about an application by some checks.

    Args:
        app: the application.
        waits: answer no before the application's start-up is complete, and once it is about to stop.
    """

    def __init__(self, app: "Health", *, waits: bool) -> None:
        self._app = app
        self._waits = waits
        self._checks: dict[str, tuple[Check, float]] = {}
        self._pool = ThreadPool(CHECK_THREADS)

    def add(self, check: Check, name: str | None, limit: float) -> None:
        """Adds a check. Raises TypeError, ValueError, ConfigError."""
        where = name or str(getattr(check, "__name__", type(check).__name__))
        with suppress(ValueError):  # some functions of C do not tell what they take
            parameters = inspect.signature(check).parameters.values()
            if any(each.default is each.empty and each.kind not in OPEN for each in parameters):
                raise TypeError(f"the check {where} must take no arguments")
        if where in self._checks:
            raise ValueError(f"there are two checks with the name {where}; give one of them another by name=")
        check_seconds("timeout", limit)
        self._checks[where] = (check, limit)

    async def answer(self) -> Any:
        """200 if all checks pass, else 503, and what came of each."""
        from covet.responses import JSONResponse

        reason = self._app.why_not_ready() if self._waits else None
        if reason is not None:
            content: dict[str, Any] = {"status": "unavailable", "reason": reason, "checks": {}}
        else:
            results = await asyncio.gather(*(self._run(name, *check) for name, check in self._checks.items()))
            passed = all(result["status"] == "ok" for result in results)
            checks = dict(zip(self._checks, results, strict=True))
            content = {"status": "ok" if passed else "unavailable", "checks": checks}
        return JSONResponse(content, 200 if content["status"] == "ok" else 503, {"cache-control": "no-store"})

    async def _run(self, name: str, check: Check, limit: float) -> dict[str, Any]:
        try:
            return _result(await asyncio.wait_for(self._called(check), limit))
        except TimeoutError:
            logger.error("The check %s took more than %g seconds", name, limit)
            return {"status": "unavailable", "error": f"no result within {limit:g} seconds"}
        except Exception as error:
            # Its text may name hosts and passwords, and anybody may ask.
            logger.error("The check %s failed", name, exc_info=error)
            return {"status": "unavailable", "error": type(error).__name__}

    async def _called(self, check: Check) -> Any:
        try:
            if inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(getattr(check, "__call__", None)):  # noqa: B004
                return await check()
            result = await self._pool.run(check)
            return await result if inspect.isawaitable(result) else result
        except (SystemExit, KeyboardInterrupt) as error:  # a task that raises it ends the event loop
            raise RuntimeError(f"the check raised {type(error).__name__}") from error


def _result(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {"status": "ok", **value}
    if value is None or value is True:
        return {"status": "ok"}
    if value is False:
        return {"status": "unavailable"}
    raise TypeError(f"a check returns True, False, None or a dict, not {value!r}")


class Health:
    """The part of an application that tells how it is, and runs what blocks."""

    _stage = "new"
    _probes: dict[str, Probe]

    @overload
    def health_check(self, check: Function) -> Function: ...
    @overload
    def health_check(
        self, *, name: str | None = ..., path: str = ..., timeout: float = ...
    ) -> Callable[[Function], Function]: ...
    def health_check(
        self, check: Any = None, *, name: str | None = None, path: str = "/health", timeout: float = CHECK_SECONDS
    ) -> Any:
        """Registers the decorated function as a check of whether this process works.

        GET of the path calls all of its checks at the same time, `def` functions in threads. A check passes with True
        or None, or with a dict that is shown and whose "status", if it has one, is "ok"; it fails with False, with any
        other "status", with an exception, and when it takes too long. The answer is 200, or 503 if a check fails.

        Args:
            check: the function, which takes no arguments.
            name: what the answer calls the check; the function's name if it is None.
            path: where the answer is.
            timeout: the most seconds that the check may take.

        Raises:
            TypeError: the function takes arguments.
            ValueError: there is a check of that name.
        """
        return self._checked(check, name, path, timeout, waits=False)

    @overload
    def readiness_check(self, check: Function) -> Function: ...
    @overload
    def readiness_check(
        self, *, name: str | None = ..., path: str = ..., timeout: float = ...
    ) -> Callable[[Function], Function]: ...
    def readiness_check(
        self, check: Any = None, *, name: str | None = None, path: str = "/ready", timeout: float = CHECK_SECONDS
    ) -> Any:
        """Registers the decorated function as a check of whether requests are welcome.

        As `health_check`; besides, the answer is 503 until the start-up is complete and once the server shuts down.
        """
        return self._checked(check, name, path, timeout, waits=True)

    def _checked(self, check: Any, name: str | None, path: str, timeout: float, *, waits: bool) -> Any:
        def register(function: Any) -> Any:
            probes = self.__dict__.setdefault("_probes", {})
            probe = probes.get(path) or Probe(self, waits=waits)
            probe.add(function, name, timeout)
            if path not in probes:
                probes[path] = probe
                self._add_probe(path, probe, "readiness" if waits else "health")
            return function

        return register if check is None else register(check)

    def _add_probe(self, path: str, probe: Probe, name: str) -> None:
        from covet.apiroute import APIRoute

        app: Any = self
        # Whoever asks has no credentials: dependencies of the whole application do not count.
        app._register(APIRoute(path, probe.answer, methods=["GET"], name=name, include_in_schema=False))

    async def run_in_threadpool(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a blocking function in a thread and waits for its result; see `covet.run_in_threadpool`."""
        return await run_in_threadpool(func, *args, **kwargs)

    def why_not_ready(self) -> str | None:
        """What keeps the application from being ready, apart from checks: "starting", "shutting down", or None."""
        if self._stage == "new" and not (getattr(self, "lifespan", None) or getattr(self, "startup_hooks", None)):
            return None  # there is no start-up to wait for
        return REASONS.get(self._stage)


def enter_stage(app: object, stage: str) -> None:
    """Tells an application, if it wants to know, that it is "starting", "ready" or "stopping"."""
    if isinstance(app, Health):
        app._stage = stage
