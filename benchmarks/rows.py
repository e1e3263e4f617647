"""What is measured: the rows, and how each is run."""

from __future__ import annotations

import http.client
import statistics
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatch

from measure import allow_descriptors, fixed_rate, idle_memory, wrk
from peers import Peer, matches
from servers import Failed, Running, running

TYPED_TARGET = "/items/5?q=abc"
TYPED_BODY = '{"item_id":5,"q":"abc"}'
IDLE_CONNECTIONS = 10_000
LATENCIES = ("p50_us", "p99_us", "p999_us", "cpu_us", "lag_p99_us")


@dataclass
class Row:
    """A row's runs.

    Attributes:
        name: what --only and floors.toml call it.
        title: what the tables call it.
        figures: figure -> peer -> one value for each run.
        failures: peer -> why it has no figures that count.
    """

    name: str
    title: str
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        """The name that covet has in this row."""
        return next((name for runs in self.figures.values() for name in runs if name.startswith("covet")), "covet")

    def add(self, figure: str, peer: str, value: float) -> None:
        """Adds a run."""
        self.figures.setdefault(figure, {}).setdefault(peer, []).append(value)

    def fail(self, peer: str, why: object) -> None:
        """Takes a peer out of the row."""
        self.failures[peer] = str(why)
        say(f"  {peer} FAILED: {why}")

    def median(self, figure: str, peer: str) -> float | None:
        """The middle run of a peer; None when it has failed or was not asked for."""
        values = self.figures.get(figure, {}).get(peer)
        return statistics.median(values) if values and peer not in self.failures else None


@dataclass(frozen=True)
class Load:
    """A row that wrk drives.

    Attributes:
        name, title: as in Row.
        peers: who takes part.
        method, target: what the one request that checks the answer asks.
        wanted: the answer's body, spaces aside; empty for any of 1 MB.
        script: a Lua file in apps/ for wrk.
        connections: how many.
    """

    name: str
    title: str
    peers: tuple[str, ...]
    method: str = "GET"
    target: str = TYPED_TARGET
    wanted: str = TYPED_BODY
    script: str = ""
    connections: int = 64


PYTHON = ("covet", "covet-pinned", "uvicorn-raw", "granian-raw", "starlette", "fastapi", "robyn")
TYPED = (*PYTHON, "granian-mt", "granian-defaults")
ENGINES = ("covet", "actix", "may", "nginx")
WORKERS = ("covet-2", "uvicorn-raw-2", "granian-raw-2", "granian-mt-2", "granian-defaults-2")
LOADS = (
    Load("typed-1", "Typed route, dict out, depth 1", TYPED),
    Load("typed-16", "Typed route, dict out, depth 16 (HTTP pipelining)", TYPED, script="pipeline.lua"),
    Load("constant-1", "Constant route, no Python, depth 1", ENGINES, target="/ping", wanted="pong"),
    Load(
        *("constant-16", "Constant route, no Python, depth 16 (HTTP pipelining)", ENGINES),
        target="/ping",
        wanted="pong",
        script="pipeline.lua",
    ),
    Load(
        *("sleep", "Handler that awaits 10 ms of sleep", ("covet", "uvicorn-sleep", "granian-sleep", "fastapi")),
        target="/sleep",
    ),
    Load(
        *("upload", "1 MB upload, 16 connections", ("covet", "uvicorn-upload", "granian-upload", "fastapi")),
        method="POST",
        target="/upload",
        wanted='{"bytes":1000000}',
        script="upload.lua",
        connections=16,
    ),
    Load(
        *("download", "1 MB download, 16 connections", ("covet", "uvicorn-download", "granian-download", "fastapi")),
        target="/download",
        wanted="",
        connections=16,
    ),
    Load("workers-2", "Typed route, dict out, depth 1, 2 workers each", (*WORKERS, "fastapi-2")),
)
NAMES = (*(load.name for load in LOADS), "fixed-rate", "blocked", "memory", "idle")

ASKERS = 16
ASK_RATE = 3200.0
BLOCK_PAUSE = 0.5


@dataclass(frozen=True)
class Plan:
    """How a run of the suite is done.

    Attributes:
        peers: every server by name.
        rounds: runs of each peer in each row.
        seconds: length of a run.
        rows: names or patterns of the rows; none for all.
        wanted_peers: names or patterns of the peers; none for all.
        server_cpu, client_cpu: CPUs to pin to; None leaves that to the kernel.
    """

    peers: Mapping[str, Peer]
    rounds: int
    seconds: int
    rows: tuple[str, ...]
    wanted_peers: tuple[str, ...]
    server_cpu: int | None
    client_cpu: int | None

    def has(self, row: str) -> bool:
        """Whether a row is wanted."""
        return not self.rows or any(fnmatch(row, pattern) for pattern in self.rows)

    def of(self, names: Sequence[str]) -> list[Peer]:
        """Those of the named peers that are wanted."""
        return [self.peers[name] for name in names if matches(name, self.wanted_peers)]


Run = Callable[[Running, int], Mapping[str, float]]


def say(text: str) -> None:
    """Tells the user how far the suite is."""
    print(text, file=sys.stderr, flush=True)


