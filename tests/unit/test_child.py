import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from covet.control import Setup
from covet.supervisor.child import Child, describe_end
from covet.supervisor.errors import WorkerFailed


@pytest.fixture(params=["with a pidfd", "without a pidfd"], autouse=True)
def _system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without a pidfd":

        def refuse(pid: int) -> int:
            raise OSError("not implemented")

        monkeypatch.setattr(os, "pidfd_open", refuse)


def setup(folder: Path, source: str) -> Setup:
    """Has a worker import a module of this source."""
    (folder / "tried.py").write_text(source)
    return Setup(app="tried:app", path=[str(folder), *sys.path], log={"level": "info"})


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_worker_that_cannot_serve_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        child = Child(0, setup(tmp_path, "1 / 0\n"))
        with pytest.raises(WorkerFailed, match="Error loading the application") as failure:
            await child.hello
        assert "ZeroDivisionError" in failure.value.trace
        assert await child.ended == 3
        assert not child.alive and child.closed.is_set()

    before = descriptors()
    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert descriptors() == before


def test_a_worker_says_hello_and_can_be_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        child = Child(2, setup(tmp_path, "from covet import CovetPy\napp = CovetPy()\napp.get('/a')(lambda: 1)\n"))
        assert child.name == "worker 3"
        hello = await child.hello
        assert "/a" in [route["path"] for route in hello.config["routes"]]
        assert await child.traceback()
        child.kill()
        child.kill()
        assert await child.ended == -signal.SIGKILL
        with pytest.raises(WorkerFailed, match="was killed by SIGKILL before it could serve"):
            await child.ready
        child.kill()
        assert await child.traceback() == ""

    asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.mark.parametrize(
    ("code", "said"),
    [(0, "ended with exit code 0"), (-11, "was killed by SIGSEGV"), (-44, "was killed by signal 44")],
)
def test_ends_are_described(code: int, said: str) -> None:
    assert describe_end(code) == said
