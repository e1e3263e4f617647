"""The engine, and the routes that it was given."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from covet.binds import bind_error
from covet.options import ServeOptions
from covet.supervisor.errors import StartFailed, WorkerFailed

logger = logging.getLogger("covet.error")

# What belongs to a table; all other settings hold from the engine's start to its end.
TABLE_KEYS = frozenset({"routes", "forward_unmatched", "own_root_path", "redirect_slashes"})

REFUSED = "A worker has other routes than the first one and is refused (SIGHUP replaces all of them)"


class Engine(Protocol):
    """What the supervisor wants from `covet.engine.Engine`."""

    def channel(self, place: int) -> list[int]: ...
    def install(self, config: Mapping[str, Any]) -> int: ...
    def admit(self, place: int, table: int) -> None: ...
    def retire(self, place: int) -> None: ...
    def reclaim(self, place: int) -> dict[str, int]: ...
    def event_fd(self) -> int: ...
    def events(self) -> list[dict[str, Any]]: ...
    def start(self) -> None: ...
    def address(self, listener: int = 0) -> str | None: ...
    def drain(self) -> None: ...
    def status(self) -> dict[str, Any]: ...
    def stop(self, timeout: float) -> bool: ...
    def free(self) -> None: ...


class Tables:
    """Makes the engine for the first worker, and knows which workers fit together.

    Args:
        make: makes an engine of its configuration. Raises RuntimeError.
        serve: where to listen.
        places: how many places the channel has.

    Attributes:
        current: the number of the table that requests are matched with; 0 before there is one.
    """

    def __init__(self, make: Callable[[Mapping[str, Any]], Engine], serve: ServeOptions, places: int) -> None:
        self._make = make
        self._serve = serve
        self._places = places
        self._engine: Engine | None = None
        self._newest: Mapping[str, Any] = {}
        self._number = 0
        self.current = 0

    @property
    def made(self) -> bool:
        """Whether there is an engine."""
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        """The engine; there is one as soon as a worker has said hello."""
        if self._engine is None:
            raise RuntimeError("there is no engine before a worker has said hello")
        return self._engine

    def number_of(self, config: Mapping[str, Any], *, renew: bool) -> int:
        """The number of the table for a worker's configuration.

        Args:
            config: what the worker wants of the engine.
            renew: take its routes as a new table if they are others than those known.

        Raises:
            StartFailed: the engine cannot be made.
            WorkerFailed: the routes differ and must not, or cannot be used.
        """
        if self._engine is None:
            self._open(config)
        elif differing := [key for key in TABLE_KEYS if config.get(key) != self._newest.get(key)]:
            if not renew:
                raise WorkerFailed(describe_difference(self._newest, config, differing))
            try:
                self._number = self._engine.install({**config, **self._own()})
            except RuntimeError as error:
                raise WorkerFailed(str(error)) from None
            self._tell_unused(config)
            self._newest = config
        return self._number

    def _own(self) -> dict[str, Any]:
        return {**self._serve.engine(), "places": self._places}

    def _open(self, config: Mapping[str, Any]) -> None:
        engine = None
        try:
            engine = self._make({**config, **self._own()})
            engine.event_fd()
        except RuntimeError as error:
            raise StartFailed(bind_error(str(error), self._serve.binds)) from None
        self._engine = engine
        self._newest = config
        self._number = 1

    def _tell_unused(self, config: Mapping[str, Any]) -> None:
        changed = [k for k in {*config, *self._newest} - TABLE_KEYS if config.get(k) != self._newest.get(k)]
        if changed:
            logger.warning(
                "Changed settings take effect when the server is started anew: %s", ", ".join(sorted(changed))
            )

    def close(self) -> None:
        """Frees the engine if there is one."""
        if self._engine is not None:
            self._engine.free()
            self._engine = None


def describe_difference(known: Mapping[str, Any], other: Mapping[str, Any], differing: list[str]) -> str:
    """In one line, what is different in the routes of a worker."""
    if "routes" not in differing:
        return f"{REFUSED}: {', '.join(sorted(differing))} is another"
    ours, theirs = known.get("routes", []), other.get("routes", [])
    for number, (one, two) in enumerate(zip(ours, theirs, strict=False), 1):
        if one != two:
            return f"{REFUSED}: its route {number} is {_name(two)}; the first one's is {_name(one)}"
    return f"{REFUSED}: it has {len(theirs)} routes; the first one has {len(ours)}"


def _name(route: Mapping[str, Any]) -> str:
    text = f"{','.join(route.get('methods', ()))} {route.get('path')}"
    constant = route.get("constant")
    return text if constant is None else f"{text} with the constant {json.dumps(constant)[:60]}"
