"""The engine's figures in the application, over real sockets."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx
import pytest

from covet import CovetPy, PlainTextResponse
from covet.core import Runner
from covet.figures import Figures

from .test_serving import serving


def shown(app: CovetPy) -> dict[str, Any]:
    return {
        "uptime": app.uptime,
        "connections": app.connection_count,
        "requests": app.request_count,
        "queued": app.queue_depth,
        "workers": app.worker_states,
    }


def application() -> CovetPy:
    app = CovetPy()
    app.get("/ping", constant=PlainTextResponse("pong"))

    @app.get("/figures")
    async def figures() -> dict[str, Any]:
        return shown(app)

    @app.get("/in-a-thread")
    def in_a_thread() -> dict[str, Any]:
        return shown(app)

    return app


async def told(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """What the second of two requests is told: a worker that is awake may take one before it is counted."""
    await client.get(path)
    await asyncio.sleep(0.1)  # the worker sleeps, so it is woken after the request was counted
    figures: dict[str, Any] = (await client.get(path)).json()
    return figures


NOTHING = {"uptime": 0.0, "connections": 0, "requests": 0, "queued": 0, "workers": []}


@pytest.mark.parametrize("path", ["/figures", "/in-a-thread"])
def test_while_serving_and_outside(path: str) -> None:
    app = application()
    assert shown(app) == NOTHING
    assert type(app.uptime) is float

    async def main() -> None:
        async with serving(app) as (client, server):
            for _ in range(5):
                await client.get("/ping")
            first = await told(client, path)
            assert (first["connections"], first["requests"], first["queued"]) == (1, 7, 0)
            [worker] = first["workers"]
            assert (worker["worker"], worker["pid"], worker["state"]) == (1, os.getpid(), "admitted")
            assert (worker["begun"], worker["in_flight"], worker["waiting"]) == (2, 1, 0)
            assert worker["blocked"] == 0
            assert path != "/figures" or not worker["sleeping"], "it may sleep while a thread works"
            second = await told(client, path)
            assert 0.05 < second["uptime"] - first["uptime"] < 30
            assert abs(app.uptime - server.status()["uptime"]) < 5
            assert second["requests"] == 9
            assert second["workers"][0]["finished"] == 3

    asyncio.run(main())
    assert shown(app) == NOTHING


def test_served_again_from_the_beginning() -> None:
    app = application()

    async def main() -> None:
        async with serving(app) as (client, _):
            assert (await told(client, "/figures"))["requests"] == 2

    asyncio.run(main())
    asyncio.run(main())


def test_a_runner_that_is_closed_elsewhere() -> None:
    class Closed:
        def figures(self) -> dict[str, int]:
            return {}

        def workers(self) -> list[object]:
            return []

    runner: Runner = Closed()  # type: ignore[assignment]
    figures = Figures()
    figures.attach(runner)
    assert (figures.count("requests"), figures.seconds("uptime"), figures.workers()) == (0, 0.0, [])
    figures.detach(Closed())  # type: ignore[arg-type]
    figures.detach(runner)
    assert figures.totals() == {}
