"""The rule for the number of workers: its parts, and what it does under simulated loads."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covet.scaling import PATIENCE_SECONDS, Sample, Scaler, worker_range

from .workload import Request, Simulation


@pytest.mark.parametrize(
    ("minimum", "maximum", "cpus", "expected"),
    [
        (None, None, 4, (4, 4)),
        (None, None, 1, (1, 1)),
        (None, 8, 4, (4, 8)),
        (None, 2, 4, (2, 2)),
        (2, None, 4, (2, 4)),
        (8, None, 4, (8, 8)),
        (1, 16, 4, (1, 16)),
    ],
)
def test_the_limits(minimum: int | None, maximum: int | None, cpus: int, expected: tuple[int, int]) -> None:
    assert worker_range(minimum, maximum, cpus) == expected


def test_the_first_target() -> None:
    assert Scaler(1, 8, 4).target == 4
    assert Scaler(6, 8, 4).target == 6
    assert Scaler(1, 2, 4).target == 2
    assert Scaler(4, 4, 4).fixed
    assert not Scaler(1, 4, 4).fixed
    for limits in [(0, 1), (3, 2), (-1, 0)]:
        with pytest.raises(ValueError, match="1 <= minimum <= maximum"):
            Scaler(*limits, 1)


def feed(scaler: Scaler, start: int, count: int, **seen: float) -> list[int]:
    """Targets after each of some equal samples, a second apart, in which every worker serves."""
    targets = []
    for second in range(start, start + count):
        sample = Sample(time=second, **{"workers": scaler.target, "queued": 0} | seen)  # type: ignore[arg-type]
        targets.append(scaler.decide(sample))
    return targets


def test_growth_takes_a_queue_that_stays() -> None:
    scaler = Scaler(1, 8, 1)
    assert feed(scaler, 0, 4, queued=5) == [1, 1, 1, 2]
    scaler = Scaler(1, 8, 1)
    for start in range(0, 60, 4):
        assert feed(scaler, start, 2, queued=5) == [1, 1]
        assert feed(scaler, start + 2, 2, queued=0) == [1, 1]


def test_no_growth_without_a_cpu_to_run_on() -> None:
    assert set(feed(Scaler(1, 8, 2), 0, 100, queued=50, cpu=1.95, awake=2)) == {2}
    assert set(feed(Scaler(1, 8, 2), 0, 100, queued=50, cpu=1.2, engine_cpu=0.5, awake=2)) == {2}
    assert feed(Scaler(1, 8, 2), 0, 5, queued=50, cpu=1.0, awake=2)[-1] == 3


def test_blocked_workers_are_replaced_whatever_the_cpus_do() -> None:
    assert feed(Scaler(1, 8, 2), 0, 4, queued=50, cpu=2.0, awake=2, blocked=2)[-1] == 4


def test_no_more_workers_than_requests_that_wait() -> None:
    scaler = Scaler(8, 16, 8)
    first = next(target for target in feed(scaler, 0, 100, queued=1) if target > 8)
    assert first == 9


def test_nothing_is_decided_while_workers_start_or_end() -> None:
    scaler = Scaler(1, 8, 1)
    assert feed(scaler, 0, 4, queued=9)[-1] == 2
    assert set(feed(scaler, 4, 100, queued=9, workers=1)) == {2}
    assert feed(scaler, 104, 4, queued=9, workers=2)[-1] == 3


def test_a_gap_is_forgotten() -> None:
    scaler = Scaler(1, 8, 1)
    feed(scaler, 0, 3, queued=9)
    assert feed(scaler, 60, 3, queued=9) == [1, 1, 1]


def test_rest_shrinks_slowly_to_the_minimum() -> None:
    scaler = Scaler(2, 16, 16)
    targets = feed(scaler, 0, 1000)
    assert targets[: int(PATIENCE_SECONDS)] == [16] * int(PATIENCE_SECONDS)
    assert targets[-1] == 2
    assert sorted(targets, reverse=True) == targets
    assert max(a - b for a, b in pairwise(targets)) == 4


def test_workers_that_would_be_missed_stay() -> None:
    assert feed(Scaler(1, 4, 4), 0, 1000, awake=2)[-1] == 4
    assert feed(Scaler(1, 4, 4), 0, 1000, cpu=1.2)[-1] == 3


def test_regret_makes_patient() -> None:
    """Workers that were missed at once are kept for longer the next time."""
    scaler = Scaler(1, 2, 2)
    now, rests = 0, []
    for _ in range(6):
        began = now
        while scaler.target == 2:
            feed(scaler, now, 1)
            now += 1
        rests.append(now - began)
        while scaler.target == 1:
            feed(scaler, now, 1, queued=9)
            now += 1
    assert rests[0] < 70
    assert all(1.7 * a < b for a, b in pairwise(rests[:5]))
    assert rests[5] < 1000


def test_moved_by_hand() -> None:
    scaler = Scaler(1, 4, 2)
    assert [scaler.move(1), scaler.move(1), scaler.move(1), scaler.move(-9)] == [3, 4, 4, 1]


@settings(max_examples=200, deadline=None)
@given(
    limits=st.tuples(st.integers(1, 64), st.integers(1, 64)).map(sorted),
    cpus=st.integers(0, 64),
    samples=st.lists(
        st.tuples(
            st.floats(-10, 100, allow_nan=False),
            st.integers(-3, 1),
            st.integers(0, 100_000),
            st.floats(0, 64),
            st.integers(0, 64),
            st.integers(0, 64),
        ),
        max_size=200,
    ),
)
def test_whatever_is_seen_the_limits_hold(
    limits: list[int], cpus: int, samples: list[tuple[float, int, int, float, int, int]]
) -> None:
    minimum, maximum = limits
    scaler = Scaler(minimum, maximum, cpus)
    now = 0.0
    for passed, missing, queued, cpu, awake, blocked in samples:
        now += passed
        workers = max(0, scaler.target + min(missing, 0))
        target = scaler.decide(Sample(now, workers, queued, cpu, 0.1, awake, blocked))
        assert minimum <= target <= maximum
        assert target == scaler.target


# ---- under load -----------------------------------------------------------------


def computing(seconds: float) -> Request:
    return Request(cpu=RANDOM.expovariate(1 / seconds))


def waiting(seconds: float) -> Request:
    return Request(wait=RANDOM.expovariate(1 / seconds))


RANDOM = random.Random(7)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    RANDOM.seed(7)


def test_load_on_cpus_gets_its_cpus() -> None:
    """Handlers that compute, 2.4 of 4 CPUs, beginning with one worker."""
    scaler = Scaler(1, 8, 4)
    scaler.move(-3)
    run = Simulation(scaler, 4, lambda: computing(0.02), lambda _: 120)
    run.run(30)
    assert 3 <= run.workers <= 4
    run.run(900)
    assert len(run.changes(30)) <= 2
    assert 3 <= run.workers <= 5
    assert run.queued < 20


def test_full_cpus_get_no_more_workers() -> None:
    run = Simulation(Scaler(1, 16, 2), 2, lambda: computing(0.01), clients=32, engine_cpu=0.3)
    run.run(300)
    assert run.queued > 20
    assert run.changes(0) == []


def test_little_load_needs_one_worker() -> None:
    run = Simulation(Scaler(1, 4, 4), 4, lambda: computing(0.01), lambda _: 20)
    run.run(600)
    assert run.changes(0) == [3, 2, 1]


def test_waiting_outside_the_event_loop_needs_no_worker() -> None:
    """Handlers that await: two hundred at a time are one worker's work."""
    run = Simulation(Scaler(1, 4, 4), 4, lambda: Request(cpu=0.001, idle=1.0), lambda _: 200)
    run.run(300)
    assert run.changes(0) == [3, 2, 1]
    assert run.slowest < 1.1


