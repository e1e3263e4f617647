"""Server-sent events (WHATWG HTML, section 9.2), in FastAPI's shapes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from covet.background import BackgroundTask
from covet.core import Exchange
from covet.encoders import spaced_json
from covet.exceptions import ClientDisconnect
from covet.requests import Request
from covet.responses import Message, Send
from covet.streaming import Items, StreamingResponse

PING_SECONDS = 15.0
KEEPALIVE_COMMENT = b": ping\n\n"
EVENT_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")


class ServerSentEvent:
    """One event.

    Args:
        data: what is sent as JSON, text in quotation marks too; None is no data.
        raw_data: text that is sent as it is; not with `data`.
        event: the event's type; one line.
        id: what a client that connects again says it has seen last; one line.
        retry: milliseconds that a client waits before it connects again.
        comment: lines that clients pass over.

    Raises:
        ValueError: one of them cannot be sent.
    """

    __slots__ = ("comment", "data", "event", "id", "raw_data", "retry")

    def __init__(
        self,
        *,
        data: Any = None,
        raw_data: str | None = None,
        event: str | None = None,
        id: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> None:
        if data is not None and raw_data is not None:
            raise ValueError(
                "Cannot set both 'data' and 'raw_data' on the same ServerSentEvent. Use 'data' for JSON-serialized "
                "payloads or 'raw_data' for pre-formatted strings."
            )
        for name, value in (("raw_data", raw_data), ("event", event), ("id", id), ("comment", comment)):
            if value is not None and not isinstance(value, str):
                raise ValueError(f"the {name} of an event must be text, not {value!r}")
        for name, value in (("event", event), ("id", id)):
            if value is not None and ("\r" in value or "\n" in value):
                raise ValueError(f"SSE '{name}' must be a single line")
        if id is not None and "\0" in id:
            raise ValueError("SSE 'id' must not contain null characters")
        if retry is not None and (type(retry) is not int or retry < 0):
            raise ValueError(f"the retry of an event must be a whole number of milliseconds, not {retry!r}")
        self.data, self.raw_data = data, raw_data
        self.event, self.id, self.retry, self.comment = event, id, retry, comment

    def encode(self) -> bytes:
        """The event as it is sent."""
        data = self.raw_data
        if data is None and self.data is not None:
            dump = getattr(self.data, "model_dump_json", None)
            data = spaced_json(self.data).decode() if dump is None else dump()
        return format_sse_event(data_str=data, event=self.event, id=self.id, retry=self.retry, comment=self.comment)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServerSentEvent):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        given = [f"{name}={value!r}" for name in self.__slots__ if (value := getattr(self, name)) is not None]
        return f"ServerSentEvent({', '.join(given)})"


def format_sse_event(
    *,
    data_str: str | None = None,
    event: str | None = None,
    id: str | None = None,
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """An event as it is sent, with the empty line at its end.

    Args:
        data_str: the data; it may have several lines.
        event: the event's type.
        id: the event's id.
        retry: milliseconds.
        comment: text that clients pass over; it may have several lines.
    """
    lines = [] if comment is None else [f": {line}" for line in _lines(comment)]
    if event is not None:
        lines.append(f"event: {event}")
    if data_str is not None:
        lines.extend(f"data: {line}" for line in _lines(data_str))
    if id is not None:
        lines.append(f"id: {id}")
    if retry is not None:
        lines.append(f"retry: {retry}")
    return "\n".join([*lines, "", ""]).encode()


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def event_encoder(encode_item: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """What makes an event of anything a handler yields: `encode_item` gives the data of what is no event."""

    def encoded(item: Any) -> bytes:
        if isinstance(item, ServerSentEvent):
            return item.encode()
        data = encode_item(item)
        if b"\n" in data or b"\r" in data:
            return format_sse_event(data_str=data.decode())
        return b"data: " + data + b"\n\n"

    return encoded


_encode_event = event_encoder(spaced_json)


def last_event_id(request: Request) -> str | None:
    """The id of the last event that a client has seen before it connected again, if it says so."""
    value = request.headers.get("last-event-id")
    return None if value is None else value.encode("latin-1").decode("utf-8", "replace")


class EventSourceResponse(StreamingResponse):
    """A stream of events. While none comes, a comment keeps the connection from being taken for dead.

    As a route's `response_class`, it has each item that the handler yields sent as an event.

    Args:
        content: events: `ServerSentEvent`; text or bytes, sent as they are; anything else is sent as JSON data.
        status_code: from 200 to 599.
        headers: header fields; Cache-Control and X-Accel-Buffering are added so that no proxy keeps events back.
        media_type: the Content-Type, if another one is wanted.
        background: what is done after the response has been sent, or the client has gone.
        ping: seconds without an event after which a comment is sent; None sends none.
    """

    media_type = "text/event-stream"
    answer = StreamingResponse.answer

    def __init__(
        self,
        content: Items,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
        *,
        ping: float | None = PING_SECONDS,
    ) -> None:
        super().__init__(content, status_code, headers, media_type, background)
        self.headers.setdefault("cache-control", "no-cache")
        self.headers.setdefault("x-accel-buffering", "no")
        self._pulse = Pulse(ping)

    def _bytes(self, chunk: Any) -> memoryview:
        if isinstance(chunk, (str, bytes, bytearray, memoryview)):
            return super()._bytes(chunk)
        return memoryview(_encode_event(chunk))

    async def _send_chunks(self, x: Exchange) -> None:
        def ping() -> None:
            if not x.done and not x.cancelled:
                x.send(KEEPALIVE_COMMENT)  # without room for it, the client has enough to read

        self._pulse.start(ping)
        try:
            await super()._send_chunks(x)
        finally:
            self._pulse.stop()

    async def _send_chunk(self, x: Exchange, data: memoryview) -> bool:
        self._pulse.sending()
        going_on = await super()._send_chunk(x, data)
        self._pulse.sent(data)
        return going_on

    async def stream_response(self, send: Send) -> None:
        """Sends the messages of the response, and comments between them."""
        await Pinged(self._pulse, send).run(super().stream_response)


class Pulse:
    """Calls a function when nothing has been sent for a time; never within an event.

    Args:
        seconds: the time; None never calls it.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._tail = b""
        self._between = True

    def start(self, ping: Callable[[], None]) -> None:
        """Begins to call `ping`."""
        self._ping = ping
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        # One timer for the whole stream: events only move the time of the next call.
        self._timer = None if self._seconds is None else self._loop.call_later(self._seconds, self._due)

    def stop(self) -> None:
        """Calls it no more."""
        if self._timer is not None:
            self._timer.cancel()

    def sending(self) -> None:
        """A chunk is being sent."""
        self._between = False

    def sent(self, chunk: bytes | memoryview) -> None:
        """A chunk was sent."""
        self._last = self._loop.time()
        self._tail = (self._tail + bytes(chunk[-4:]))[-4:]
        self._between = self._tail.endswith(EVENT_ENDS)

    def _due(self) -> None:
        assert self._seconds is not None
        if self._between and self._loop.time() >= self._last + self._seconds:
            self._last = self._loop.time()
            self._ping()
        wait = self._last + self._seconds - self._loop.time()
        self._timer = self._loop.call_later(wait if wait > 0 else self._seconds, self._due)


