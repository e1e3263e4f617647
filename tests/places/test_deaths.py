"""A worker is killed at each step of a request's life."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import httpx
import pytest

from .crew import LIMIT, Crew, crew_of, until


def later(call: Callable[[], httpx.Response]) -> "Future[httpx.Response]":
    """The call, under way in a thread."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    return future


def killed(crew: Crew, name: str) -> dict[str, int]:
    """Kills the worker that left a mark."""
    return crew.kill(crew.place_of(name))


def test_taken_and_safe_is_repeated(tmp_path: Path) -> None:
    with crew_of(tmp_path, 2) as crew, crew.client() as client:
        answer = later(lambda: client.get("/once/a"))
        assert killed(crew, "a") == {"moved": 0, "repeated": 1, "failed": 0}
        assert answer.result(LIMIT).json() == {"pid": next(iter(crew.workers.values())).pid}
        assert client.get("/pid").status_code == 200


def test_repeated_once_only(tmp_path: Path) -> None:
    with crew_of(tmp_path, 3) as crew, crew.client() as client:
        answer = later(lambda: client.get("/once/a"))
        place = crew.place_of("a")
        (tmp_path / "a").unlink()
        assert crew.kill(place)["repeated"] == 1
        assert killed(crew, "a") == {"moved": 0, "repeated": 0, "failed": 1}
        assert answer.result(LIMIT).status_code == 502


@pytest.mark.parametrize(("method", "path"), [("POST", "/once/a"), ("GET", "/never-twice/a")])
def test_taken_and_not_to_be_repeated_fails(tmp_path: Path, method: str, path: str) -> None:
    with crew_of(tmp_path, 2) as crew, crew.client() as client:
        answer = later(lambda: client.request(method, path, content=b"x" if method == "POST" else None))
        assert killed(crew, "a") == {"moved": 0, "repeated": 0, "failed": 1}
        response = answer.result(LIMIT)
        assert response.status_code == 502
        assert "worker process ended" in response.text
        assert client.get("/pid").status_code == 200, "the connection goes on"


def test_killed_while_it_reads_a_body(tmp_path: Path) -> None:
    with crew_of(tmp_path, 2) as crew, crew.client() as client:
        answer = later(lambda: client.post("/upload/a", content=bytes(20_000_000)))
        assert killed(crew, "a")["failed"] == 1
        with contextlib.suppress(httpx.TransportError):  # it may still send when the connection closes
            assert answer.result(LIMIT).status_code == 502
        with crew.client() as other:
            assert other.post("/upload/a", content=bytes(300_000)).json() == {"size": 300_000}
        until(lambda: crew.engine.status()["blocks_in_use"] == 0)


def test_killed_with_half_of_an_answer_written(tmp_path: Path) -> None:
    with crew_of(tmp_path, 2) as crew:
        connection = HTTPConnection("127.0.0.1", crew.port, timeout=LIMIT)
        connection.request("GET", "/large/a")
        response = connection.getresponse()
        assert response.status == 200
        assert len(response.read(100_000)) == 100_000
        assert killed(crew, "a") == {"moved": 0, "repeated": 0, "failed": 1}
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            response.read()
        connection.close()
        with crew.client() as client:
            assert len(client.get("/large/a").content) == 30_000_000
        until(lambda: crew.engine.status()["blocks_in_use"] == 0)


def test_killed_while_it_streams(tmp_path: Path) -> None:
    with crew_of(tmp_path, 2) as crew:
        connection = HTTPConnection("127.0.0.1", crew.port, timeout=LIMIT)
        connection.request("GET", "/stream/a")
        response = connection.getresponse()
        assert response.read1() == b"first"
        killed(crew, "a")
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            response.read()
        connection.close()
        with crew.client() as client:
            assert client.get("/stream/a").text == "firstsecond"


def test_waiting_requests_wait_for_the_next_worker(tmp_path: Path) -> None:
    with crew_of(tmp_path, 1) as crew:
        first, *others = [crew.client() for _ in range(9)]
        blocked = later(lambda: first.post("/block/3600"))
        until(lambda: crew.engine.status()["workers"][0]["begun"] == 1)
        answers = [later(partial(client.get, "/pid")) for client in others]
        until(lambda: crew.engine.status()["queued"] == 8)
        assert crew.kill(0) == {"moved": 8, "repeated": 0, "failed": 1}
        assert blocked.result(LIMIT).status_code == 502
        assert crew.engine.status()["queued"] == 8
        worker = crew.hire(1)
        assert {answer.result(LIMIT).json()["pid"] for answer in answers} == {worker.pid}


def test_an_answer_that_was_finished_is_sent(tmp_path: Path) -> None:
    """The others of a pipeline are answered in their order, whatever became of one of them."""
    with crew_of(tmp_path, 2) as crew, socket.create_connection(("127.0.0.1", crew.port), LIMIT) as client:
        get = b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n"
        post = b"POST /once/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        client.sendall(get + post + get)
        killed(crew, "a")
        data = b""
        while data.count(b'"pid"') < 2:
            got = client.recv(65536)
            assert got, data
            data += got
        assert re.findall(rb"HTTP/1\.1 (\d+)", data) == [b"200", b"502", b"200"]


@pytest.mark.parametrize("loops", [1, 3])
def test_nothing_is_lost_or_doubled_under_load(tmp_path: Path, loops: int) -> None:
    """Workers are killed again and again while clients ask; only requests that were begun may fail."""
    with crew_of(tmp_path, 2, loops=loops) as crew:
        stop = threading.Event()
        wrong: list[str] = []

        def ask() -> None:
            with crew.client() as client:
                while not stop.is_set():
                    response = client.get("/pid")
                    if response.status_code != 200 or json.loads(response.content).keys() != {"pid", "greeting"}:
                        wrong.append(response.text)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for number in range(10):
            crew.kill(number % 2)
            crew.hire(number % 2)
        stop.set()
        for thread in threads:
            thread.join(LIMIT)
        assert not wrong
        until(lambda: crew.engine.status()["slots_in_use"] == 0)
        assert crew.engine.status()["blocks_in_use"] == 0
