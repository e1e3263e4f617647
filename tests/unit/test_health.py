"""Health and readiness."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from covet import CovetPy, Depends, HTTPException
from covet.checks import ConfigError
from covet.testclient import AsyncTestClient, TestClient
from covet.testing import LiveServer

UNAVAILABLE = {"status": "unavailable"}


def test_checks_of_all_kinds() -> None:
    app = CovetPy()
    threads: dict[str, str] = {}

    @app.health_check
    async def nothing() -> None:
        threads["nothing"] = threading.current_thread().name

    @app.health_check
    def true() -> bool:
        threads["true"] = threading.current_thread().name
        return True

    @app.health_check(name="database")
    def details() -> dict[str, Any]:
        return {"connections": 5}

    app.health_check(lambda: asyncio.sleep(0, True))

    with TestClient(app) as client:
        answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    ok = {"status": "ok"}
    assert answer.json() == {
        "status": "ok",
        "checks": {"nothing": ok, "true": ok, "database": {"status": "ok", "connections": 5}, "<lambda>": ok},
    }
    assert threads["nothing"] == "covet-test-loop"
    assert threads["true"].startswith("covet-thread")


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (False, UNAVAILABLE),
        ({"status": "degraded", "lag": 5}, {"status": "degraded", "lag": 5}),
        (OSError("password=secret"), {"status": "unavailable", "error": "OSError"}),
        ("fine", {"status": "unavailable", "error": "TypeError"}),
        (SystemExit(3), {"status": "unavailable", "error": "RuntimeError"}),
    ],
)
def test_checks_that_fail(result: Any, shown: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = CovetPy()

    @app.health_check
    def passes() -> bool:
        return True

    @app.health_check
    def fails() -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    answer = TestClient(app).get("/health")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "checks": {"passes": {"status": "ok"}, "fails": shown}}
    if isinstance(result, OSError):
        assert "password=secret" in caplog.text


def test_a_check_that_takes_too_long() -> None:
    app = CovetPy()
    release = threading.Event()

    @app.health_check(timeout=0.01)
    def blocks() -> None:
        release.wait(30)

    @app.health_check(timeout=0.01)
    async def hangs() -> None:
        await asyncio.sleep(3600)

    answer = TestClient(app).get("/health")
    release.set()
    error = {"status": "unavailable", "error": "no result within 0.01 seconds"}
    assert answer.json() == {"status": "unavailable", "checks": {"blocks": error, "hangs": error}}


def test_checks_run_at_the_same_time() -> None:
    app = CovetPy()
    gate = threading.Barrier(3)
    for number in range(3):
        app.health_check(lambda: gate.wait(30) < 3, name=str(number))  # type: ignore[call-overload]
    assert TestClient(app).get("/health").status_code == 200


def test_wrong_checks() -> None:
    app = CovetPy()
    with pytest.raises(TypeError, match="the check needy must take no arguments"):

        @app.health_check  # type: ignore[arg-type]
        def needy(request: object) -> None: ...

    assert TestClient(app).get("/health").status_code == 404
    app.health_check(bool)
    with pytest.raises(ValueError, match="two checks with the name bool"):
        app.health_check(bool)
    with pytest.raises(ConfigError, match="timeout"):
        app.health_check(timeout=-1)(int)


def test_readiness_waits_for_the_start() -> None:
    reached: list[Any] = []

    @asynccontextmanager
    async def lifespan(app: CovetPy) -> AsyncIterator[None]:
        outer = AsyncTestClient(app)
        reached.append((await outer.get("/ready")).json())
        yield
        reached.append((await outer.get("/ready")).json())

    app = CovetPy(lifespan=lifespan)

    @app.readiness_check
    async def passes() -> bool:
        return True

    @app.readiness_check(path="/readiness", name="other")
    async def fails() -> bool:
        return False

    async def main() -> None:
        before = await AsyncTestClient(app).get("/ready")
        assert (before.status_code, before.json()["reason"]) == (503, "starting")
        for _ in range(2):
            async with AsyncTestClient(app) as client:
                ready = await client.get("/ready")
                assert (ready.status_code, ready.json()) == (
                    200,
                    {"status": "ok", "checks": {"passes": {"status": "ok"}}},
                )
                assert (await client.get("/readiness")).status_code == 503
        assert (await AsyncTestClient(app).get("/ready")).status_code == 503

    asyncio.run(main())
    assert [(each["status"], each["reason"]) for each in reached] == [
        ("unavailable", "starting"), ("unavailable", "shutting down"),
    ] * 2  # fmt: skip


def test_an_application_without_a_start_is_ready() -> None:
    app = CovetPy()
    app.readiness_check(lambda: True)
    assert TestClient(app).get("/ready").status_code == 200


def test_readiness_behind_the_engine() -> None:
    """A request in work sees that the server waits for it to shut down."""
    app = CovetPy()
    begun, go_on = threading.Event(), threading.Event()
    seen: list[str | None] = []

    @app.readiness_check
    def passes() -> bool:
        return True

    @app.get("/slow")
    def slow() -> None:
        begun.set()
        go_on.wait(30)
        seen.append(app.why_not_ready())

    server = LiveServer(app)
    with server:
        assert server.client.get("/ready").json()["status"] == "ok"
        asking = threading.Thread(target=httpx.get, args=(f"{server.url}/slow",))
        asking.start()
        assert begun.wait(30)
        assert app.why_not_ready() is None
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        while app.why_not_ready() is None:
            pass
        go_on.set()
        asking.join()
        stopping.join()
    assert seen == ["shutting down"]


def test_dependencies_of_the_application_do_not_keep_probes_out() -> None:
    async def refuse() -> None:
        raise HTTPException(401)

    app = CovetPy(dependencies=[Depends(refuse)])
    app.health_check(lambda: True)

    @app.get("/")
    async def root() -> None: ...

    client = TestClient(app)
    assert (client.get("/").status_code, client.get("/health").status_code) == (401, 200)
