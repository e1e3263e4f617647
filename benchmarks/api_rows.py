"""Rows about what frameworks do: validation, dependencies, response models, streams, and the time to start."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from measure import wrk
from peers import APPS, Peer
from rows import Load, Plan, Row, alternate, say
from servers import Failed, Running

TOKEN = {"Authorization": "Bearer token-3"}
ORDER = '{"customer": 5, "lines": [{"item": "fork", "count": 2, "price": 1.5}]}'
STARTS = ("covet-api", "fastapi-api")

LOADS = (
    Load(
        *("api-1", "pydantic body in, response_model out, one dependency", ("covet-api", "fastapi-api")),
        method="POST",
        target="/priced",
        wanted='{"customer":5,"lines":1,"total":1.6500000000000001}',
        script="api_one.lua",
    ),
    Load(
        *("api-10", "10 routes of an API behind an auth dependency, in turn"),
        ("covet-api", "fastapi-api", "litestar-api", "blacksheep-api"),
        method="POST",
        target="/orders",
        wanted='{"customer":5,"lines":1,"total":3.0}',
        script="api_ten.lua",
    ),
    Load(
        *("stream", "StreamingResponse, 1 MB in 16 KB chunks, 16 connections", ("covet-api", "fastapi-api")),
        target="/stream",
        wanted="",
        connections=16,
    ),
    Load(
        *("upload-10", "10 MB upload, 8 connections", ("covet-api", "fastapi-api", "uvicorn-upload")),
        method="POST",
        target="/upload",
        wanted=f'{{"bytes":{len(ORDER)}}}',
        script="upload_10.lua",
        connections=8,
    ),
)
NAMES = (*(load.name for load in LOADS), "start-1000")


def run_api(load: Load, plan: Plan) -> Row:
    """Requests per second and CPU per request, as fast as wrk can."""

    def check(server: Running) -> None:
        body = ORDER.encode() if load.method == "POST" else None
        fields = {**TOKEN, "Content-Type": "application/json"} if body else TOKEN
        server.ask(load.method, load.target, body, fields, load.wanted, least=1 << 20)

    def run(server: Running, seconds: int) -> Mapping[str, float]:
        got = wrk(
            *(server, load.target),
            seconds=seconds,
            script=load.script,
            connections=load.connections,
            cpu=plan.client_cpu,
        )
        return {"rps": got.rps, "cpu_us": got.cpu_us}

    return alternate(Row(load.name, load.title), plan.of(load.peers), plan, check, run)


def run_start(plan: Plan) -> Row:
    """Seconds to register 1,000 routes and make what answers them, without the imports; a process for each run."""
    row = Row("start-1000", "Start-up with 1,000 routes")
    say(row.title)
    for peer in plan.of(STARTS):
        for _ in range(plan.rounds):
            try:
                row.add("start_s", peer.name, _start_seconds(peer))
            except Failed as error:
                row.fail(peer.name, error)
                break
    return row


def _start_seconds(peer: Peer) -> float:
    """What the script start_1000.py prints."""
    framework = peer.name.removesuffix("-api")
    # A console script's interpreter stands beside it.
    first = Path(peer.command[0])
    python = first if first.name.startswith("python") else first.parent / "python"
    begin = time.monotonic()
    done = subprocess.run(
        [str(python), str(APPS / "start_1000.py"), framework], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise Failed(f"{framework} after {time.monotonic() - begin:.1f} s: {done.stderr[-300:]}")
    return float(done.stdout)


def run_apis(plan: Plan) -> list[Row]:
    """All rows of this module that are wanted."""
    rows = [run_api(load, plan) for load in LOADS if plan.has(load.name)]
    return [*rows, run_start(plan)] if plan.has("start-1000") else rows


if __name__ == "__main__":
    sys.exit("this is a part of run.py")
