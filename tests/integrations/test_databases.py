"""Async SQLAlchemy with asyncpg on PostgreSQL, and redis.asyncio on Redis: real servers, private to the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .services import postgresql, redis
from .support import client_of


@pytest.fixture(scope="module")
def notes() -> Iterator[httpx.Client]:
    with postgresql() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        with client_of("notes_in_postgresql:app") as client:
            yield client


def test_rows_come_and_go(notes: httpx.Client) -> None:
    added = notes.post("/notes", json={"text": "first", "tags": ["a", "b"]})
    assert (added.status_code, added.json()["tags"]) == (201, [{"name": "a"}, {"name": "b"}])
    assert added.json() in notes.get("/notes").json()


def test_an_exception_rolls_back(notes: httpx.Client) -> None:
    before = notes.get("/count").json()
    assert notes.post("/notes", json={"text": "bad", "tags": ["forbidden"]}).status_code == 403
    assert notes.get("/count").json() == before
    assert notes.post("/notes", json={"text": "bad"}).status_code == 201


def test_the_database_refuses(notes: httpx.Client) -> None:
    assert notes.post("/notes", json={"text": "twice"}).status_code == 201
    assert notes.post("/notes", json={"text": "twice"}).status_code == 500  # its text is unique
    assert notes.post("/notes", json={"text": "thrice"}).status_code == 201


def test_more_requests_than_connections(notes: httpx.Client) -> None:
    before = notes.get("/count").json()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: notes.post("/notes", json={"text": f"{number}."}), range(60)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 60
    assert notes.get("/count").json() == before + 60


@pytest.fixture(scope="module")
def hits() -> Iterator[httpx.Client]:
    with redis() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", url)
        with client_of("hits_in_redis:app", "--workers", "2") as client:
            yield client


def test_counters_of_all_workers(hits: httpx.Client) -> None:
    with ThreadPoolExecutor(10) as pool:
        counts = list(pool.map(lambda _: hits.post("/hits/page").json(), range(50)))
    assert sorted(counts) == list(range(1, 51))


def test_messages(hits: httpx.Client) -> None:
    heard: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        with hits.stream("GET", "/listen/room") as response:
            for line in response.iter_lines():
                heard.append(line)
                listening.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert listening.wait(20)
    assert [hits.post(f"/say/room/{text}").json() for text in ("hello", "you", "end")] == [1, 1, 1]
    listener.join(20)
    assert heard == ["listening", "hello", "you", "end"]
    assert hits.post("/say/room/anybody").json() == 0
