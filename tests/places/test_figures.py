"""The engine's figures are the same in each worker."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .crew import Crew, crew_of, until


def from_each(crew: Crew) -> dict[int, dict[str, Any]]:
    """What each worker tells, by its process: those that answer while the others are blocked."""
    told: dict[int, dict[str, Any]] = {}
    with ThreadPoolExecutor(8) as pool, crew.client() as client:
        while len(told) < len(crew.workers):
            blocked = [pool.submit(crew.client().get, "/block/0.02") for _ in range(len(crew.workers) - 1)]
            answer = client.get("/figures").json()
            told[answer["pid"]] = answer
            for one in blocked:
                one.result()
    return told


def test_the_same_in_each_worker(tmp_path: Path) -> None:
    with crew_of(tmp_path, 2) as crew:
        told = from_each(crew)
        status = crew.engine.status()
        assert told.keys() == {worker.pid for worker in crew.workers.values()}
        for answer in told.values():
            assert [worker["pid"] for worker in answer["workers"]] == [crew.workers[0].pid, crew.workers[1].pid]
            assert {worker["state"] for worker in answer["workers"]} == {"admitted"}
            assert 2 <= answer["requests"] <= status["requests"]
            assert 1 <= answer["connections"] <= status["accepted"]
            assert answer["uptime"] <= status["uptime"] < answer["uptime"] + 60


def test_what_the_engine_says_of_workers(tmp_path: Path) -> None:
    with crew_of(tmp_path, 3) as crew, crew.client() as client:
        crew.engine.retire(1)
        crew.kill(2)
        told = client.get("/figures").json()["workers"]
        assert [(worker["worker"], worker["state"]) for worker in told] == [(1, "admitted"), (2, "retired")]
        assert told[0]["in_flight"] == 1
        crew.hire(2)
        assert len(client.get("/figures").json()["workers"]) == 3


def test_blocked_workers_and_their_queue(tmp_path: Path) -> None:
    with crew_of(tmp_path, 2) as crew, ThreadPoolExecutor(2) as pool, crew.client() as client:
        blocked = pool.submit(crew.client().get, "/block/3")
        until(lambda: any(worker["blocked"] for worker in crew.engine.status()["workers"]))
        told = client.get("/figures").json()
        [other] = [worker for worker in told["workers"] if worker["pid"] != told["pid"]]
        assert 1 <= other["blocked"] < 10
        assert not other["sleeping"]
        assert blocked.result().json()["pid"] == other["pid"]
        until(lambda: not any(worker["blocked"] for worker in crew.engine.status()["workers"]))
        assert [worker["blocked"] for worker in client.get("/figures").json()["workers"]] == [0, 0]


def test_the_queue_with_and_without_a_worker(tmp_path: Path) -> None:
    """A retired worker that is still at work sees what waits for another one, and what is left when that dies."""
    with crew_of(tmp_path, 1) as crew, ThreadPoolExecutor(16) as pool:
        told = [pool.submit(crew.client().get, f"/queue/{name}") for name in "ab"]
        until(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists())
        crew.hire(1)
        crew.engine.retire(0)
        blocked = pool.submit(crew.client().post, "/block/3600")
        until(lambda: crew.engine.status()["workers"][1]["begun"] == 1)
        waiting = [pool.submit(crew.client().get, "/pid") for _ in range(8)]
        until(lambda: crew.engine.status()["queued"] == 8)
        (tmp_path / "a.go").touch()
        assert told[0].result().json() == 8
        assert crew.kill(1) == {"moved": 8, "repeated": 0, "failed": 1}
        assert blocked.result().status_code == 502
        (tmp_path / "b.go").touch()
        assert told[1].result().json() == 8
        worker = crew.hire(2)
        assert {answer.result().json()["pid"] for answer in waiting} == {worker.pid}
