"""Server-sent events, as FastAPI sends them and beyond."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import fastapi
import fastapi.sse
import httpx
import pydantic
import pytest
from unit.fakes import FakeExchange, fields_of

import covet.sse
from covet import ClientDisconnect
from covet.requests import Context, EngineRequest
from covet.responses import EventSourceResponse
from covet.sse import KEEPALIVE_COMMENT, Pulse, ServerSentEvent, format_sse_event, last_event_id
from covet.streaming import stream_of

from .support import answered, call


class Item(pydantic.BaseModel):
    name: str = pydantic.Field("n", alias="theName")
    price: float | None = None


EVENTS: list[dict[str, Any]] = [
    {},
    {"data": {"a": [1, 2.5, None, "é"]}},
    {"data": "text\nlines"},
    {"data": Item()},
    {"data": [Item()]},
    {"data": 0},
    {"data": float("nan")},
    {"raw_data": "a\r\nb\rc\nd\n"},
    {"raw_data": ""},
    {"event": "kind", "id": "5", "retry": 0, "comment": "one\ntwo", "data": True},
    {"comment": "only"},
    {"id": ""},
]
BAD: list[dict[str, Any]] = [
    {"data": 1, "raw_data": "x"},
    {"event": "a\nb"},
    {"event": "a\rb"},
    {"id": "a\nb"},
    {"id": "a\0b"},
    {"retry": -1},
    {"retry": "soon"},
    {"event": 5},
    {"raw_data": 5},
]


@pytest.mark.parametrize("event", BAD, ids=str)
@pytest.mark.parametrize("module", [covet.sse, fastapi.sse])
def test_events_that_cannot_be_sent(module: Any, event: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        module.ServerSentEvent(**event)


@pytest.mark.parametrize(
    "fields",
    [{}, {"data_str": "a\r\nb"}, {"comment": "x\n", "event": "e", "data_str": "", "id": "1", "retry": 3}],
)
def test_the_format_is_fastapis(fields: dict[str, Any]) -> None:
    assert format_sse_event(**fields) == fastapi.sse.format_sse_event(**fields)
    assert KEEPALIVE_COMMENT == fastapi.sse.KEEPALIVE_COMMENT


def items(event: type[Any]) -> list[Any]:
    return [event(**fields) for fields in EVENTS] + [Item(), {"a": {1}}, "text", None, 5]


async def gathered(generator: Callable[[], Any], response_class: Any) -> tuple[httpx.Headers, bytes]:
    """What FastAPI makes of a handler that yields."""
    app = fastapi.FastAPI()
    options = {"response_class": response_class} if response_class else {}
    app.get("/", **options)(generator)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/")
    return response.headers, response.content


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("events", [True, False])
def test_yielding_handlers_answer_as_in_fastapi(sync: bool, events: bool) -> None:
    def plain(event: type[Any]) -> Iterator[Any]:
        yield from items(event) if events else items(event)[len(EVENTS) :]

    async def asynchronous(event: type[Any]) -> AsyncIterator[Any]:
        for item in plain(event):
            yield item

    if sync:

        def handler() -> Any:
            yield from plain(fastapi.sse.ServerSentEvent)
    else:

        async def handler() -> Any:
            async for item in asynchronous(fastapi.sse.ServerSentEvent):
                yield item

    theirs = asyncio.run(gathered(handler, fastapi.sse.EventSourceResponse if events else None))
    generator = (plain if sync else asynchronous)(ServerSentEvent)
    ours = answered(stream_of(generator, EventSourceResponse if events else None))
    assert ours.sent == theirs[1]
    fields = {name.decode(): value.decode() for name, value in fields_of(ours)}
    if events:
        assert ours.media == 5  # text/event-stream; charset=utf-8
        fields["content-type"] = "text/event-stream; charset=utf-8"
    assert fields == dict(theirs[0])


def test_events_compare_and_show_themselves() -> None:
    event = ServerSentEvent(data=1, id="2")
    assert event == ServerSentEvent(data=1, id="2") != ServerSentEvent(data=1)
    assert event != 1
    assert repr(event) == "ServerSentEvent(data=1, id='2')"


def test_a_response_of_events_text_and_data() -> None:
    response = EventSourceResponse([ServerSentEvent(data=1), "data: raw\n\n", b": c\n\n", {"a": 1}], 201, {"X-A": "b"})
    x = answered(response)
    assert (x.status, x.sent) == (201, b'data: 1\n\ndata: raw\n\n: c\n\ndata: {"a": 1}\n\n')
    own = EventSourceResponse([], headers={"Cache-Control": "no-store"}, media_type="text/x")
    assert own.headers["cache-control"] == "no-store"


def test_json_of_several_lines() -> None:
    assert answered(stream_of(iter([1]), EventSourceResponse, lambda item: b"[\n1]")).sent == b"data: [\ndata: 1]\n\n"


@pytest.mark.parametrize(("sent", "read"), [(b"5", "5"), ("é".encode(), "é"), (b"\xff", "\ufffd"), (None, None)])
def test_the_last_event_id(sent: bytes | None, read: str | None) -> None:
    fields = () if sent is None else ((b"last-event-id", sent),)
    x: Any = FakeExchange(headers=fields)
    assert last_event_id(EngineRequest(x, Context(None, {}, {}))) == read  # type: ignore[arg-type]


# ---- pings ------------------------------------------------------------------------


class Clock:
    """An event loop's clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Any) -> Any:
        entry = (self.now + seconds, callback)
        self.due.append(entry)
        return type("Handle", (), {"cancel": lambda handle: self.due.remove(entry)})()

    def move(self, seconds: float) -> None:
        end = self.now + seconds
        while self.due and min(self.due, key=lambda entry: entry[0])[0] <= end:
            entry = min(self.due, key=lambda entry: entry[0])
            self.due.remove(entry)
            self.now = max(self.now, entry[0])
            entry[1]()
        self.now = end


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(covet.sse.asyncio, "get_running_loop", lambda: clock)
    return clock