class Pinged:
    """Sends a stream's messages to an ASGI server, and comments between them.

    Args:
        pulse: says when.
        send: the server's.
    """

    def __init__(self, pulse: Pulse, send: Send) -> None:
        self._pulse = pulse
        self._send = send
        self._lock = asyncio.Lock()
        self._pinging: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def run(self, stream: Callable[[Send], Any]) -> None:
        """Runs `stream(send)`. Raises what the server's send raises, for a comment too."""
        self._task = asyncio.current_task()
        self._pulse.start(self._ping)
        try:
            await stream(self._send_chunk)
        except asyncio.CancelledError:
            if self._error is None:
                raise
            assert self._task is not None
            self._task.uncancel()
            raise ClientDisconnect("the client has disconnected") from self._error
        finally:
            self._pulse.stop()
            if self._pinging is not None:
                self._pinging.cancel()

    async def _send_chunk(self, message: Message) -> None:
        async with self._lock:
            self._pulse.sending()
            await self._send(message)
            self._pulse.sent(message.get("body", EVENT_ENDS[0]))

    def _ping(self) -> None:
        if self._pinging is None or self._pinging.done():
            self._pinging = asyncio.ensure_future(self._send_ping())

    async def _send_ping(self) -> None:
        async with self._lock:
            try:
                await self._send({"type": "http.response.body", "body": KEEPALIVE_COMMENT, "more_body": True})
            except Exception as error:
                self._error = error
                assert self._task is not None
                self._task.cancel()
