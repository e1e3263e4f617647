"""Tests of an application."""

from typing import Any, assert_type

import httpx

from covet import CovetPy
from covet.testclient import AsyncTestClient, TestClient
from covet.testing import LiveServer

app = CovetPy()


def test_client() -> None:
    with TestClient(app, base_url="http://shop.test", raise_server_exceptions=False) as client:
        response = client.get("/", params={"q": "1"}, headers={"x": "y"})
        assert_type(response, httpx.Response)
        assert_type(response.status_code, int)
        with client.websocket_connect("/socket", subprotocols=["v1"]) as socket:
            socket.send_json({"a": 1})
            assert_type(socket.receive_text(), str)
            assert_type(socket.receive_bytes(), bytes)
            assert_type(socket.receive_json(), Any)
            socket.close(1000)


async def test_async_client() -> None:
    async with AsyncTestClient(app) as client:
        assert_type(await client.post("/", json={"a": 1}), httpx.Response)


async def test_transport() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert_type(await client.get("/"), httpx.Response)


def test_live() -> None:
    with LiveServer(app) as server:
        assert_type(server.url, str)
        assert_type(server.client.get("/"), httpx.Response)
