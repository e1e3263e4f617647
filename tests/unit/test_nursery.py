"""Worker processes that are forked of one."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from covet.control import Setup
from covet.supervisor.child import Child
from covet.supervisor.errors import WorkerFailed
from covet.supervisor.process import Nursery, Started, start

APPLICATION = "import os\nfrom covet import CovetPy\napp = CovetPy(title=str(os.getpid()))\napp.get('/a')(lambda: 1)\n"
GET_CHILD_SUBREAPER = 37


def setup(folder: Path, source: str = APPLICATION) -> Setup:
    """Has a worker import a module of this source."""
    (folder / "tried.py").write_text(source)
    return Setup(app="tried:app", path=[str(folder), *sys.path], log={"level": "info"})


OTHERS: set[int] = set()
"""Children that this process has from other tests."""


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Runs a scenario, which must leave neither descriptors nor processes."""
    before = os.listdir("/proc/self/fd")
    OTHERS.update(children())
    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert not children()


def children() -> set[int]:
    """This test's children, those that have ended and are not waited for included."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()} - OTHERS


def filled(nursery: Nursery) -> list[Started]:
    """All that wait there."""
    return list(iter(nursery.take, None))


def kilobytes(pid: int, name: str) -> int:
    """A figure of a process's memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def adopts_orphans() -> bool:
    answer = ctypes.c_int(-1)
    assert ctypes.CDLL(None).prctl(GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0
    return bool(answer.value)


def test_they_are_children_that_share_memory() -> None:
    async def scenario() -> None:
        nursery = Nursery(["covet.app", "no_such_module"])
        await nursery.fill(3)
        started = filled(nursery)
        pids = {one.process.pid for one in started}
        assert len(started) == len(pids) == 3
        assert children() == pids
        for pid in pids:
            assert kilobytes(pid, "Private_Dirty") < kilobytes(pid, "Shared_Dirty")
        for one in started:
            one.end()
        assert not adopts_orphans()

    run(scenario)


def test_they_become_workers(tmp_path: Path) -> None:
    async def scenario() -> None:
        nursery = Nursery()
        await nursery.fill(2)
        workers = [Child(place, setup(tmp_path), started=nursery.take()) for place in range(2)]
        assert children() == {worker.pid for worker in workers}
        for worker in workers:
            hello = await worker.hello
            assert "/a" in [route["path"] for route in hello.config["routes"]]
            assert await worker.traceback()
        workers[0].kill()
        assert await workers[0].ended == -signal.SIGKILL
        assert workers[1].alive
        workers[1].kill()
        await workers[1].ended

    run(scenario)


def test_their_exit_code_is_known(tmp_path: Path) -> None:
    async def scenario() -> None:
        nursery = Nursery()
        await nursery.fill(2)
        worker = Child(0, setup(tmp_path, "import os\nos._exit(5)"), started=nursery.take())
        with pytest.raises(WorkerFailed, match="ended with exit code 5"):
            await worker.hello
        assert await worker.ended == 5
        await nursery.clear()

    run(scenario)


def test_those_that_nobody_takes_end() -> None:
    async def scenario() -> None:
        nursery = Nursery()
        await nursery.fill(2)
        assert len(children()) == 2
        await nursery.clear()
        assert not children()
        filling = asyncio.create_task(nursery.fill(2))
        await asyncio.sleep(0)
        filling.cancel()
        await nursery.clear()
        assert nursery.take() is None

    run(scenario)


def test_one_that_dies_before_it_is_needed_fails_as_others_do(tmp_path: Path) -> None:
    async def scenario() -> None:
        nursery = Nursery()
        await nursery.fill(2)
        first = nursery.take()
        assert first is not None
        os.kill(first.process.pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="was killed by SIGKILL before it could serve"):
            await Child(0, setup(tmp_path), started=first).hello
        await nursery.clear()

    run(scenario)


def test_nothing_is_forked_beside_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    (tmp_path / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")

    async def scenario() -> None:
        nursery = Nursery()
        await nursery.fill(2)
        assert nursery.take() is None
        child = Child(0, setup(tmp_path))
        await child.hello
        child.kill()
        await child.ended

    run(scenario)


def test_a_process_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)

    async def scenario() -> None:
        nursery = Nursery()
        await nursery.fill(2)
        assert nursery.take() is None
        with pytest.raises(OSError, match="no more processes"):
            start()

    run(scenario)
    assert not adopts_orphans()
