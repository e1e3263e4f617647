"""Servers of applications that the tests hold in their hands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx

from covet.config import ServeOptions, Settings
from covet.server import Server

LIMIT = 20.0
"""Seconds within which something must happen that does happen at once."""


@contextlib.asynccontextmanager
async def serving(
    app: Any, settings: Settings | None = None, *, lifespan: str = "off", **options: Any
) -> AsyncIterator[Client]:
    """A client of a server that runs `app` on a free port."""
    server = Server(app, ServeOptions(port=0, access_log=False, lifespan=lifespan, **options), settings)
    task = asyncio.ensure_future(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    try:
        if not task.done():
            async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=LIMIT) as http:
                yield Client(server, http)
    finally:
        server.should_exit = True
        await task


class Client:
    """Ways to talk to a server: `http`, a client that knows the protocol, and bare connections."""

    def __init__(self, server: Server, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection."""
        assert self.server.address is not None
        host, port = self.server.address.split(":")
        return await asyncio.open_connection(host, int(port))

    async def raw(self, request: bytes) -> bytes:
        """All that comes back on a connection of its own until the server closes it."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), LIMIT)
        writer.close()
        return answer


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a test's coroutine on a new event loop."""
    asyncio.run(asyncio.wait_for(main(), 60))


async def soon(event: asyncio.Event) -> None:
    """Waits for what must happen at once."""
    await asyncio.wait_for(event.wait(), LIMIT)
