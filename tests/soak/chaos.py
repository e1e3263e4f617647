"""Three minutes in which workers die, stand still and are replaced while clients check every byte.

Run it with `make soak`. Nothing may be answered wrongly, lost or done twice;
requests may only fail as the death of the worker that had begun them allows;
and afterwards the server must be as it was.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from covet.status_socket import fetch_status
from tests.soak.chaos_clients import Clients, Report, read_records
from tests.soak.chaos_trouble import Log, Trouble, children_of, load
from tests.wire.harness import Server, serve

HERE = Path(__file__).parent
WORKERS = 3
# Log lines come after what they tell of, and the clients see it later still.
LOG_DELAY = 2.0
QUIET = ("slots_in_use", "blocks_in_use", "connections", "in_flight", "queued")


class Run:
    """One chaos run.

    Args:
        folder: an empty folder for the workers' records and the control socket.
        seed: of everything that is random.
        epoll: use the epoll loop.
    """

    def __init__(self, folder: Path, seed: int, epoll: bool) -> None:
        self.folder = folder
        self.seed = seed
        self.backend = "epoll" if epoll else "io_uring"
        self.socket = folder / "control.sock"
        self.report = Report()
        self.trouble: Counter[str] = Counter()
        self.log = Log([])

    def run(self, seconds: float) -> Counter[str]:
        """The faults that were found."""
        self.folder.joinpath("records").mkdir()
        options = ("--workers", str(WORKERS), "--no-access-log", "--timeout-graceful-shutdown", "60")
        with serve(
            "chaos_app:app",
            *(*options, "--control-socket", str(self.socket)),
            app_dir=HERE,
            env={"CHAOS_RECORDS": str(self.folder / "records"), "WIRE_BACKEND": self.backend},
        ) as server:
            self.log = server.lines = Log(server.lines)
            asyncio.run(self.traffic(server, min(10.0, seconds / 4), quiet=True))  # warm: pools and caches are filled
            before = self.settle(server, 1 << 30)
            asyncio.run(self.traffic(server, seconds, quiet=False))
            after = self.settle(server, before["descriptors"])
            print("before", before)
            print("after ", after)
            self.compare(before, after)
            if server.stop(60) != 0:
                self.report.faults["exit code is not 0"] += 1
        self.judge()
        return self.report.faults

    async def traffic(self, server: Server, seconds: float, *, quiet: bool) -> None:
        clients = Clients(server.port, self.seed + quiet, self.report)
        work = [clients.run(seconds), load(server, self.report, seconds)]
        if not quiet:
            trouble = Trouble(server, self.log, clients, self.seed)
            self.trouble = trouble.counts
            work.append(trouble.run(seconds))
        await asyncio.gather(*work)

    # ---- afterwards -----------------------------------------------------------------

    def figures(self, server: Server) -> dict[str, int]:
        """What the server holds."""
        pid = server.process.pid
        status = fetch_status(self.socket)
        states = children_of(pid)
        return {
            **{name: status[name] for name in QUIET},
            "rss_kb": int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:", 1)[1].split(None, 1)[0]),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "workers": sum(worker["state"] == "admitted" for worker in status["workers"]),
            "processes": len(states),
            "zombies": sum(state == "Z" for state in states.values()),
            "strangers": len(self.processes() - states.keys() - {pid}),
        }

    def processes(self) -> set[int]:
        """All processes that this server and its workers have started."""
        mark = f"CHAOS_RECORDS={self.folder}/records".encode()
        found = set()
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.add(int(folder.name))
            except OSError:
                continue
        return found

    def settle(self, server: Server, descriptors: int, limit: float = 60.0) -> dict[str, int]:
        """Waits until what was aborted has ended and all workers are there again."""
        deadline = time.monotonic() + limit
        while True:
            now = self.figures(server)
            there = now["workers"] == now["processes"] == WORKERS and now["descriptors"] <= descriptors
            if (there and not any(now[name] for name in QUIET)) or time.monotonic() > deadline:
                return now
            time.sleep(0.25)

    def compare(self, before: dict[str, int], after: dict[str, int]) -> None:
        faults = self.report.faults
        for name in (*QUIET, "zombies", "strangers"):
            if after[name]:
                faults[f"{name} after the traffic: {after[name]}"] += 1
        for name in ("workers", "processes"):
            if after[name] != WORKERS:
                faults[f"{name} after the traffic: {after[name]} instead of {WORKERS}"] += 1
        if after["descriptors"] > before["descriptors"]:
            faults["descriptors leaked"] += 1
        if after["rss_kb"] > before["rss_kb"] * 1.15 + 8192:
            faults["memory grew"] += 1

    def judge(self) -> None:
        """Finds out whether workers died when requests failed, and whether anything was done twice."""
        faults = self.report.faults
        for failure in self.report.failures:
            since, until = failure.since - LOG_DELAY, failure.until + LOG_DELAY
            if sum(since <= death <= until for death in self.log.deaths.values()) < failure.deaths:
                faults[f"{failure.kind}, though fewer than {failure.deaths} workers had died"] += 1
        if left := self.processes():
            faults[f"processes that outlive the server: {len(left)}"] += 1
        for line in self.log:
            if "Traceback" in line or "goroutine " in line or line.startswith("CRITICAL:"):
                faults[f"log: {line}"] += 1
        read_records([path.read_text() for path in self.folder.joinpath("records").iterdir()], self.report)


def run(seconds: float, seed: int, epoll: bool, *, verbose: bool = False) -> Counter[str]:
    """One chaos run, which prints what happened; returns the faults."""
    with tempfile.TemporaryDirectory(prefix="covet-chaos-") as folder:
        run = Run(Path(folder), seed, epoll)
        faults = run.run(seconds)
    print("seed", seed)
    print("good   ", dict(run.report.counts))
    print("failed ", dict(Counter(failure.kind for failure in run.report.failures)))
    print("trouble", dict(run.trouble), "deaths", len(run.log.deaths), "waits", run.log.waits)
    if faults or verbose:
        print(*run.log, sep="\n")
    for fault, times in faults.items():
        print(f"FAULT x{times}: {fault}")
    print("chaos passed" if not faults else "chaos FAILED")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--epoll", action="store_true", help="use the epoll loop")
    parser.add_argument("--verbose", action="store_true", help="print the server's log")
    options = parser.parse_args()
    return 1 if run(options.seconds, options.seed, options.epoll, verbose=options.verbose) else 0


if __name__ == "__main__":
    sys.exit(main())
