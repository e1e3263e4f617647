"""The example application without any server."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import httpx
import pytest

from covet.asgi.app import AsgiApplication

from .calling import Alive

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_a_notes_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    app = importlib.import_module("notes.api").app

    async def run() -> None:
        async with (
            Alive(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client,
        ):
            made = await client.post("/notes", json={"title": "Tea", "text": "naïve"})
            assert (made.status_code, made.headers["location"]) == (201, "/notes/1")
            assert (await client.get("/notes/1")).json() == made.json()
            assert (await client.get("/notes")).json()["notes"] == [made.json()]
            assert (await client.get("/notes/export")).text.count("\n") == 1
            assert (await client.get("/notes?limit=0")).status_code == 422
            assert (await client.delete("/notes/1")).status_code == 204
            assert (await client.get("/notes/1")).json() == {"detail": "There is no note 1"}
            assert (await client.patch("/notes/1")).headers["allow"] == "DELETE, GET, PUT"
            assert (await client.post("/notes", content=b"x" * (1 << 20 | 1))).status_code == 413
            assert (await client.get("/health")).text == "ok"

    asyncio.run(run())
    assert isinstance(app._asgi, AsgiApplication)
