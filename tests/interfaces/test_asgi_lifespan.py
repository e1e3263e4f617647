"""The lifespan of ASGI applications: start-up, shutdown, state, and applications that have none."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from covet.config import ServeOptions
from covet.server import Server, StartFailed

from .support import run, serving


async def answer(send: Any, data: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": data})


async def startup(receive: Any, send: Any) -> None:
    assert await receive() == {"type": "lifespan.startup"}
    await send({"type": "lifespan.startup.complete"})


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_start_up_shutdown_and_state(mode: str) -> None:
    events: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
            scope["state"]["shared"] = events
            await startup(receive, send)
            events.append("up")
            assert await receive() == {"type": "lifespan.shutdown"}
            events.append("down")
            await send({"type": "lifespan.shutdown.complete"})
            return
        state = scope["state"]
        state["shared"].append(f"request {sorted(state)}")
        state["own"] = 1
        await answer(send)

    async def main() -> None:
        async with serving(app, lifespan=mode) as client:
            await client.http.get("/")
            await client.http.get("/")
        assert events == ["up", "request ['shared']", "request ['shared']", "down"]

    run(main)


def test_off_means_that_the_application_is_not_asked() -> None:
    kinds: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        kinds.append(scope["type"])
        await answer(send)

    async def main() -> None:
        async with serving(app, lifespan="off") as client:
            await client.http.get("/")
        assert kinds == ["http"]

    run(main)


async def only_http(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await answer(send, b"served")


async def returns_at_once(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await answer(send, b"served")


async def answers_everything(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await answer(send, b"served")


@pytest.mark.parametrize("app", [only_http, returns_at_once, answers_everything])
def test_applications_without_a_lifespan(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(app, lifespan="auto") as client:
            assert (await client.http.get("/")).text == "served"
        with pytest.raises(StartFailed):
            await Server(app, ServeOptions(port=0, lifespan="on")).serve()

    caplog.set_level(logging.INFO, "covet.error")
    run(main)
    texts = [record.getMessage() for record in caplog.records]
    assert texts.count("The ASGI application does not take part in the lifespan protocol.") == 2
    assert "Application startup failed. Exiting." in texts


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_start_up_that_fails(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise OSError("no database")

    async def main() -> None:
        with pytest.raises(StartFailed):
            await Server(app, ServeOptions(port=0, lifespan=mode)).serve()

    run(main)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "no database",
        "Application startup failed. Exiting.",
    ]


@pytest.mark.parametrize(
    ("way", "logged"),
    [("failed", "cannot say goodbye"), ("raise", "Exception in the application's shutdown"), ("return", None)],
)
def test_shutdowns_that_go_wrong(way: str, logged: str | None, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await startup(receive, send)
        await receive()
        if way == "failed":
            await send({"type": "lifespan.shutdown.failed", "message": "cannot say goodbye"})
        if way == "raise":
            raise LookupError("nowhere")

    async def main() -> None:
        async with serving(app, lifespan="on"):
            pass

    run(main)
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors == ([logged, "Application shutdown failed. Exiting."] if logged else [])


def test_a_lifespan_that_ends_early_does_not_end_the_server() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await startup(receive, send)
        else:
            await answer(send, b"served")

    async def main() -> None:
        async with serving(app, lifespan="on") as client:
            await asyncio.sleep(0.01)
            assert (await client.http.get("/")).text == "served"

    run(main)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        (["lifespan.shutdown.complete"], "unexpected ASGI message 'lifespan.shutdown.complete' in the lifespan"),
        (["lifespan.startup.maybe"], "unexpected ASGI message 'lifespan.startup.maybe' in the lifespan"),
        (["lifespan.startup.complete"] * 2, "the ASGI message 'lifespan.startup.complete' was sent twice"),
    ],
)
def test_messages_in_the_wrong_order(messages: list[str], error: str) -> None:
    raised: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            for message in messages:
                await send({"type": message})
        except RuntimeError as failure:
            raised.append(str(failure))

    async def main() -> None:
        async with serving(app, lifespan="auto"):
            pass
        assert raised == [error]

    run(main)
