"""Which worker gets a request, and what happens while one of them is busy."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .crew import crew_of, until


def test_a_blocked_worker_delays_only_what_it_has_begun(tmp_path: Path) -> None:
    with crew_of(tmp_path, 2) as crew, ThreadPoolExecutor(40) as pool:
        clients = [crew.client() for _ in range(32)]
        for client in clients:
            client.get("/pid")
        blocked = pool.submit(clients[0].get, "/block/8")
        until(lambda: sum(worker["begun"] for worker in crew.engine.status()["workers"]) == 33)
        began = time.monotonic()
        for _ in range(3):
            assert all(answer.status_code == 200 for answer in pool.map(lambda c: c.get("/pid"), clients[1:]))
        assert not blocked.done(), f"93 requests took {time.monotonic() - began:.1f} s"
        assert blocked.result().status_code == 200
        events = until(lambda: [e for e in crew.engine.events() if e["event"] == "unblocked"])
        assert events[0]["seconds"] > 7


def test_a_blocked_event_loop_is_reported(tmp_path: Path) -> None:
    with crew_of(tmp_path, 1) as crew, ThreadPoolExecutor(2) as pool, crew.client() as client:
        answer = pool.submit(client.get, "/block/3")
        event = until(lambda: [e for e in crew.engine.events() if e["event"] == "blocked"])[0]
        assert event["place"] == 0
        assert event["seconds"] >= 1
        assert crew.engine.status()["workers"][0]["blocked"] >= 1
        assert not answer.done()
        assert until(lambda: [e for e in crew.engine.events() if e["event"] == "unblocked"])
        assert crew.engine.status()["workers"][0]["blocked"] == 0


def test_a_retired_worker_gets_nothing_more(tmp_path: Path) -> None:
    with crew_of(tmp_path, 2) as crew, crew.client() as client:
        crew.engine.retire(0)
        pids = {client.get("/pid").json()["pid"] for _ in range(50)}
        assert pids == {crew.workers[1].pid}
        assert crew.kill(0) == {"moved": 0, "repeated": 0, "failed": 0}
        crew.hire(0)
        crew.engine.retire(1)
        assert client.get("/pid").json()["pid"] == crew.workers[0].pid


def test_workers_share_what_one_cannot_do_alone(tmp_path: Path) -> None:
    with crew_of(tmp_path, 3) as crew, ThreadPoolExecutor(32) as pool:
        clients = [crew.client() for _ in range(24)]
        answers = list(pool.map(lambda client: client.get("/block/0.05"), clients))
        assert len({answer.json()["pid"] for answer in answers}) == 3


def test_other_routes_come_with_their_workers(tmp_path: Path) -> None:
    with crew_of(tmp_path, 1) as crew, crew.client() as client:
        assert client.get("/new").status_code == 404
        table = crew.engine.install(crew.config("moin"))
        assert table == 2
        assert client.get("/new").status_code == 404, "they count when their first worker is admitted"
        crew.hire(1, table, "moin")
        assert client.get("/new").json() == "moin"
        assert client.get("/pid").json() == {"pid": crew.workers[1].pid, "greeting": "moin"}
        crew.engine.retire(0)
        crew.kill(0)
        assert client.get("/new").json() == "moin"


def test_start_without_a_worker(tmp_path: Path) -> None:
    with crew_of(tmp_path, 0) as crew, crew.client() as client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, "/pid")
        until(lambda: crew.engine.status()["connections"])
        crew.hire(0)
        assert answer.result().status_code == 200


def test_a_slow_handler_keeps_no_finished_answer_waiting(tmp_path: Path) -> None:
    with crew_of(tmp_path, 1) as crew, ThreadPoolExecutor(4) as pool:
        one, two, three = (crew.client() for _ in range(3))
        one.get("/block/0.1")  # it is known to be slow now
        pool.submit(one.get, "/block/1")
        until(lambda: crew.engine.status()["workers"][0]["begun"] == 2)
        quick = pool.submit(two.get, "/pid")
        until(lambda: crew.engine.status()["queued"] == 1)
        slow = pool.submit(three.get, "/block/5")
        until(lambda: crew.engine.status()["queued"] == 2)
        assert quick.result().status_code == 200
        assert not slow.done()
