"""A worker process: `worker.py PLACE DESCRIPTOR…`."""

import asyncio
import sys
from typing import Any

from app import app

from covet.config import ServeOptions
from covet.interfaces import adapt
from covet.worker import Worker


def config() -> dict[str, Any]:
    """What the engine is to know of the application."""
    return {**app.settings.engine(), "routes": [route.engine(number) for number, route in enumerate(app.routes, 1)]}


async def main() -> None:
    place, *channel = map(int, sys.argv[1:])
    worker = Worker(adapt(app, ServeOptions()), app.settings, {}, channel, place)
    worker.start(asyncio.get_running_loop())
    print("attached", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
