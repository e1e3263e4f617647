"""Telemetry of applications that the engine serves, with what a collector gets of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from serving import served

from .receiver import receiving

TESTS = Path(__file__).resolve().parents[1]
LIMIT = 30.0


def told(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/told").json()
    return found


def soon(client: httpx.Client, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What was told, once something holds: a response is there a moment before its span has ended."""
    ends = time.monotonic() + LIMIT
    while not holds(found := told(client)):
        assert time.monotonic() < ends, found
        time.sleep(0.02)
    return found


def routes_of(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(span[0], span[3].get("http.response.status_code")) for span in found["spans"] if span[1] == "SERVER"]


def test_requests() -> None:
    visits = {
        "/items/5": ("GET /items/{item_id}", 200),
        "/items/x": ("GET /items/{item_id}", 422),
        "/odd": ("GET /odd", 500),
        "/odd-thread": ("GET /odd-thread", 500),
        "/stream": ("GET /stream", 200),
        "/lines": ("GET /lines", 200),
        "/later": ("GET /later", 200),
        "/below/things/x": ("GET /below/things/{thing}", 200),
        "/below/things/odd": ("GET /below/things/{thing}", 500),
        "/plain/x": ("GET /plain/{path}", 200),
        "/items/5/": ("GET /items/{item_id}", 307),
        "/nowhere": ("GET", 404),
        "/openapi.json": ("GET /openapi.json", 200),
    }
    with served("telemetry.apps.told:app", app_dir=TESTS) as server, httpx.Client(base_url=server.url) as client:
        for path, (_, status) in visits.items():
            assert client.get(path).status_code == status, path
        found = soon(client, lambda found: len(routes_of(found)) == len(visits))
        assert routes_of(found) == list(visits.values())
        span = found["spans"][3]
        assert span[3]["server.port"] == server.port
        assert span[3]["network.protocol.version"] == "1.1"
        assert [record[0] for record in found["logs"]] == [
            "fastapi.validation.failed",
            *["http.server.request.exception"] * 3,
        ]
        names = [span[0] for span in found["spans"]]
        assert names.count("fastapi.background_task") == 2
        active = [metric for metric in found["metrics"] if metric[0] == "http.server.active_requests"]
        assert [metric[5] for metric in active] == [0]


def test_a_client_that_goes_away() -> None:
    with served("telemetry.apps.told:app", app_dir=TESTS) as server, httpx.Client(base_url=server.url) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get("/slow", timeout=0.3)
        found = soon(client, lambda found: bool(routes_of(found)))
        assert found["spans"][-1][3]["error.type"] in ("ConnectionError", "asyncio.exceptions.CancelledError")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_websockets(anyio_backend: str) -> None:
    with served("telemetry.apps.told:app", app_dir=TESTS) as server, httpx.Client(base_url=server.url) as client:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.url}/ws/hall") as socket:
            await socket.send_str("a")
            assert (await socket.receive_str()) == "hall a"
            await socket.send_str("broken")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        found = soon(client, lambda found: len(found["spans"]) == 3)
        assert [tuple(span[:3]) for span in found["spans"]] == [
            ("fastapi.dependencies", "INTERNAL", "UNSET"),
            ("fastapi.endpoint", "INTERNAL", "ERROR"),
            ("WS /ws/{room}", "SERVER", "ERROR"),
        ]
        assert [record[0] for record in found["logs"]] == ["fastapi.websocket.exception"]


# ---- exporters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["COVET_OTEL_AUTO_CONFIGURE", "FASTAPI_OTEL_AUTO_CONFIGURE"])
def test_exporters_from_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with receiving() as receiver:
        monkeypatch.setenv(variable, "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        with served("telemetry.apps.exporting:app", app_dir=TESTS, options=["--workers", "2"]) as server:
            for path in ("/items/1", "/items/x", "/odd"):
                httpx.get(server.url + path, timeout=LIMIT)
        # Workers send what they hold before they end.
        assert sorted(name for name in receiver.spans() if name.startswith("GET")) == [
            "GET /items/{item_id}",
            "GET /items/{item_id}",
            "GET /odd",
        ]
        assert receiver.metrics() == {"http.server.request.duration", "http.server.active_requests"}
        assert sorted(receiver.events()) == ["fastapi.validation.failed", "http.server.request.exception"]


def test_one_signal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("COVET_OTEL_AUTO_CONFIGURE", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{receiver.url}/v1/traces")
        with served("telemetry.apps.exporting:app", app_dir=TESTS) as server:
            httpx.get(f"{server.url}/items/1", timeout=LIMIT)
        assert "GET /items/{item_id}" in receiver.spans()
        assert not receiver.metrics()
        assert not receiver.events()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER can be otlp or none, not zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL can be http/protobuf, not grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL can be http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "collector:4318", "the OTLP endpoint for metrics must be"),
    ],
)
def test_an_environment_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    monkeypatch.setenv("COVET_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    with served("telemetry.apps.exporting:app", app_dir=TESTS) as server:
        assert httpx.get(f"{server.url}/items/1", timeout=LIMIT).json() == {"item": 1}
    assert "OpenTelemetry's exporters could not be set up from the environment" in server.log
    assert words in server.log


# ---- what it costs when nobody wants it ---------------------------------------------------------------

UNWANTED = """
import asyncio, sys
from covet import CovetPy
from covet.testclient import TestClient
from covet.interfaces.native import CovetApplication

app = CovetPy()

@app.get("/")
async def root(): return {}

with TestClient(app) as client:
    assert client.get("/").json() == {}
CovetApplication(app).engine()
print([name for name in sys.modules if name.startswith(("opentelemetry", "covet.telemetry"))])
"""


def test_nothing_is_loaded_that_nobody_wants() -> None:
    found = subprocess.run([sys.executable, "-c", UNWANTED], capture_output=True, text=True, timeout=LIMIT, check=True)
    assert found.stdout.strip() == "[]"