@pytest.mark.parametrize("needed", [1.5, 2.5, 4.0])
def test_waiting_within_the_event_loop_needs_workers(needed: float) -> None:
    """Handlers that call a database without await: the CPUs rest, and yet more workers than CPUs are needed."""
    run = Simulation(Scaler(1, 16, 2), 2, lambda: waiting(0.1), lambda _: needed * 10)
    run.run(60)
    assert run.workers > needed
    run.run(1800)
    assert needed < run.workers <= 2.5 * needed
    assert len(run.changes(60)) <= 6
    assert run.queued < 30


def test_bursts_are_met_and_forgotten() -> None:
    """A minute of 3 CPUs' load in every ten minutes: growth within seconds, the minimum long before the next one."""
    run = Simulation(Scaler(1, 8, 4), 4, lambda: computing(0.02), lambda now: 150 if now % 600 < 60 else 5)
    for burst in (600, 1200):
        run.run(burst - 10)
        assert run.workers == 1
        run.run(burst + 20)
        assert 3 <= run.workers <= 5
        assert run.queued < 400
    assert run.slowest < 10


def test_short_bursts_do_not_make_it_swing() -> None:
    """Six busy seconds in every thirty, for an hour."""
    run = Simulation(Scaler(1, 8, 4), 4, lambda: computing(0.03), lambda now: 100 if now % 30 < 6 else 3)
    run.run(1200)
    early = len(run.changes(0))
    run.run(3600)
    assert early <= 8
    assert len(run.changes(1200)) <= 8


def test_blocked_workers_do_not_stop_the_others_work() -> None:
    """Both workers are blocked for a minute while requests come."""
    blocks = iter([True, True])
    run = Simulation(
        Scaler(2, 8, 2), 2, lambda: Request(wait=60.0) if next(blocks, False) else Request(cpu=0.002), lambda _: 100
    )
    run.run(20)
    assert run.workers >= 4
    assert run.queued < 10
    run.run(900)
    assert run.workers == 2


def test_a_server_at_rest_comes_to_its_minimum() -> None:
    run = Simulation(Scaler(2, 8, 8), 8, lambda: computing(0.01), lambda now: 100 if now < 10 else 0)
    run.run(600)
    assert run.changes(0) == [6, 5, 4, 3, 2]
