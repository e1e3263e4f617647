"""The server always ends, whatever its handlers do, and says what they do meanwhile."""

from __future__ import annotations

import re
import signal
import threading
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest
from wire.harness import Server

from workers.harness import HERE, alive, command, eventually, get, logged, printing, supervised, workers_of


def ask(server: Server, path: str) -> threading.Thread:
    """Asks in a thread, and does not mind what becomes of it."""

    def run() -> None:
        with suppress(OSError, HTTPException):
            get(server, path, 60)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_requests_finish_before_the_end() -> None:
    with supervised() as server:
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(get(server, "/sleep/1000")["pid"]))
        thread.start()
        time.sleep(0.3)
        workers = workers_of(server)
        server.process.send_signal(signal.SIGTERM)
        thread.join()
        assert set(answers) <= workers and answers
        assert server.process.wait(20) == 0


@pytest.mark.parametrize("path", ["/never", "/block/60000"])
def test_a_handler_that_never_returns_does_not_keep_it(path: str) -> None:
    with supervised(timeout_graceful_shutdown=0.5) as server:
        workers = workers_of(server)
        ask(server, path)
        logged(server, "holding" if path == "/never" else "event loop blocked")
        assert server.stop() == 0
        assert not [pid for pid in workers if alive(pid)]
        logged(server, "Timeout of the graceful shutdown exceeded, closing what is left")


def test_a_second_signal_forces_the_end() -> None:
    with supervised(timeout_graceful_shutdown=60) as server:
        ask(server, "/never")
        logged(server, "holding")
        server.process.send_signal(signal.SIGINT)
        logged(server, "Waiting for connections to close")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0


def test_the_echo_of_a_signal_is_not_a_second_one() -> None:
    with supervised() as server:
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(get(server, "/sleep/1000")["pid"]))
        thread.start()
        time.sleep(0.3)
        for _ in range(3):
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        thread.join()
        assert answers
        assert server.process.wait(20) == 0


def test_a_signal_during_the_start_ends_it(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with printing(command("slow:app", app_dir=tmp_path)) as server:
        logged(server, "importing")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@pytest.mark.parametrize(
    ("path", "code"),
    [("/block/2500", "time.sleep"), ("/compute", "sum(repeat")],
    ids=["without the interpreter's lock", "with the interpreter's lock"],
)
def test_a_blocked_worker_is_named_with_the_place_in_its_code(path: str, code: str) -> None:
    with supervised() as server:
        thread = ask(server, path)
        found = logged(server, r"worker (\d): event loop blocked for (\d+\.\d) s at (.*):(\d+)$")
        lines = (HERE / "app.py").read_text().splitlines()
        assert found[3] == str(HERE / "app.py")
        assert code in lines[int(found[4]) - 1]
        assert float(found[2]) >= 1
        assert get(server, "/pid")["pid"] in workers_of(server)
        thread.join(30)
        again = logged(server, r"worker (\d): event loop runs again after (\d+\.\d) s")
        assert again[1] == found[1] and float(again[2]) >= 2
        assert not re.search("died|killing", server.log)


def test_a_worker_blocked_for_too_long_is_killed_only_when_asked() -> None:
    with supervised(timeout_worker_healthcheck=1.5) as server:
        ask(server, "/block/60000")
        logged(server, "event loop blocked for more than 1.5 s, killing it")
        logged(server, "died: it was killed by SIGKILL")
        eventually(lambda: len(workers_of(server)) == 2)
