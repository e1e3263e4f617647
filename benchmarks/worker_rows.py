"""Rows about many workers: their memory, and what replacing them costs the clients."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

from asking import asking
from measure import wrk
from rows import TYPED_BODY, TYPED_TARGET, Plan, Row, check_typed, say
from servers import Failed, Running, running

NOTES = ("covet-notes-4", "uvicorn-notes-4", "granian-notes-4")
NOTES_TARGET, NOTES_BODY = "/notes", '{"notes":[],"next":null}'
NOTES_CONNECTIONS = 256  # with fewer, some workers of some servers never get a request and stay small

RESTARTED = ("covet-2", "uvicorn-raw-2", "granian-raw-2")
WORKERS = 2
RESTARTS = 20
RESTART_PAUSE = 0.7
RESTART_SECONDS = 10.0  # after which the next restart is asked for even if this one is not done
STAYING, FRESH, ASK_PAUSE = 8, 4, 0.005


def run_memory_4(plan: Plan) -> Row:
    """Memory of four workers with the example application after load, of one server at a time."""
    row = Row("memory-4", "Memory of all processes, 4 workers with the example application, after load")
    say(row.title)
    for peer in plan.of(NOTES):
        try:
            with running(peer, plan.server_cpu) as server:
                server.check("GET", NOTES_TARGET, NOTES_BODY)
                wrk(
                    *(server, NOTES_TARGET),
                    seconds=plan.seconds,
                    connections=NOTES_CONNECTIONS,
                    cpu=plan.client_cpu,
                )
                memory = server.memory()
        except (Failed, OSError) as error:
            row.fail(peer.name, error)
            continue
        row.add("rss_mb", peer.name, memory.rss / 1e6)
        row.add("pss_mb", peer.name, memory.pss / 1e6)
    return row


def run_restarts(plan: Plan) -> Row:
    """Requests that fail while all workers are replaced again and again, of one server at a time."""
    row = Row("restarts", f"{RESTARTS} rolling restarts of {WORKERS} workers under load")
    say(row.title)
    for peer in plan.of(RESTARTED):
        try:
            with running(peer, plan.server_cpu) as server:
                check_typed(server)
                _wait_for_workers(server)
                load = {"staying": STAYING, "fresh": FRESH}
                with asking(server.port, TYPED_TARGET, TYPED_BODY, **load, pause=ASK_PAUSE) as seen:
                    time.sleep(RESTART_PAUSE)
                    replaced = sum(_restart(server) for _ in range(RESTARTS))
        except (Failed, OSError) as error:
            row.fail(peer.name, error)
            continue
        for figure, value in (
            *(("failed", seen.failed), ("asked", seen.asked)),
            *(("reopened", seen.reopened), ("replaced", replaced)),
        ):
            row.add(figure, peer.name, value)
        for reason, count in seen.reasons.most_common(3):
            say(f"  {peer.name}: {count} x {reason}")
    return row


def _restart(server: Running) -> int:
    """Has all workers replaced, and waits for that. Returns how many were."""
    before = set(server.pids())

    def gone() -> int:
        return len(before - set(server.pids()))

    begun = time.monotonic()
    server.process.send_signal(signal.SIGHUP)
    _wait(lambda: gone() >= WORKERS)
    time.sleep(max(0.0, begun + RESTART_PAUSE - time.monotonic()))
    if server.process.poll() is not None:
        raise Failed(f"a restart ended it with code {server.process.returncode}")
    return gone()


def _wait_for_workers(server: Running) -> None:
    _wait(lambda: len(server.pids()) > WORKERS)


def _wait(done: Callable[[], bool]) -> None:
    """Waits for something, for RESTART_SECONDS at most."""
    deadline = time.monotonic() + RESTART_SECONDS
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


ROWS = {"memory-4": run_memory_4, "restarts": run_restarts}
NAMES = tuple(ROWS)


def run_workers(plan: Plan) -> Iterator[Row]:
    """Those of these rows that are wanted, as they are done."""
    for name, run in ROWS.items():
        if plan.has(name):
            yield run(plan)
