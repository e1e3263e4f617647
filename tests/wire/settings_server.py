"""Serves with the settings given as JSON, and tells the engine's status: `python settings_server.py SETTINGS`."""

import asyncio
import gc
import json
import sys
from types import FunctionType
from typing import Annotated, Any

from covet import CovetPy, PlainTextResponse, Query, Request, Response
from covet.config import ServeOptions
from covet.log import configure
from covet.server import Server


def application(settings: dict[str, Any]) -> CovetPy:
    app = CovetPy(**settings)
    app.get("/ping", constant=PlainTextResponse("pong"))

    @app.get("/about")
    async def about(request: Request) -> dict[str, object]:
        return {"title": request.app.title, "version": request.app.version, "debug": request.app.debug}

    @app.get("/typed/{n}")
    async def typed(
        n: int, q: str = "none", x: float = 0.5, flags: Annotated[list[bool] | None, Query()] = None
    ) -> list[object]:
        return [n, q, x, flags]

    @app.get("/generated")
    async def generated() -> int:
        """How many functions were generated for routes."""
        functions = [f for f in gc.get_objects() if isinstance(f, FunctionType)]
        return sum(f.__code__.co_filename == "<covet route>" for f in functions)

    @app.get("/direct")
    def direct() -> str:
        return "thread"

    @app.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    @app.get("/wait")
    async def wait() -> None:
        await asyncio.sleep(3600)

    @app.get("/bytes/{count}")
    async def many(count: int) -> Response:
        return Response(bytes(count))

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("the reason")

    return app


async def main() -> None:
    configure("info")
    app = application(json.loads(sys.argv[1]))
    server = Server(app, ServeOptions(port=0, timeout_graceful_shutdown=1.0, access_log=False))

    @app.get("/status")
    async def status() -> dict[str, Any]:
        return server.status()

    await server.serve()


if __name__ == "__main__":
    asyncio.run(main())
