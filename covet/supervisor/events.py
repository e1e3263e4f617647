"""Hands the engine's events to those who want to know of them."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from covet.supervisor.tables import Engine

Handler = Callable[[dict[str, Any]], None]


class Events:
    """Listens to the engine on the running event loop.

    Args:
        engine: the engine.
        handlers: what is called with an event, by the event's name.
    """

    def __init__(self, engine: Engine, handlers: Mapping[str, Handler]) -> None:
        self._engine = engine
        self._handlers = handlers

    def start(self) -> None:
        """Begins to listen."""
        asyncio.get_running_loop().add_reader(self._engine.event_fd(), self._read)

    def stop(self) -> None:
        """Listens no more."""
        asyncio.get_running_loop().remove_reader(self._engine.event_fd())

    def _read(self) -> None:
        for event in self._engine.events():
            if (handler := self._handlers.get(event["event"])) is not None:
                handler(event)
