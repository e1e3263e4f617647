"""asyncio, anyio, context variables and exceptions in handlers, on both event loops of Python and of the engine."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .harness import Server
from .support import BACKENDS, LIMIT, ask, backend, eventually, fetch, head

KINDS = list(itertools.product(BACKENDS, ("uvloop", "asyncio")))


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def loops(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param[1] == "uvloop":
        pytest.importorskip("uvloop")
    with backend(request.param[0], "loops:app", "--loop", request.param[1]) as running:
        fetched = fetch(running, "/loop")
        assert fetched.startswith(request.param[1]), "the server runs on another loop than was asked for"
        yield running


ANSWERS: dict[str, Any] = {
    "/timeout": "timed out",
    "/timeout-unused": "in time",
    "/timeout-now": "timed out",
    "/wait-for": "timed out",
    "/task": {"same": True, "known": True, "running": True, "uncancelled": True},
    "/task-without-await": True,
    "/cancel-self": "cancelled",
    "/group": [0, 1, 4, 9, 16],
    "/group-fails": ["sibling", "KeyError"],
    "/gather": [n * n for n in range(10)],
    "/primitives": ["a", "b", "c"],
    "/anyio-move-on": True,
    "/anyio-fail": "timed out",
    "/anyio-group": [0, 1, 2, 3, 4],
    "/anyio-cancel": "went on",
    "/anyio-thread": [7, 42],
    "/anyio-scope-without-await": False,
    "/context-thread/5": [5, 5],
    "/in-thread/5": {"before": -1, "main": False},
    "/stops": "stopped",
    "/subprocess": "hello",
}


@pytest.mark.parametrize("path", ANSWERS)
def test_it_works_as_in_any_task(loops: Server, path: str) -> None:
    for _ in range(3):
        assert fetch(loops, path) == ANSWERS[path]


def test_everything_at_once(loops: Server) -> None:
    async def run() -> list[Any]:
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(base_url=loops.url, timeout=2 * LIMIT, limits=limits) as client:
            answers = await asyncio.gather(*(client.get(path) for path in paths))
            return [answer.json() for answer in answers]

    paths = [path for path in ANSWERS if path != "/subprocess"] * 10
    assert asyncio.run(run()) == [ANSWERS[path] for path in paths]


def test_context_variables_belong_to_one_request(loops: Server) -> None:
    async def run() -> list[Any]:
        async with httpx.AsyncClient(base_url=loops.url, timeout=2 * LIMIT) as client:
            answers = await asyncio.gather(*(client.get(path) for path in paths))
            return [answer.json() for answer in answers]

    paths, wanted = [], []
    for n in range(100):
        wait = n % 3 > 0
        paths += [f"/context/{n}?wait={wait}", f"/context-left/{n}", "/context-now", f"/in-thread/{n}"]
        wanted += [{"before": -1, "inside": n, "in_task": n, "after": -1}, n, -1, {"before": -1, "main": False}]
    assert asyncio.run(run()) == wanted


def test_what_a_handler_does_to_its_task_stays_with_it(loops: Server) -> None:
    for n in range(20):
        assert fetch(loops, f"/named/own-{n}?wait={n % 2 > 0}") == f"own-{n}"
        assert not fetch(loops, "/name").startswith("own-")
    for _ in range(10):
        # A task that returns before its cancellation reaches it has a result.
        assert ask(loops, head("GET", "/cancel-without-await")).status in (200, 503)
        assert fetch(loops, "/task") == ANSWERS["/task"]
        assert fetch(loops, "/task-without-await") is True


def test_a_generator_sees_its_handlers_context(loops: Server) -> None:
    assert ask(loops, head("GET", "/context-stream/9")).body == b"9 9 9 "
    assert fetch(loops, "/context-now") == -1


def test_a_task_may_outlive_its_request(loops: Server) -> None:
    before = len(fetch(loops, "/background-ran"))
    fetch(loops, "/background")
    eventually(lambda: len(fetch(loops, "/background-ran")) == before + 1)


# ---- exceptions ------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [False, True])
def test_http_exceptions(loops: Server, wait: bool) -> None:
    answer = ask(loops, head("GET", f"/http-exception?wait={wait}"))
    assert answer.status == 418 and answer.body == b'{"detail":{"k":1}}'
    assert answer.header("x-tea") == "green" and answer.header("content-type") == "application/json"


@pytest.mark.parametrize("path", ["/fails", "/fails?wait=true", "/fails-in-thread"])
def test_unhandled_exceptions(loops: Server, path: str) -> None:
    before = loops.log.count("ValueError: the secret reason")
    answer = ask(loops, head("GET", path))
    assert answer.status == 500 and answer.body == b"Internal Server Error"
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    eventually(lambda: loops.log.count("ValueError: the secret reason") == before + 1)
    assert "Traceback (most recent call last)" in loops.log


@pytest.mark.parametrize(("path", "status"), [("/timeout-uncaught", 500), ("/not-json", 500), ("/exits", 503)])
def test_other_ends(loops: Server, path: str, status: int) -> None:
    assert ask(loops, head("GET", path)).status == status
    assert fetch(loops, "/task") == ANSWERS["/task"]


def test_exception_handlers(loops: Server) -> None:
    answer = ask(loops, head("GET", "/custom"))
    assert answer.status == 409 and answer.body == b'{"custom":"yes"}'


@pytest.mark.parametrize("loop", BACKENDS)
def test_the_traceback_is_shown_in_debug(loop: str) -> None:
    with backend(loop, "loops:app", "--debug") as server:
        for path in ("/fails", "/fails?wait=true", "/fails-in-thread"):
            answer = ask(server, head("GET", path))
            assert answer.status == 500
            assert b"Traceback (most recent call last)" in answer.body and b"the secret reason" in answer.body
        answer = ask(server, head("GET", "/fails", "Accept: text/html"))
        assert answer.header("content-type") == "text/html; charset=utf-8" and b"<pre>" in answer.body
