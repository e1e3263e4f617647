"""An application's sys.exit() ends a request, not the server: FastAPI's does so on uvicorn."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving import Server, served
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

HERE = Path(__file__).parent
LIMIT = 20.0


@pytest.fixture(scope="module", params=["app", "layered", "wrapped", "mixed", "mounted"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One process, so that it must be the same that goes on."""
    with served(f"responses.exits:{request.param}", app_dir=HERE.parent) as server:
        yield server


def is_logged(server: Server, name: str) -> bool:
    kind = "KeyboardInterrupt" if name == "interrupt" else "SystemExit"
    return f"{kind}: {name}\n" in server.log


def goes_on(server: Server, name: str) -> None:
    for _ in range(100):
        assert httpx.get(f"{server.url}/ok", timeout=LIMIT).text == '"ok"'
        if is_logged(server, name):
            return
    raise AssertionError(f"{name} is not in the log:\n{server.log}")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *((name, name) for name in ("plain", "waiting", "blocking", "interrupt")),
        ("dependency", "told"),
        ("handled", "on_trouble"),
    ],
)
def test_before_the_response(server: Server, path: str, name: str) -> None:
    response = httpx.get(f"{server.url}/{path}", timeout=LIMIT)
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    goes_on(server, name)


@pytest.mark.parametrize("name", ["lasting", "lasting_async", "ends", "ends_async"])
def test_after_the_response(server: Server, name: str) -> None:
    response = httpx.get(f"{server.url}/{name}", timeout=LIMIT)
    assert (response.status_code, response.text) == (200, '"ok"')
    goes_on(server, name)


@pytest.mark.parametrize("name", ["chunks", "blocking_chunks"])
def test_within_the_response(server: Server, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT)
    connection.request("GET", f"/{name}")
    response = connection.getresponse()
    assert response.status == 200
    assert response.read1(1) == b"a"
    with pytest.raises(http.client.HTTPException):
        response.read()
    connection.close()
    goes_on(server, name)


def test_in_a_websocket(server: Server) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/socket") as socket, pytest.raises(ConnectionClosedError) as closed:
        socket.recv(LIMIT)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    goes_on(server, "socket")
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{server.port}/refused")
    assert refused.value.response.status_code == 500
    goes_on(server, "refused")


def test_workers_go_on() -> None:
    with served("responses.exits:app", app_dir=HERE.parent, options=["--workers", "2"]) as server:
        for _ in range(20):
            assert httpx.get(f"{server.url}/plain", timeout=LIMIT).status_code == 500
        assert server.log.count("Started server process") <= 3
        assert "died" not in server.log
