"""Responses whose body is made while it is sent."""

import asyncio
import logging
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any

from covet.background import BackgroundTask, run_after
from covet.concurrency import run_in_threadpool
from covet.core import Exchange
from covet.encoders import spaced_json
from covet.exceptions import RAISED, ClientDisconnect
from covet.requests import news_of
from covet.responses import JSONResponse, Message, Receive, Response, Scope, Send, message_kind

logger = logging.getLogger("covet.error")

Chunk = str | bytes | bytearray | memoryview
Chunks = AsyncIterable[Chunk] | Iterable[Chunk]

JSON_LINES = "application/jsonl"
CHUNKS_A_TURN = 32
"""Chunks that are sent before other tasks get a turn, if there is always room and the iterator never waits."""


class StreamingResponse(Response):
    """Sends what an iterator gives, chunk by chunk.

    The next chunk is asked for when there is room for it. When the client goes
    away, the task is cancelled and the iterator closed.

    Args:
        content: an asynchronous iterable, or one that is iterated in a thread; text is sent as UTF-8.
        status_code: from 200 to 599.
        headers: header fields; a Content-Length must be the true one.
        media_type: the Content-Type; for text/* the charset is added.
        background: what is done after the response has been sent, or the client has gone.

    Attributes:
        body_iterator: what gives the chunks; it may be replaced until the response is returned.
    """

    body_iterator: AsyncIterable[Any]

    def __init__(
        self,
        content: Chunks,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        self.status_code = status_code
        if media_type is not None:
            self.media_type = media_type
        self.background = background
        self.body_iterator = iterated(content)
        self.init_headers(headers)

    # ---- to the engine ----------------------------------------------------------

    def answer(self, x: Exchange) -> Coroutine[Any, Any, None]:
        return self._send(x)

    async def _send(self, x: Exchange) -> None:
        try:
            media, fields, length = self._head()
            x.start(self.status_code, media, fields, length)
            if x.method != "HEAD" and self.status_code not in (204, 304):
                await self._send_chunks(x)
            if not x.done:
                x.finish()
        except asyncio.CancelledError:
            if not x.started:
                raise
            gone = x.cancelled
            x.abort()
            if not gone:
                raise
        except RAISED:
            if not x.started:
                raise
            if not x.cancelled and not hasattr(x, "report"):  # over an ASGI server it is raised
                logger.exception("Exception while streaming the answer to %s %s", x.method, x.path)
            x.abort()
            return
        finally:
            await self.close()
        if self.background is not None:
            await run_after(x, self.background)

    async def _send_chunks(self, x: Exchange) -> None:
        task = asyncio.current_task()
        assert task is not None
        x.on_cancel(task.cancel)
        count = 0
        try:
            async for chunk in self.body_iterator:
                if not await self._send_chunk(x, self._bytes(chunk)):
                    return
                count += 1
                if count % CHUNKS_A_TURN == 0:
                    await asyncio.sleep(0)
        finally:
            if not x.done:
                x.on_cancel(None)

    async def _send_chunk(self, x: Exchange, data: memoryview) -> bool:
        """Sends a chunk as room comes; whether there is still somebody to send to."""
        while data:
            if x.cancelled:
                x.abort()
                return False
            taken = x.send(data)
            data = data[taken:]
            if not taken:
                await news_of(x)
        return True

    def _bytes(self, chunk: Any) -> memoryview:
        return memoryview(chunk.encode(self.charset) if isinstance(chunk, str) else chunk).cast("B")

    async def close(self) -> None:
        """Closes the iterator."""
        close = getattr(self.body_iterator, "aclose", None)
        if close is not None:
            await close()

    # ---- to an ASGI server ------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response to an ASGI server, then does the background work.

        Raises:
            ClientDisconnect: the client has gone.
        """
        try:
            version = str(scope.get("asgi", {}).get("spec_version", "2.0")).split(".")
            kind = message_kind(scope)
            stream = self.stream_response(renamed(send, kind) if scope["type"] == "websocket" else send)
            if scope["type"] == "websocket" or tuple(map(int, version)) >= (2, 4):
                try:
                    await stream
                except OSError as error:
                    raise ClientDisconnect("the client has disconnected") from error
            else:
                await _until_disconnect(stream, self.listen_for_disconnect(receive))
        finally:
            await self.close()
        if self.background is not None:
            await self.background()

    async def listen_for_disconnect(self, receive: Receive) -> None:
        """Returns when the client has gone."""
        while (await receive())["type"] != "http.disconnect":
            pass

    async def stream_response(self, send: Send) -> None:
        """Sends the messages of the response."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self.body_iterator:
            body = chunk if type(chunk) is bytes else bytes(self._bytes(chunk))
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def renamed(send: Send, kind: str) -> Send:
    """A `send` for messages whose types begin with `kind` in the place of "http.response"."""

    async def send_as(message: Message) -> None:
        await send({**message, "type": message["type"].replace("http.response", kind)})

    return send_as


async def _until_disconnect(stream: Coroutine[Any, Any, None], disconnect: Coroutine[Any, Any, None]) -> None:
    """Runs `stream`; it is cancelled when `disconnect` ends first."""
    tasks = [asyncio.ensure_future(_held(stream)), asyncio.ensure_future(_held(disconnect))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        error = None if task.cancelled() else task.result()
        if error is not None:
            raise error


async def _held(work: Coroutine[Any, Any, None]) -> BaseException | None:
    """What the work raises: a task that raises SystemExit ends the event loop."""
    try:
        await work
    except RAISED as error:
        return error
    return None


# ---- iterators ------------------------------------------------------------------


def iterated(content: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterable[Any]:
    """An asynchronous iterable of a body's chunks: what is no such is iterated in a thread."""
    if isinstance(content, AsyncIterable):
        return content
    if isinstance(content, (str, bytes, bytearray, memoryview)):
        return _at_hand((content,))
    if isinstance(content, (list, tuple)):
        return _at_hand(content)
    return InThread(iter(content))


async def _at_hand(content: Iterable[Any]) -> AsyncIterator[Any]:
    for chunk in content:
        yield chunk


_END = object()


class InThread:
    """Iterates in the thread pool, so that the iterator may block.

    Args:
        iterator: closed, if it can be, by `aclose`.
    """

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        # A cancelled call goes on in its thread; the iterator cannot be closed before it returns.
        self._lock = threading.Lock()

    def __aiter__(self) -> "InThread":
        return self

    async def __anext__(self) -> Any:
        item = await run_in_threadpool(self._step)
        if item is _END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Closes the iterator as soon as it has given what it was asked for."""
        if hasattr(self._iterator, "close"):
            await run_in_threadpool(self._close)

    def _step(self) -> Any:
        with self._lock:
            return next(self._iterator, _END)

    def _close(self) -> None:
        with self._lock:
            self._iterator.close()  # type: ignore[attr-defined]


# ---- handlers that yield ----------------------------------------------------------

Items = AsyncIterable[Any] | Iterable[Any]
EncodeItem = Callable[[Any], bytes]


def stream_of(
    items: Items,
    response_class: type[Response] | None = None,
    encode_item: EncodeItem | None = None,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    background: BackgroundTask | None = None,
) -> Response:
    """The response to a request whose handler yields.

    Args:
        items: the handler's generator, asynchronous or not.
        response_class: what the route names: EventSourceResponse sends each item as an event, None and
            JSONResponse as a line of JSON, any other class gets the items as its content.
        encode_item: makes JSON of an item that is no ServerSentEvent; it may raise.
        status_code: from 200 to 599.
        headers: header fields.
        background: what is done after the response has been sent.
    """
    if response_class is None or issubclass(response_class, JSONResponse):
        encode = encode_item or spaced_json

        def line(item: Any) -> bytes:
            return encode(item) + b"\n"

        return StreamingResponse(each(items, line), status_code, headers, JSON_LINES, background)
    if issubclass(response_class, StreamingResponse):
        from covet.sse import EventSourceResponse, event_encoder

        if issubclass(response_class, EventSourceResponse):
            items = each(items, event_encoder(encode_item or spaced_json))
    return response_class(items, status_code, headers, background=background)


def each(items: Items, function: Callable[[Any], Any]) -> Items:
    """What a function makes of each item, asynchronous if the items are; closing it closes them."""
    return _each_async(items, function) if isinstance(items, AsyncIterable) else _each(items, function)


async def _each_async(items: AsyncIterable[Any], function: Callable[[Any], Any]) -> AsyncIterator[Any]:
    try:
        async for item in items:
            yield function(item)
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()


def _each(items: Iterable[Any], function: Callable[[Any], Any]) -> Iterator[Any]:
    try:
        for item in items:
            yield function(item)
    finally:
        if isinstance(items, Generator):
            items.close()
