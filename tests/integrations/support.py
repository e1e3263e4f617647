"""The applications of these tests, each in a server process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from serving import served

APPS = Path(__file__).resolve().parent / "apps"
LIMIT = 30.0


@contextmanager
def client_of(app: str, *options: str) -> Iterator[httpx.Client]:
    """A client of the application `app` ("module:attribute"), which `covet run` serves with the options."""
    with (
        served(app, app_dir=APPS, options=options) as server,
        httpx.Client(base_url=server.url, timeout=LIMIT) as client,
    ):
        yield client
