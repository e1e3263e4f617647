import asyncio
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from covet.checks import ConfigError
from covet.options import ServeOptions
from covet.supervisor.backoff import Backoff
from covet.supervisor.blocked import place_of
from covet.supervisor.errors import StartFailed, WorkerFailed
from covet.supervisor.options import SupervisorOptions, options_for
from covet.supervisor.reload import FileWatch, Patterns
from covet.supervisor.tables import Tables

ROUTE = {"id": 1, "methods": ["GET"], "path": "/a", "constant": None}
CONFIG = {"routes": [ROUTE], "forward_unmatched": False, "redirect_slashes": True, "keepalive_timeout_ms": 5}


class FakeEngine:
    """Takes tables, and does nothing else."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.installed: list[Mapping[str, Any]] = []
        self.freed = False

    def install(self, config: Mapping[str, Any]) -> int:
        self.installed.append(config)
        if config["routes"] == "unusable":
            raise RuntimeError("the routes cannot be used")
        return len(self.installed) + 1

    def event_fd(self) -> int:
        return 0

    def free(self) -> None:
        self.freed = True


def tables(make: Any = FakeEngine) -> Tables:
    return Tables(make, ServeOptions(port=0), 4)


def test_the_first_worker_makes_the_engine() -> None:
    known = tables()
    assert not known.made
    with pytest.raises(RuntimeError):
        _ = known.engine
    assert known.number_of(CONFIG, renew=False) == 1
    engine = known.engine
    assert isinstance(engine, FakeEngine)
    assert engine.config["places"] == 4
    assert engine.config["listeners"] == [{"network": "tcp", "address": "127.0.0.1:0"}]
    known.close()
    assert engine.freed and not known.made


def test_equal_routes_have_the_same_table() -> None:
    known = tables()
    assert known.number_of(CONFIG, renew=False) == 1
    assert known.number_of({**CONFIG, "keepalive_timeout_ms": 6}, renew=False) == 1
    assert known.number_of(dict(CONFIG), renew=True) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"routes": [{**ROUTE, "path": "/b"}]}, "its route 1 is GET /b; the first one's is GET /a"),
        ({"routes": [ROUTE, ROUTE]}, "it has 2 routes; the first one has 1"),
        ({"routes": [{**ROUTE, "constant": {"status": 200}}]}, "GET /a with the constant"),
        ({"redirect_slashes": False}, "redirect_slashes is another"),
    ],
)
def test_other_routes_are_refused_unless_they_may_be_new(change: dict[str, Any], said: str) -> None:
    known = tables()
    known.number_of(CONFIG, renew=False)
    with pytest.raises(WorkerFailed, match=said):
        known.number_of({**CONFIG, **change}, renew=False)
    assert known.number_of({**CONFIG, **change}, renew=True) == 2
    assert known.number_of({**CONFIG, **change}, renew=False) == 2
    assert known.number_of(CONFIG, renew=True) == 3, "the engine does not go back to an older table"


def test_routes_that_the_engine_refuses_fail_the_worker() -> None:
    known = tables()
    known.number_of(CONFIG, renew=False)
    with pytest.raises(WorkerFailed, match="cannot be used"):
        known.number_of({**CONFIG, "routes": "unusable"}, renew=True)
    assert known.number_of(CONFIG, renew=False) == 1


def test_an_engine_that_cannot_be_made_fails_the_start() -> None:
    def make(config: Mapping[str, Any]) -> FakeEngine:
        raise RuntimeError("listen tcp:127.0.0.1:0: permission denied")

    with pytest.raises(
        StartFailed, match=r"\[Errno 13\] error while attempting to bind on address .*permission denied"
    ):
        tables(make).number_of(CONFIG, renew=False)


def test_starts_wait_longer_and_longer() -> None:
    backoff = Backoff()
    waits = []
    for _ in range(10):
        backoff.died(0.5)
        waits.append(backoff.seconds)
    assert waits == [0, 0, 1, 2, 4, 8, 16, 30, 30, 30]
    backoff.died(11)
    assert backoff.seconds == 0


def test_deaths_that_are_far_apart_do_not_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff = Backoff()
    for minute in range(10):
        monkeypatch.setattr("time.monotonic", lambda now=minute * 61.0: now)
        backoff.died(1)
    assert backoff.seconds == 0


def test_a_pause_ends_when_there_is_reason_for_hope() -> None:
    async def scenario() -> None:
        backoff = Backoff()
        for _ in range(20):
            backoff.died(0)
        pause = asyncio.ensure_future(backoff.pause())
        await asyncio.sleep(0)
        assert not pause.done()
        backoff.reset()
        await pause
        await backoff.pause()

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_the_place_is_the_applications_innermost_frame() -> None:
    library = sysconfig.get_path("stdlib")
    covet = Path(sys.modules["covet"].__file__ or "").parent
    frames = [(f"{library}/ssl.py", 1), ("/srv/shop/db.py", 7), ("/srv/shop/main.py", 30), (f"{covet}/lane.py", 2)]
    text = "Stack (most recent call first):\n" + "".join(f'  File "{f}", line {n} in x\n' for f, n in frames)
    assert place_of(text) == "/srv/shop/db.py:7"
    assert place_of(f'Stack:\n  File "{library}/a.py", line 3 in f\n') == f"{library}/a.py:3"
    assert place_of('  File "<string>", line 1 in x\n  File "/srv/a b.py", line 2 in y\n') == "/srv/a b.py:2"
    assert place_of("") == ""


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("app.py", True),
        ("shop/deep/app.py", True),
        ("app.pyc", False),
        (".venv/lib/app.py", False),
        ("shop/.hidden.py", False),
        ("page.html", True),
        ("page.txt", False),
        ("tests/test_app.py", False),
        ("build/app.py", False),
    ],
)
def test_files_that_matter(path: str, matters: bool, tmp_path: Path) -> None:
    patterns = Patterns(["*.html"], ["test_*.py", str(tmp_path / "build")], [tmp_path])
    assert patterns.fit(tmp_path / path) is matters


def test_a_hidden_folder_may_be_watched_itself(tmp_path: Path) -> None:
    assert Patterns([], [], [tmp_path / ".work"]).fit(tmp_path / ".work" / "app.py")


def test_a_folder_to_watch_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        FileWatch(ServeOptions(reload_dirs=(str(tmp_path / "none"),)))


def test_reload_needs_watchfiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(ConfigError, match="pip install watchfiles"):
        FileWatch(ServeOptions())


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="workers must be from 1 to 64"):
        SupervisorOptions("m:app", workers=65)
    with pytest.raises(ConfigError, match="workers must be from 2 to 4"):
        SupervisorOptions("m:app", workers=5, workers_min=2, workers_max=4)
    assert SupervisorOptions("m:app", workers=1).most == max(5, os.cpu_count() or 1)
    assert SupervisorOptions("m:app", workers=30).most == max(60, os.cpu_count() or 1)
    assert SupervisorOptions("m:app", workers=64).most == 64


def test_the_command_lines_options_become_the_supervisors() -> None:
    plain = options_for("m:app", ServeOptions(workers=3), {"debug": True})
    assert (plain.workers, plain.workers_min, plain.autoscale, plain.settings) == (3, 1, False, {"debug": True})
    assert options_for("m:app", ServeOptions(reload=True), {}).workers == 1
    scaled = options_for("m:app", ServeOptions(workers="auto", workers_min=2, workers_max=5), {})
    assert (scaled.workers_min, scaled.most, scaled.autoscale) == (2, 5, True)
    fixed = options_for("m:app", ServeOptions(workers_min=3, workers_max=3), {})
    assert (fixed.workers, fixed.most, fixed.autoscale) == (3, 3, False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (8, 8, 8, False)),
        ({"workers_max": 16}, (8, 8, 16, True)),
        ({"workers_max": 4}, (4, 4, 4, False)),
        ({"workers_min": 2}, (8, 2, 8, True)),
        ({"workers_min": 12}, (12, 12, 12, False)),
    ],
)
def test_auto_begins_with_a_worker_for_each_cpu(
    given: dict[str, int], expected: tuple[int, int, int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("covet.supervisor.options.available_cpus", lambda: 8)
    found = options_for("m:app", ServeOptions(workers="auto", **given), {})  # type: ignore[arg-type]
    assert (found.workers, found.workers_min, found.workers_max, found.autoscale) == expected
