"""Measures covet beside its peers, in one run on one machine. See benchmarks/README.md."""

from __future__ import annotations

import argparse
import datetime
import sys
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

import check
import report
from api_rows import NAMES as API_NAMES
from api_rows import run_apis
from install import install, versions
from peers import HERE, PYTHON, WORK, all_peers, matches
from rows import NAMES as ROW_NAMES
from rows import Plan, Row, run_all
from worker_rows import NAMES as WORKER_NAMES
from worker_rows import run_workers
from ws_rows import NAMES as WS_NAMES
from ws_rows import run_sockets

NAMES = (*ROW_NAMES, *WORKER_NAMES, *API_NAMES, *WS_NAMES)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--check", action="store_true", help="exit with 1 when a ratio is under its floor in floors.toml")
    add("--quick", action="store_true", help="3 rounds of 2 s instead of 5 of 4 s")
    add("--rounds", type=_positive, help="runs of each peer in each row")
    add("--seconds", type=_positive, help="length of a run")
    add("--only", type=_names, default=(), metavar="ROW,…", help=f"only these rows (* works): {', '.join(NAMES)}")
    add("--peers", type=_names, default=(), metavar="PEER,…", help="only these servers, e.g. covet,uvicorn,actix")
    add("--pin", action="store_true", help="servers on CPU 0, the load generator on CPU 1")
    add("--covet-python", type=Path, metavar="PYTHON", help="an interpreter that has covet; else it is built here")
    add("--output", type=Path, help="folder for the results; a full run's go to benchmarks/results")
    options = parser.parse_args()
    every = all_peers(PYTHON)
    for pattern in options.only:
        if not any(fnmatch(name, pattern) for name in NAMES):
            parser.error(f"no row is called {pattern}; there are: {', '.join(NAMES)}")
    for pattern in options.peers:
        if not any(matches(name, (pattern,)) for name in every):
            parser.error(f"no server is called {pattern}; there are: {', '.join(every)}")
    return options


def _output(options: argparse.Namespace) -> Path:
    if options.output:
        return Path(options.output)
    partial = options.only or options.peers or options.quick or options.rounds or options.seconds
    return WORK / "results" if partial else HERE / "results"


def _plan(options: argparse.Namespace) -> Plan:
    # Not resolved: a virtual environment's interpreter is a link, and only by its own name finds the environment.
    python = options.covet_python.absolute() if options.covet_python else PYTHON
    return Plan(
        peers=all_peers(python),
        rounds=options.rounds or (3 if options.quick else 5),
        seconds=options.seconds or (2 if options.quick else 4),
        rows=options.only,
        wanted_peers=options.peers,
        server_cpu=0 if options.pin else None,
        client_cpu=1 if options.pin else None,
    )


def main() -> int:
    """Installs, measures, reports and, with --check, judges. Returns the exit code."""
    options = _options()
    plan = _plan(options)
    for line in install(with_covet=matches("covet", plan.wanted_peers) and not options.covet_python):
        print(f"not installed: {line}", file=sys.stderr)
    about = report.About(
        date=datetime.date.today().isoformat(),
        command=" ".join(["python benchmarks/run.py", *sys.argv[1:]]),
        rounds=plan.rounds,
        seconds=plan.seconds,
        machine=report.machine(),
        versions=versions(),
    )
    rows: list[Row] = []
    folder = _output(options)
    for row in chain(run_all(plan), run_workers(plan), run_apis(plan), run_sockets(plan)):
        rows.append(row)
        print(report.table(row), flush=True)
        report.write(rows, folder, about)  # a run that is broken off leaves what it has
    print(f"written to {folder}/latest.md, latest.svg and latest.json", file=sys.stderr)
    if not options.check:
        return 0
    verdicts = check.verdicts(rows, check.floors(HERE / "floors.toml"), plan)
    for verdict in verdicts:
        print(verdict.line)
    return 0 if verdicts and all(verdict.held for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
