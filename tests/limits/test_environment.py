"""The server in environments that leave it less than it would like."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from wire.harness import Reader, Server, serve

HERE = Path(__file__).parent
APP_DIR = HERE.parent / "wire"
GET = b"GET /items/5 HTTP/1.1\r\nHost: a\r\n\r\n"
SERVING = pytest.mark.parametrize("workers", [1, 2])


def command(*options: str) -> list[str]:
    """`covet run` with the wire tests' application."""
    run = [sys.executable, "-m", "covet", "run", "app:app", "--app-dir", str(APP_DIR), "--port", "0"]
    return [*run, "--no-access-log", *options]


def ask(server: Server, request: bytes = GET) -> int:
    """The status of one request on a connection of its own."""
    with server.connect(30) as connection:
        connection.sendall(request)
        return Reader(connection).answer().status


def eventually(condition: Callable[[], bool], limit: float = 30.0) -> None:
    """Waits until a condition is true."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def not_started(arguments: list[str]) -> str:
    """The log of a server that must end with the code of a failed start, without a traceback."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 3, done.stdout
    assert "Traceback" not in done.stdout and "goroutine" not in done.stdout and "running on" not in done.stdout
    return done.stdout


# ---- without io_uring ------------------------------------------------------------


@SERVING
def test_nobody_without_io_uring(workers: int) -> None:
    """A container's usual profile: not root, and io_uring refused."""
    launcher = [sys.executable, str(HERE / "launcher.py")]
    with serve(command=[*launcher, *command("--workers", str(workers))]) as server:
        assert "WARNING:  io_uring is not usable, using epoll: io_uring_setup: operation not permitted" in server.log
        assert server.log.count("using epoll") == 1
        if os.geteuid() == 0:
            assert os.stat(f"/proc/{server.process.pid}").st_uid == 65534
        for _ in range(20):
            assert ask(server) == 200
        body = b"x" * 300_000
        head = f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        assert ask(server, head + body) == 200
        assert server.stop() == 0


# ---- few descriptors -------------------------------------------------------------


@SERVING
@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_accepting_pauses_when_descriptors_are_used_up(workers: int, backend: str) -> None:
    limit = ["prlimit", "--nofile=64"]
    with (
        serve(command=[*limit, *command("--workers", str(workers))], env={"WIRE_BACKEND": backend}) as server,
        ExitStack() as stack,
    ):
        clients = [stack.enter_context(server.connect(30)) for _ in range(80)]
        for client in clients:
            client.sendall(GET)
        served = clients[0]
        assert Reader(served).answer().status == 200
        eventually(lambda: "accepting pauses: too many open files" in server.log)
        served.sendall(GET)
        assert Reader(served).answer().status == 200, "those that are connected are served"
        assert server.log.count("accepting pauses") < 20, "it says so without flooding the log"
        # As connections close, those that wait in the backlog are accepted and answered.
        for client in clients[1:40]:
            client.close()
        for client in clients[40:]:
            assert Reader(client).answer().status == 200
        stack.close()
        assert ask(server) == 200
        assert server.stop() == 0


@SERVING
def test_too_few_descriptors_to_start(workers: int) -> None:
    log = not_started(["prlimit", "--nofile=16", *command("--workers", str(workers))])
    assert "too many open files" in log.lower()


# ---- little memory ---------------------------------------------------------------


@SERVING
@pytest.mark.parametrize(("limit_mib", "pool"), [(700, "1GB"), (1500, "1GB"), (2100, "4GB"), (1200, "16MB")])
def test_too_little_address_space_for_the_engine(workers: int, limit_mib: int, pool: str) -> None:
    limit = ["prlimit", f"--as={limit_mib << 20}"]
    log = not_started([*limit, *command("--workers", str(workers), "--memory-pool-size", pool)])
    (error,) = (line for line in log.splitlines() if line.startswith("ERROR:"))
    assert f"of the limit of {limit_mib} MiB (ulimit -v) less than that is left" in error
    assert "memory_pool_size" in error


def test_a_small_pool_fits_into_little_address_space() -> None:
    limit = ["prlimit", f"--as={2600 << 20}"]
    with serve(command=[*limit, *command("--memory-pool-size", "16MB")]) as server:
        assert ask(server) == 200
        assert server.stop() == 0


# ---- few CPUs --------------------------------------------------------------------


def most_workers_are(server: Server, most: int) -> None:
    """Asks for more workers than there are to be."""
    for _ in range(most):
        server.process.send_signal(signal.SIGTTIN)
        time.sleep(0.1)  # signals that are pending are merged
    eventually(lambda: f"The number of processes stays {most}." in server.log)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one CPU at any rate")
def test_auto_heeds_the_affinity() -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    with serve(command=["taskset", "-c", cpu, *command("--workers", "auto")]) as server:
        assert ask(server) == 200
        most_workers_are(server, 1)


@contextmanager
def half_a_cpu() -> Iterator[Path]:
    """A control group with a quota of half a CPU, of version 2 or 1; skips the test where none can be made."""
    for parent, write in (
        (Path("/sys/fs/cgroup"), {"cpu.max": "50000 100000"}),
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}),
    ):
        group = parent / f"covet-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if not all((group / name).exists() for name in write):
                continue
            for name, value in write.items():
                (group / name).write_text(value)
            yield group
            return
        except OSError:
            continue
        finally:
            with suppress(OSError):
                group.rmdir()
    pytest.skip("no control group with a CPU quota can be made here")


def test_auto_heeds_the_quota() -> None:
    with half_a_cpu() as group:
        enter = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        with serve(command=[*enter, *command("--workers", "auto")]) as server:
            assert ask(server) == 200
            most_workers_are(server, 1)
            assert server.stop() == 0