def test_pings_are_counted_from_the_last_event(clock: Clock) -> None:
    pings: list[float] = []
    pulse = Pulse(15)
    pulse.start(lambda: pings.append(clock.now))
    clock.move(14)
    pulse.sent(b"data: 1\n\n")
    clock.move(14)
    assert pings == []
    clock.move(16.5)
    assert pings == [129.0, 144.0]
    assert len(clock.due) == 1  # one timer, however many events there were
    pulse.stop()
    clock.move(100)
    assert (len(pings), clock.due) == (2, [])


@pytest.mark.parametrize("chunk", [b"data: half", b"data: 1\n", b"data: 1\r\n"])
def test_no_ping_within_an_event(clock: Clock, chunk: bytes) -> None:
    pings: list[float] = []
    pulse = Pulse(15)
    pulse.start(lambda: pings.append(clock.now))
    pulse.sent(chunk)
    clock.move(100)
    assert pings == []
    pulse.sending()
    clock.move(100)
    assert pings == []
    pulse.sent(b"\n\n" if chunk == b"data: half" else b"\r\n" if chunk.endswith(b"\r\n") else b"\n")
    clock.move(100)
    assert len(pings) == 6


def test_no_pings_at_all(clock: Clock) -> None:
    pulse = Pulse(None)
    pulse.start(lambda: pytest.fail("no ping was wanted"))
    clock.move(1000)
    pulse.stop()


async def slow() -> AsyncIterator[str]:
    for _ in range(2):
        await asyncio.sleep(0.1)
        yield "data: 1\n\n"


def test_pings_over_an_asgi_server() -> None:
    messages = call(lambda: EventSourceResponse(slow(), ping=0.02))
    bodies = [message["body"] for message in messages[1:]]
    assert bodies[0] == KEEPALIVE_COMMENT and bodies.count(b"data: 1\n\n") == 2
    assert [message["more_body"] for message in messages[1:]] == [True] * (len(messages) - 2) + [False]


def test_a_ping_that_cannot_be_sent_ends_the_stream() -> None:
    closed: list[str] = []

    async def silent() -> AsyncIterator[str]:
        try:
            await asyncio.Event().wait()
            yield ""
        finally:
            closed.append("closed")

    async def send(message: Any) -> None:
        if "body" in message:
            raise OSError("gone")

    async def main() -> None:
        response = EventSourceResponse(silent(), ping=0.01)
        with pytest.raises(ClientDisconnect):
            await response({"type": "http", "asgi": {"spec_version": "2.4"}}, None, send)  # type: ignore[arg-type]
        task = asyncio.current_task()
        assert task is not None and task.cancelling() == 0

    asyncio.run(main())
    assert closed == ["closed"]
