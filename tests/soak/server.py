"""Serves the wire tests' application with the engine's figures added, for the soak."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from covet import Server
from covet.config import ServeOptions
from tests.wire.app import app

server = Server(app, ServeOptions(port=0, access_log=False, log_level="error"))


@app.get("/status")
async def status() -> dict[str, Any]:
    return server.status()


async def main() -> None:
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        if serving.done():
            break
        await asyncio.sleep(0.01)
    print(f"running on http://{server.address}", flush=True)
    await serving


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
