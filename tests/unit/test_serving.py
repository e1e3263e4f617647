"""The server in this process, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from covet import CovetPy, HTTPException, PlainTextResponse, Request, Server, StreamingResponse
from covet.config import ServeOptions
from covet.server import StartFailed


@contextlib.asynccontextmanager
async def serving(app: CovetPy, **options: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Server]]:
    """A client of a server that runs `app` on a free port."""
    server = Server(app, ServeOptions(port=0, access_log=False, **options))
    task = asyncio.ensure_future(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    try:
        if not task.done():
            async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=20) as client:
                yield client, server
    finally:
        server.should_exit = True
        await task


def application(**settings: Any) -> CovetPy:
    app = CovetPy(**settings)
    app.get("/ping", constant=PlainTextResponse("pong", headers={"x-a": "b"}))

    @app.get("/items/{item_id}")
    async def item(item_id: int, q: str | None = None) -> dict[str, Any]:
        return {"item_id": item_id, "q": q}

    @app.get("/blocking")
    def blocking(ms: int = 0) -> str:
        time.sleep(ms / 1000)
        return "done"

    @app.post("/echo")
    async def echo(request: Request) -> bytes:
        return await request.body()

    @app.get("/libraries")
    async def libraries() -> list[Any]:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            one = group.create_task(asyncio.sleep(0.001, "one"))
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep(60)
        two = await asyncio.gather(asyncio.sleep(0, "two"))
        task = asyncio.current_task()
        return [one.result(), *two, scope.cancelled_caught, task is not None]

    @app.get("/stream/{count}")
    async def stream(count: int) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            for number in range(count):
                yield f"{number}\n"

        return StreamingResponse(lines(), media_type="text/plain")

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short", {"x-spout": "left"})

    return app


@pytest.mark.parametrize("enable_jit", [True, False])
@pytest.mark.parametrize("enable_io_uring", [True, False])
def test_answers(enable_jit: bool, enable_io_uring: bool) -> None:
    async def main() -> None:
        app = application(enable_jit=enable_jit, enable_io_uring=enable_io_uring)
        async with serving(app) as (client, _):
            answer = await client.get("/items/5", params={"q": "tea & é"})
            assert (answer.status_code, answer.json()) == (200, {"item_id": 5, "q": "tea & é"})
            assert answer.headers["content-type"] == "application/json"
            answer = await client.get("/items/x")
            assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["path", "item_id"])
            answer = await client.get("/ping")
            assert (answer.text, answer.headers["x-a"]) == ("pong", "b")
            assert (await client.get("/blocking")).json() == "done"
            assert (await client.get("/libraries")).json() == ["one", "two", True, True]
            assert (await client.get("/stream/1000")).text == "".join(f"{n}\n" for n in range(1000))
            answer = await client.get("/teapot")
            assert (answer.status_code, answer.json()) == (418, {"detail": "short"})
            assert answer.headers["x-spout"] == "left"
            body = bytes(range(256)) * 20_000
            assert (await client.post("/echo", content=body)).content == body
            answer = await client.get("/nowhere")
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
            answer = await client.post("/items/5")
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET")

    asyncio.run(main())


def test_handlers_for_unmatched_requests() -> None:
    app = application()

    @app.exception_handler(404)
    async def not_found(request: Request, error: HTTPException) -> Any:
        return PlainTextResponse(f"no {request.url.path}", 404)

    @app.exception_handler(405)
    async def not_allowed(request: Request, error: HTTPException) -> Any:
        return {"allowed": (error.headers or {})["allow"]}, 405, error.headers

    async def main() -> None:
        async with serving(app) as (client, _):
            answer = await client.get("/nowhere")
            assert (answer.status_code, answer.text) == (404, "no /nowhere")
            answer = await client.delete("/items/7")
            assert (answer.json(), answer.headers["allow"]) == ({"allowed": "GET"}, "GET")

    asyncio.run(main())


def test_the_lifespan_encloses_serving() -> None:
    seen: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: CovetPy) -> AsyncIterator[dict[str, str]]:
        seen.append("up")
        yield {"db": "connected"}
        seen.append("down")

    app = CovetPy(lifespan=lifespan)

    @app.get("/")
    async def index(request: Request) -> str:
        request.state.mine = True
        return str(request.state.db) + str(len(request.state))

    async def main() -> None:
        async with serving(app) as (client, _):
            assert (await client.get("/")).json() == "connected2"
            assert (await client.get("/")).json() == "connected2"
            assert seen == ["up"]

    asyncio.run(main())
    assert seen == ["up", "down"]


def test_a_server_can_be_started_again_and_again() -> None:
    app = application()

    async def main() -> None:
        for number in range(5):
            async with serving(app) as (client, server):
                assert (await client.get(f"/items/{number}")).json()["item_id"] == number
                assert server.status()["requests"] == 1
            assert not server.started

    asyncio.run(main())


def test_a_request_that_has_begun_is_finished() -> None:
    async def main() -> None:
        async with serving(application()) as (client, server):
            slow = asyncio.ensure_future(client.get("/blocking?ms=300"))
            while not server.status()["in_flight"]:
                await asyncio.sleep(0.005)
            server.should_exit = True
            answer = await slow
            assert (answer.json(), answer.headers["connection"]) == ("done", "close")

    asyncio.run(main())


@pytest.mark.parametrize("force", [True, False])
def test_what_does_not_end_is_ended(force: bool, caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy()
    ended = []

    @app.get("/hang")
    async def hang() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("hang")

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def forever() -> AsyncIterator[str]:
            try:
                yield "data: 1\n\n"
                await asyncio.sleep(3600)
            finally:
                ended.append("events")

        return StreamingResponse(forever(), media_type="text/event-stream")

    async def listen(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/events") as answer:
            async for _ in answer.aiter_text():
                pass

    async def main() -> None:
        async with serving(app, timeout_graceful_shutdown=3600 if force else 0) as (client, server):
            clients = [asyncio.ensure_future(client.get("/hang")), asyncio.ensure_future(listen(client))]
            while server.status()["in_flight"] < 2:
                await asyncio.sleep(0.005)
            server.should_exit = True
            server.force_exit = force
            answer, cut = await asyncio.gather(*clients, return_exceptions=True)
            assert isinstance(cut, (httpx.ReadError, httpx.RemoteProtocolError))
            assert isinstance(answer, httpx.Response) and answer.status_code == 503

    asyncio.run(main())
    assert sorted(ended) == ["events", "hang"]
    assert "Cancelled 2 running request(s)" in caplog.text


def test_a_client_that_goes_away_is_noticed() -> None:
    app = CovetPy()
    seen: list[str] = []

    @app.get("/cancel", cancel_on_disconnect=True)
    async def cancel() -> None:
        seen.append("begun")
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append("cancelled")

    @app.get("/ask")
    async def ask(request: Request) -> None:
        seen.append("begun")
        while not await request.is_disconnected():
            await asyncio.sleep(0.005)
        seen.append("gone")

    async def main() -> None:
        async with serving(app) as (_, server):
            assert server.address is not None
            host, _, port = server.address.partition(":")
            for path, last in (("/cancel", "cancelled"), ("/ask", "gone")):
                seen.clear()
                _, writer = await asyncio.open_connection(host, int(port))
                writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                while not seen:
                    await asyncio.sleep(0.005)
                writer.close()
                async with asyncio.timeout(20):
                    while seen[-1] != last:
                        await asyncio.sleep(0.005)

    asyncio.run(main())


def test_limits_have_their_effect() -> None:
    async def main() -> None:
        async with serving(application(max_body_size="1KB", request_buffer_size=4096)) as (client, _):
            assert (await client.post("/echo", content=b"x" * 1024)).status_code == 200
            assert (await client.post("/echo", content=b"x" * 1025)).status_code == 413

            async def chunked() -> AsyncIterator[bytes]:
                for _ in range(100):
                    yield b"x" * 100

            assert (await client.post("/echo", content=chunked())).status_code == 413
            assert (await client.get("/ping", headers={"x": "y" * 5000})).status_code == 431

    asyncio.run(main())


@pytest.mark.parametrize("redirect", [True, False])
def test_redirect_slashes(redirect: bool) -> None:
    async def main() -> None:
        async with serving(application(redirect_slashes=redirect)) as (client, _):
            answer = await client.get("/ping/?a=1")
            assert answer.status_code == (307 if redirect else 404)
            assert answer.headers.get("location", "").endswith("/ping?a=1" if redirect else "")

    asyncio.run(main())


def test_an_address_in_use(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed):
            asyncio.run(Server(CovetPy(), ServeOptions(port=port)).serve())
    where = f"('127.0.0.1', {port})"
    assert f"[Errno 98] error while attempting to bind on address {where}: address already in use" in caplog.text


def test_a_start_up_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy()

    @app.on_startup
    def fail() -> None:
        raise RuntimeError("no database")

    with pytest.raises(StartFailed):
        asyncio.run(Server(app, ServeOptions(port=0)).serve())
    assert "no database" in caplog.text
    assert caplog.messages[-1] == "Application startup failed. Exiting."


def test_a_path_that_the_router_refuses(caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy()
    app.get("/{a", constant=PlainTextResponse("never"))
    with pytest.raises(StartFailed, match="brace"):
        asyncio.run(Server(app, ServeOptions(port=0)).serve())


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU leaves nothing to choose")
@pytest.mark.parametrize("loops", [1, 2])
def test_a_worker_that_is_pinned_shares_its_cpu_with_the_loop(loops: int) -> None:
    before = os.sched_getaffinity(0)

    async def main() -> None:
        async with serving(application(), pin_workers=True, loop_count=loops) as (client, _):
            assert (await client.get("/items/1")).status_code == 200
            assert os.sched_getaffinity(0) == {max(before)}
            beside = [os.sched_getaffinity(thread) for thread in threads() if thread != threading.get_native_id()]
            assert beside.count({max(before)}) == (loops == 1)

    asyncio.run(main())
    assert os.sched_getaffinity(0) == before


def threads() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/task")]
