"""An application for live servers."""

from __future__ import annotations

import os

from covet import CovetPy

app = CovetPy(title="live")


@app.get("/")
async def root() -> dict[str, int]:
    return {"process": os.getpid()}


def make() -> CovetPy:
    """The application, as a factory gives it."""
    return app


def fails() -> CovetPy:
    """A factory that fails."""
    raise OSError("no application today")