def alternate(row: Row, peers: Sequence[Peer], plan: Plan, check: Callable[[Running], None], run: Run) -> Row:
    """Starts all peers, then runs them in turn, round after round: what slows the machine slows all of them.

    Args:
        row: where the figures go.
        peers: the servers.
        plan: how many rounds, how long.
        check: one request before anything is timed.
        run: one run of so many seconds; its figures.
    """
    say(row.title)
    with ExitStack() as stack:
        servers: dict[str, Running] = {}
        for peer in peers:
            try:
                servers[peer.name] = server = stack.enter_context(running(peer, plan.server_cpu))
                check(server)
                run(server, 1)  # warms up
            except (Failed, OSError) as error:
                row.fail(peer.name, error)
        for _ in range(plan.rounds):
            for name in [name for name in servers if name not in row.failures]:
                try:
                    for figure, value in run(servers[name], plan.seconds).items():
                        row.add(figure, name, value)
                except (Failed, OSError) as error:
                    row.fail(name, error)
    return row


def run_load(load: Load, plan: Plan) -> Row:
    """Requests per second and CPU per request, as fast as wrk can."""

    def run(server: Running, seconds: int) -> Mapping[str, float]:
        got = wrk(
            *(server, load.target),
            seconds=seconds,
            script=load.script,
            connections=load.connections,
            cpu=plan.client_cpu,
        )
        return {"rps": got.rps, "cpu_us": got.cpu_us}

    def check(server: Running) -> None:
        server.check(load.method, load.target, load.wanted)

    return alternate(Row(load.name, load.title), plan.of(load.peers), plan, check, run)


def run_fixed_rate(plan: Plan, rate: float) -> Row:
    """Latencies at a rate that every peer can keep up with."""

    def run(server: Running, seconds: int) -> Mapping[str, float]:
        figures = fixed_rate(server, TYPED_TARGET, rate=rate, seconds=seconds, cpu=plan.client_cpu)
        return {name: figures[name] for name in LATENCIES}

    title = f"Typed route at a fixed {rate:,.0f} requests/s, half of what the slowest peer can do"
    return alternate(Row("fixed-rate", title), plan.of(PYTHON), plan, check_typed, run)


def run_blocked(plan: Plan) -> Row:
    """Latencies of 16 clients that ask every 5 ms, while another one has a worker blocked for 50 ms of every 500."""

    def run(server: Running, seconds: int) -> Mapping[str, float]:
        over = threading.Event()
        blocker = threading.Thread(target=_block, args=(server.port, over))
        blocker.start()
        try:
            figures = fixed_rate(
                *(server, TYPED_TARGET), rate=ASK_RATE, seconds=seconds, connections=ASKERS, cpu=plan.client_cpu
            )
        finally:
            over.set()
            blocker.join()
        return {name: figures[name] for name in (*LATENCIES, "max_us")}

    title = "16 clients that ask every 5 ms, beside one whose handler blocks a worker for 50 ms, a tenth of the time"
    return alternate(Row("blocked", title), plan.of(WORKERS), plan, check_typed, run)


def _block(port: int, over: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while not over.wait(BLOCK_PAUSE):
        connection.request("GET", "/block")
        connection.getresponse().read()
    connection.close()


def check_typed(server: Running) -> None:
    """The typed route must answer as it should."""
    server.check("GET", TYPED_TARGET, TYPED_BODY)


def run_memory(plan: Plan) -> Row:
    """Memory after load at 64 connections, of one server at a time."""
    row = Row("memory", "Memory of all processes after load at 64 connections")
    say(row.title)
    for peer in plan.of(PYTHON):
        try:
            with running(peer, plan.server_cpu) as server:
                check_typed(server)
                wrk(server, TYPED_TARGET, seconds=plan.seconds, cpu=plan.client_cpu)
                memory = server.memory()
        except (Failed, OSError) as error:
            row.fail(peer.name, error)
            continue
        row.add("rss_mb", peer.name, memory.rss / 1e6)
        row.add("pss_mb", peer.name, memory.pss / 1e6)
    return row


def run_idle(plan: Plan) -> Row:
    """Memory for each idle connection, of one server at a time, warmed up by load."""
    row = Row("idle", f"Server memory for each of {IDLE_CONNECTIONS:,} idle connections")
    say(row.title)
    for peer in plan.of(PYTHON):
        try:
            allow_descriptors(IDLE_CONNECTIONS + 500)
            with running(peer, plan.server_cpu) as server:
                check_typed(server)
                wrk(server, TYPED_TARGET, seconds=1, cpu=plan.client_cpu)
                cost = idle_memory(server, TYPED_TARGET, TYPED_BODY, connections=IDLE_CONNECTIONS)
        except (Failed, OSError) as error:
            row.fail(peer.name, error)
            continue
        row.add("idle_rss", peer.name, cost.rss)
        row.add("idle_pss", peer.name, cost.pss)
    return row


def slowest_peer(typed: Row) -> float:
    """The least of the peers' rates on the typed route; 0 when none was measured."""
    rates = [typed.median("rps", name) for name in TYPED if not name.startswith("covet")]
    return min((rate for rate in rates if rate), default=0.0)


def run_all(plan: Plan) -> Iterator[Row]:
    """Every wanted row, as it is done. The fixed-rate row needs typed-1 for its rate."""
    typed = Row("typed-1", "")
    for load in LOADS:
        if plan.has(load.name) or (load.name == "typed-1" and plan.has("fixed-rate")):
            row = run_load(load, plan)
            typed = row if load.name == "typed-1" else typed
            yield row
    if plan.has("fixed-rate"):
        rate = slowest_peer(typed) / 2
        if rate:
            yield run_fixed_rate(plan, rate)
        else:
            say("fixed-rate: no peer on the typed route, so no rate to measure at")
    if plan.has("blocked"):
        yield run_blocked(plan)
    if plan.has("memory"):
        yield run_memory(plan)
    if plan.has("idle"):
        yield run_idle(plan)
