"""Loading a server, and what that cost it."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import select
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from peers import APPS, LOAD, WS_LOAD
from servers import Failed, Running, on_cpu

RUN_MARGIN = 60.0  # seconds that a load generator may take beyond its run before it is ended


@dataclass(frozen=True)
class Throughput:
    """One run of wrk: requests per second, and server CPU in microseconds per request."""

    rps: float
    cpu_us: float


@dataclass(frozen=True)
class Idle:
    """Server memory in bytes for each idle connection."""

    rss: float
    pss: float


def _run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds + RUN_MARGIN, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} did not end within {seconds + RUN_MARGIN:g} s") from None


def wrk(
    server: Running, target: str, *, seconds: int, script: str = "", connections: int = 64, cpu: int | None = None
) -> Throughput:
    """One run of wrk with one thread.

    Args:
        server: the server to load.
        target: the request target.
        seconds: length of the run; wrk's are whole.
        script: a Lua file in apps/ that makes the requests.
        connections: how many stay open.
        cpu: the CPU for wrk; None leaves that to the kernel.

    Raises:
        Failed: for any error, short read, time-out or status but 2xx.
    """
    command = [*on_cpu(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s"]
    if script:
        command += ["-s", str(APPS / script)]
    before = server.cpu_time()
    run = _run([*command, f"http://127.0.0.1:{server.port}{target}"], seconds)
    spent = server.cpu_time().since(before)
    requests = re.search(r"(\d+) requests in", run.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)
    bad = run.returncode or "Non-2xx" in run.stdout or "Socket errors" in run.stdout
    if bad or not requests or not rate or not int(requests[1]):
        said = re.findall(r".*(?:Non-2xx|Socket errors|requests in).*", run.stdout)
        raise Failed("wrk says: " + "; ".join(line.strip() for line in said or [run.stderr or run.stdout]))
    return Throughput(float(rate[1]), spent / int(requests[1]) * 1e6)


def fixed_rate(
    server: Running, target: str, *, rate: float, seconds: float, connections: int = 64, cpu: int | None = None
) -> dict[str, float]:
    """One run of load/load.c.

    Args:
        server: the server to load.
        target: the request target.
        rate: requests per second over all connections.
        seconds: length of the run.
        connections: how many stay open.
        cpu: the CPU for the generator; None leaves that to the kernel.

    Returns:
        requests, p50_us, p90_us, p99_us, p999_us, max_us, and cpu_us of the server per request; lag_p99_us is how
        late the generator itself was.

    Raises:
        Failed: for any error, or a status but 200.
    """
    arguments = [str(LOAD), str(server.port), target, f"{rate:.0f}", str(connections), f"{seconds:g}"]
    before = server.cpu_time()
    run = _run([*on_cpu(cpu), *arguments], seconds)
    spent = server.cpu_time().since(before)
    if run.returncode:
        raise Failed(run.stderr.strip())
    figures: dict[str, float] = json.loads(run.stdout)
    return figures | {"cpu_us": spent / figures["requests"] * 1e6}


def websockets(
    server: Running, arguments: Sequence[str], *, seconds: float, cpu: int | None = None
) -> dict[str, float]:
    """One run of load/ws.c. Opening and closing the connections is not in the figures.

    Args:
        server: the server to load.
        arguments: what its usage names after "ws", with "{port}" for the port and without the seconds.
        seconds: length of the run.
        cpu: the CPU for the generator; None leaves that to the kernel.

    Returns:
        messages that came back, their rate per second, and cpu_us of the server for each; busy is the share of a CPU
        that the generator itself took.

    Raises:
        Failed: for a message that is wrong, missing or out of order, or a connection that fails.
    """
    given = [part.replace("{port}", str(server.port)) for part in arguments]
    command = [*on_cpu(cpu), str(WS_LOAD), *given, f"{seconds:g}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as program:
        timer = threading.Timer(seconds + RUN_MARGIN, program.kill)
        timer.start()
        try:
            assert program.stdin and program.stdout and program.stderr
            if program.stdout.readline() != "ready\n":
                raise Failed(program.stderr.read().strip() or "the connections could not be opened in time")
            before = server.cpu_time()
            program.stdin.write("go\n")
            program.stdin.flush()
            said = program.stdout.readline()
            spent = server.cpu_time().since(before)
            program.stdin.close()
            if program.wait() or not said:
                raise Failed(program.stderr.read().strip() or "the run did not end in time")
        finally:
            timer.cancel()
            program.kill()
    figures: dict[str, float] = json.loads(said)
    return figures | {"cpu_us": spent / figures["messages"] * 1e6}


def allow_descriptors(count: int) -> None:
    """Raises the limit on open descriptors, for this process and the servers that it starts. Raises Failed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Failed(f"only {hard} descriptors may be open (ulimit -Hn), {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def idle_memory(server: Running, target: str, wanted: str, *, connections: int) -> Idle:
    """Opens connections, makes one request on each, and reads what they cost the server while idle.

    The request makes sure that the server has accepted the connection; one that waits in the backlog costs nothing.

    Args:
        server: the server, under the limit that allow_descriptors set.
        target: the request target.
        wanted: the body of its answer, spaces aside.
        connections: how many.

    Raises:
        Failed: when a request fails, or a connection is closed before the memory is read.
    """
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    before = server.memory()
    with contextlib.ExitStack() as stack:
        opened = []
        for i in range(connections):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            opened.append(connection)
            connection.sendall(request)
            answer = b""
            while not answer.replace(b" ", b"").endswith(wanted.encode()):
                chunk = connection.recv(4096)
                answer += chunk
                if not chunk or not answer.startswith(b"HTTP/1.1 200"):
                    raise Failed(f"connection {i + 1} of {connections} was answered {answer[:80]!r}")
        time.sleep(1.0)
        after = server.memory()
        poll = select.poll()
        for connection in opened:
            poll.register(connection, select.POLLIN)
        if closed := len(poll.poll(0)):
            raise Failed(f"{closed} of {connections} idle connections were closed")
    return Idle((after.rss - before.rss) / connections, (after.pss - before.pss) / connections)
