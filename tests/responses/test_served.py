"""Responses over real sockets."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from serving import STOP_LIMIT, Server, served

HERE = Path(__file__).parent
LIMIT = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served("responses.app:app", app_dir=HERE.parent) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=LIMIT) as client:
        client.get("/clear")
        yield client


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not found():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def happens(client: httpx.Client, *names: str) -> None:
    until(lambda: set(names) <= set(client.get("/events").json()))


def opened(server: Server, path: str, until: bytes) -> socket.socket:
    """A connection that has asked for a path and got an answer with `until` in it."""
    connection = socket.create_connection(("127.0.0.1", server.port), LIMIT)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    received = b""
    while until not in received:
        piece = connection.recv(4096)
        assert piece
        received += piece
    return connection


# ---- background work ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "stream"])
def test_background_tasks_follow_in_order(client: httpx.Client, kind: str) -> None:
    assert client.get("/tasks", params={"kind": kind}).text == ("ab" if kind == "stream" else "ok")
    happens(client, f"{kind} waiting")
    assert client.get("/events").json() == [f"{kind} blocking", f"{kind} waiting"]


def test_a_connection_is_free_while_its_background_task_runs(server: Server, client: httpx.Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT)
    connection.request("GET", "/gated")
    assert connection.getresponse().read() == b"ok"
    happens(client, "waits")
    # The engine has its memory back, so that long tasks do not use up its exchanges.
    until(lambda: client.get("/in-flight").json() == {"engine": 1})
    connection.request("GET", "/open")
    assert connection.getresponse().read() == b"null"
    happens(client, "went on")
    connection.close()


def test_a_failing_task_is_logged_and_harms_nobody(server: Server, client: httpx.Client) -> None:
    for path, text in (("/failing-task", "in the background"), ("/starlette/failing", "in Starlette's background")):
        assert client.get(path).text == "ok"
        until(lambda text=text: f"RuntimeError: {text}" in server.log)  # type: ignore[misc]
        assert f"Exception in a background task of GET {path}" in server.log
    assert client.get("/events").json() == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_shutdown_waits_for_background_tasks(workers: str) -> None:
    with served("responses.app:app", app_dir=HERE.parent, options=["--workers", workers]) as server:
        assert httpx.get(f"{server.url}/sleeping?seconds=1").text == "ok"
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(STOP_LIMIT)
    assert "The background task has ended" in server.log
    assert "Cancelled" not in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_shutdown_cancels_background_tasks_at_the_limit(workers: str) -> None:
    options = ["--workers", workers, "--timeout-graceful-shutdown", "0.5"]
    with served("responses.app:app", app_dir=HERE.parent, options=options) as server:
        assert httpx.get(f"{server.url}/sleeping?seconds=3600").text == "ok"
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(STOP_LIMIT)
    assert "The background task was cancelled" in server.log
    assert "Cancelled the background tasks of GET /sleeping" in server.log
    assert "Cancelled 1 running request(s)" in server.log


# ---- Starlette's responses ------------------------------------------------------------


def test_starlettes_responses(client: httpx.Client) -> None:
    json = client.get("/starlette/json")
    assert (json.status_code, json.headers["x-a"], json.headers["content-type"]) == (201, "b", "application/json")
    assert json.content == b'{"a":1}'
    stream = client.get("/starlette/stream")
    assert (stream.text, stream.headers["transfer-encoding"]) == ("abc", "chunked")
    file = client.get("/starlette/file", headers={"range": "bytes=3-7"})
    assert (file.status_code, file.content) == (206, (HERE / "app.py").read_bytes()[3:8])
    assert client.get("/starlette/file").content == (HERE / "app.py").read_bytes()
    assert client.get("/starlette/redirect").headers["location"] == "/elsewhere"
    cookies = client.get("/starlette/cookies")
    assert len(cookies.headers.get_list("set-cookie")) == 2
    changed = client.get("/starlette/tuple")
    assert (changed.status_code, changed.headers["x-a"], changed.text) == (203, "c", "a")
    assert client.get("/starlette/none").status_code == 204
    happens(client, "starlette json", "starlette stream", "starlette file")


def test_a_broken_stream_of_starlettes_is_cut_short(server: Server, client: httpx.Client) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.get("/starlette/broken")
    assert "RuntimeError: broken stream" in server.log


# ---- streams ----------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 2])
def test_an_item_that_does_not_fit_cuts_the_stream_and_is_logged(
    server: Server, client: httpx.Client, before: int
) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.get(f"/misfits/{before}")
    until(lambda: f"Exception while streaming the answer to GET /misfits/{before}" in server.log)
    until(lambda: "in misfits\n    GET /misfits/{before}" in server.log)


@pytest.mark.parametrize("kind", ["plain", "sync", "sse", "jsonl", "starlette"])
def test_the_iterator_is_closed_when_the_client_goes(server: Server, client: httpx.Client, kind: str) -> None:
    connection = opened(server, f"/endless/{kind}", b"first")
    happens(client, f"{kind} began")
    connection.close()
    happens(client, f"{kind} closed", *(["plain after"] if kind == "plain" else []))
    assert "Traceback" not in server.log.partition(f"/endless/{kind}")[2]
    until(lambda: client.get("/in-flight").json() == {"engine": 1})  # the one that asks


def test_a_slow_client_holds_the_iterator_back(server: Server, client: httpx.Client) -> None:
    connection = opened(server, "/large", b"xxx")
    made = [-1]
    # The iterator has come to a stand when it has made nothing more for a while.
    while len(made) < 10 or made[-1] != made[-10]:
        made.append(len(client.get("/events").json()))
        time.sleep(0.02)
    assert made[-1] < 400
    last = b""
    while not last.endswith(b"\r\n0\r\n\r\n"):
        last = (last + connection.recv(1 << 20))[-16:]
    connection.close()
    assert len(client.get("/events").json()) == 400


def test_events(client: httpx.Client) -> None:
    response = client.get("/sse", headers={"last-event-id": "5"})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert response.content == (
        b'event: number\ndata: {"n": 6}\nid: 6\n\nevent: number\ndata: {"n": 7}\nid: 7\n\n'
        b'data: {"plain": "\\u00e9"}\n\n: raw\n\n'
    )


def test_pings_come_between_events_only(client: httpx.Client) -> None:
    text = client.get("/pinged").text
    assert text.startswith("data: half and half\n\n: ping\n\n")
    assert text.endswith(": ping\n\ndata: end\n\n")


def test_lines_of_json(client: httpx.Client) -> None:
    response = client.get("/lines?background=1")
    assert response.headers["content-type"] == "application/jsonl"
    assert response.content == b'{"a": 1}\n"\\u00e9"\nnull\n'
    happens(client, "lines")
