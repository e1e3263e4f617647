"""Django Channels, served by `covet run`: HTTP and WebSocket consumers side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from serving import Server, served
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from integrations.support import APPS, LIMIT

pytest.importorskip("channels")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # The layer of groups is in memory, so the rooms are those of one process.
    with served("rooms_in_django:app", app_dir=APPS, options=["--workers", "1"]) as server:
        yield server


def socket(server: Server, path: str, *protocols: str) -> ClientConnection:
    names = [Subprotocol(name) for name in protocols] or None
    return connect(f"ws://127.0.0.1:{server.port}{path}", subprotocols=names, open_timeout=LIMIT)


def test_http(server: Server) -> None:
    assert httpx.get(f"{server.url}/rooms/kitchen").json() == {"room": "kitchen", "method": "GET", "size": 0}
    assert httpx.get(f"{server.url}/nowhere").status_code == 404


@pytest.mark.parametrize("message", ["", "naïve", b"", b"\x00\xff" * 40_000, "x" * 100_000])
def test_an_echo(server: Server, message: str | bytes) -> None:
    with socket(server, "/ws/echo") as client:
        client.send(message)
        assert client.recv(LIMIT) == message


def test_a_subprotocol_and_a_close(server: Server) -> None:
    with socket(server, "/ws/echo", "chat", "other") as client:
        assert client.subprotocol == "chat"
        client.send("bye")
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(LIMIT)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "as asked")


def test_a_refusal(server: Server) -> None:
    with pytest.raises(InvalidStatus) as caught:
        socket(server, "/ws/echo", "refused")
    assert caught.value.response.status_code == 403


def test_members_of_a_room(server: Server) -> None:
    def received(client: ClientConnection) -> object:
        return json.loads(client.recv(LIMIT))

    with socket(server, "/ws/rooms/hall") as ada, socket(server, "/ws/rooms/attic") as other:
        assert received(ada) == {"joined": "hall", "path": "/ws/rooms/hall"}
        assert received(other) == {"joined": "attic", "path": "/ws/rooms/attic"}
        with socket(server, "/ws/rooms/hall") as bob:
            assert received(bob) == {"joined": "hall", "path": "/ws/rooms/hall"}
            ada.send('{"hello": "there"}')
            assert received(ada) == received(bob) == {"hello": "there"}
            bob.close(1001)
        assert received(ada) == {"left": 1001}
        other.send('{"only": "here"}')
        assert received(other) == {"only": "here"}


def test_nothing_went_wrong(server: Server) -> None:
    with pytest.raises(InvalidStatus):
        socket(server, "/ws/nowhere")
    # Channels raises for a path without a consumer; nothing else may be in the log.
    assert server.log.count("Traceback") == 1 and "No route found for path 'ws/nowhere'" in server.log
