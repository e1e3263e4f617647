"""The engine's figures, read from the channel."""

from __future__ import annotations

import ctypes
import os
import time

from native.engine import Engine, attach


def test_all_figures(lib: ctypes.CDLL) -> None:
    engine = Engine(lib)
    runner = attach(engine)
    names = ["connections", "accepted", "requests", "in_flight", "refused", "held"]
    assert runner.figures() == dict.fromkeys(["uptime", *names[:5], "queued"], 0)
    for number, name in enumerate(names, 1):
        engine.show(name, number * 2**33)
    engine.show("started_at", time.monotonic_ns() - 10**10)
    told = runner.figures()
    assert [told[name] for name in [*names[:5], "queued"]] == [number * 2**33 for number in range(1, 7)]
    assert 10 <= told["uptime"] < 40
    engine.show("started_at", time.monotonic_ns() + 10**12)
    assert runner.figures()["uptime"] == 0
    runner.close()
    assert runner.figures() == {}
    assert runner.workers() == []
    engine.close()


def test_all_workers(lib: ctypes.CDLL) -> None:
    engine = Engine(lib)
    runner = attach(engine)
    [worker] = runner.workers()
    assert worker == {
        "worker": 1,
        "pid": os.getpid(),
        "state": "starting",
        "waiting": 0,
        "begun": 0,
        "finished": 0,
        "in_flight": 0,
        "sleeping": False,
        "blocked": 0.0,
    }
    for name, value in [("table", 1), ("begun", 2**40), ("finished", 2**40 - 3), ("inbox_tail", 9), ("sleeping", 1)]:
        engine.show(name, value)
    engine.show("blocked_since", time.monotonic_ns() - 5 * 10**9)
    [worker] = runner.workers()
    assert (worker["state"], worker["begun"], worker["in_flight"]) == ("admitted", 2**40, 3)
    assert (worker["waiting"], worker["sleeping"]) == (9, True)
    assert 5 <= worker["blocked"] < 35
    assert runner.figures()["queued"] == 9
    for name, value in [("inbox_tail", 0), ("finished", 2**41), ("state", 2)]:
        engine.show(name, value)
    [worker] = runner.workers()
    assert (worker["state"], worker["in_flight"], worker["waiting"]) == ("retired", 0, 0)
    engine.show("inbox_head", 5)
    assert runner.workers()[0]["waiting"] == 0
    engine.show("inbox_head", 0)
    for absent in (0, 3, 77):
        engine.show("state", absent)
        assert runner.workers() == []
    runner.close()
    engine.close()
