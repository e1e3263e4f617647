"""The in-process server is started and stopped a hundred times in one process."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from covet import CovetPy, Request, Server, StreamingResponse
from covet.config import ServeOptions
from covet.server import StartFailed

from . import figures

TIMES = 100
# The first starts fill caches and make the threads that the Go runtime keeps.
WARM_TIMES = 10
GROWTH_KB = 4096
# The Go runtime may keep some more; one that leaks would do so at each start.
GROWTH_THREADS = 12
PIECE = b"0123456789abcdef" * 1024


def application(enable_io_uring: bool) -> CovetPy:
    app = CovetPy(enable_io_uring=enable_io_uring)

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, int]:
        return {"item_id": item_id}

    @app.get("/thread")
    def thread() -> str:
        return "in a thread"

    @app.post("/echo")
    async def echo(request: Request) -> bytes:
        return await request.body()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(8):
                yield PIECE

        return StreamingResponse(pieces())

    return app


REQUESTS = (
    (b"GET /items/5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b'{"item_id":5}'),
    (b"GET /thread HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"in a thread"),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, b"xxx"),
    (b"GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"0123456789abcdef"),
)


async def ask(host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def serve_once(app: CovetPy, idle: bool) -> None:
    """A whole life of a server; with `idle`, one client still has its connection open at the end."""
    server = Server(app, ServeOptions(port=0, access_log=False, log_level="error"))
    serving = asyncio.ensure_future(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.001)
    assert server.address is not None
    host, _, port = server.address.rpartition(":")
    for request, expected in REQUESTS:
        answer = await ask(host, int(port), request)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
        assert expected in answer
    waiting = await asyncio.open_connection(host, int(port)) if idle else None
    server.should_exit = True
    await serving
    if waiting is not None:
        waiting[1].close()


def on_one_loop(app: CovetPy, times: int) -> None:
    """One after the other on an event loop that goes on."""

    async def main() -> None:
        for number in range(times):
            await serve_once(app, idle=number % 2 == 0)

    asyncio.run(main())


def on_loops(app: CovetPy, times: int) -> None:
    """Each on an event loop of its own."""
    for number in range(times):
        asyncio.run(serve_once(app, idle=number % 2 == 0))


def in_threads(app: CovetPy, times: int) -> None:
    """Each in a thread of its own."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            asyncio.run(serve_once(app, idle=number % 2 == 0))
        except BaseException as error:
            errors.append(error)

    for number in range(times):
        thread = threading.Thread(target=run, args=[number])
        thread.start()
        thread.join()
    assert not errors, errors[0]


def failing(app: CovetPy, times: int) -> None:
    """Each finds its port taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = ServeOptions(port=taken.getsockname()[1], access_log=False, log_level="critical")
        for _ in range(times):
            with pytest.raises(StartFailed):
                asyncio.run(Server(app, options).serve())


@dataclass
class Held:
    """What this process holds."""

    descriptors: Counter[str]
    mappings: int
    threads: int
    resident_kb: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        return cls(figures.descriptors(), figures.shared_mappings(), figures.threads(), figures.resident_kb())


@pytest.mark.parametrize("enable_io_uring", [True, False])
@pytest.mark.parametrize("way", [on_one_loop, on_loops, in_threads, failing])
def test_nothing_is_left(way: Callable[[CovetPy, int], None], enable_io_uring: bool) -> None:
    app = application(enable_io_uring)
    way(app, WARM_TIMES)
    before = Held.now()
    way(app, TIMES)
    after = Held.now()
    assert after.descriptors == before.descriptors
    assert after.mappings == before.mappings
    assert after.threads <= before.threads + GROWTH_THREADS
    assert after.resident_kb <= before.resident_kb + GROWTH_KB
