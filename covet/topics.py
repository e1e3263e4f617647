"""Topics: messages that go to every WebSocket that has subscribed."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from covet.encoders import encode

if TYPE_CHECKING:
    from covet.core import Runner

logger = logging.getLogger("covet.error")

TEXT, BINARY = 1, 2
MOST_BEHIND = 256
"""Messages that may wait for one WebSocket of an ASGI server; one that is slower is closed."""
TRY_LATER = 1013


class Subscriber(Protocol):
    """A WebSocket of an ASGI server."""

    async def send(self, kind: int, data: Any) -> None:
        """Sends a message."""

    async def close(self, code: int, reason: str) -> None:
        """Closes the connection."""


class Subscriptions:
    """The topics of the WebSockets in this process, where another server than the engine serves them."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._members: dict[str, dict[Subscriber, None]] = {}
        self._queues: dict[Subscriber, deque[tuple[int, Any]]] = {}
        self._senders: set[asyncio.Task[None]] = set()

    def add(self, topic: str, subscriber: Subscriber) -> None:
        """Begins a subscription. Raises ValueError for an empty name."""
        if not topic:
            raise ValueError("a topic's name must not be empty")
        self._loop = asyncio.get_running_loop()
        self._members.setdefault(topic, {})[subscriber] = None

    def discard(self, topic: str, subscriber: Subscriber) -> None:
        """Ends a subscription, if there is one."""
        members = self._members.get(topic)
        if members is not None:
            members.pop(subscriber, None)
            if not members:
                del self._members[topic]

    def forget(self, subscriber: Subscriber) -> None:
        """Ends all subscriptions of a WebSocket."""
        for topic in [topic for topic, members in self._members.items() if subscriber in members]:
            self.discard(topic, subscriber)
        queue = self._queues.get(subscriber)
        if queue is not None:
            queue.clear()

    def publish(self, topic: str, kind: int, data: Any) -> None:
        """Has a message sent to all subscribers."""
        if self._members and self._loop is not None:
            in_loop(self._loop, self._publish, topic, kind, data)

    def _publish(self, topic: str, kind: int, data: Any) -> None:
        for subscriber in list(self._members.get(topic, ())):
            queue = self._queues.get(subscriber)
            if queue is None:
                queue = self._queues[subscriber] = deque()
                task = asyncio.get_running_loop().create_task(self._send(subscriber, queue))
                self._senders.add(task)
                task.add_done_callback(self._senders.discard)
            queue.append((kind, data))

    async def _send(self, subscriber: Subscriber, queue: deque[tuple[int, Any]]) -> None:
        try:
            while queue:
                if len(queue) > MOST_BEHIND:
                    await subscriber.close(TRY_LATER, "too slow for what is published")
                    return
                await subscriber.send(*queue.popleft())
        except Exception as error:
            self.forget(subscriber)
            logger.debug("A WebSocket takes nothing more that is published", exc_info=error)
        finally:
            del self._queues[subscriber]


class Topics:
    """What an application publishes to."""

    def __init__(self) -> None:
        self.local = Subscriptions()
        self._runner: Runner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, runner: "Runner") -> None:
        """Publishes through a worker's runner from now on."""
        self._runner = runner

    def serve_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """The runner takes what is published in the thread of this loop."""
        self._loop = loop

    def detach(self, runner: "Runner") -> None:
        """Does not use a runner any more, which is about to be closed."""
        if self._runner is runner:
            self._runner = None

    def publish(self, topic: str, data: Any) -> None:
        """Sends a message to every WebSocket that has subscribed to a topic; see `CovetPy.publish`."""
        if isinstance(data, str):
            kind = TEXT
        elif isinstance(data, (bytes, bytearray, memoryview)):
            kind, data = BINARY, bytes(data)
        else:
            kind, data = TEXT, encode(data).decode()
        if self._runner is not None and self._loop is not None:
            in_loop(self._loop, self._runner.publish, topic, kind, data)
        self.local.publish(topic, kind, data)


def in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., Any], *args: Any) -> None:
    """Calls something in the thread of an event loop: at once in that thread, and soon from any other."""
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if here:
        call(*args)
    else:
        loop.call_soon_threadsafe(call, *args)
