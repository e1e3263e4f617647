"""What processes use, and the samples made of it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from covet.scaling import Sample
from covet.usage import Meter, Sampler, cpu_seconds, resident_bytes

NOBODY = 2**22 + 1


def test_this_process() -> None:
    before, began = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() < began + 0.1:
        pass
    after = cpu_seconds(os.getpid())
    assert before is not None
    assert after is not None
    assert 0.05 < after - before < 5
    assert abs(after - time.process_time()) < 1
    held = bytearray(b"x") * (64 * 2**20)
    assert (resident_bytes(os.getpid()) or 0) > len(held)


def test_no_process(tmp_path: Path) -> None:
    assert resident_bytes(NOBODY) is None
    assert cpu_seconds(NOBODY) is None
    (tmp_path / "1").mkdir()
    for text in ["", "1 (covet", "1 (covet) S x"]:
        (tmp_path / "1" / "stat").write_text(text)
        (tmp_path / "1" / "statm").write_text(text)
        assert resident_bytes(1, tmp_path) is None
        assert cpu_seconds(1, tmp_path) is None


def test_any_name(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    name = b"a) R 1 1 (\xff"
    rest = b" S 1 1 1 0 -1 0 0 0 0 0 250 150 7 7 20 0 1 0"
    (tmp_path / "1" / "stat").write_bytes(b"1 (" + name + b")" + rest)
    assert cpu_seconds(1, tmp_path) == 400 / os.sysconf("SC_CLK_TCK")


def test_a_meter_tells_what_came_since() -> None:
    used: dict[int, float] = {1: 10.0, 2: 5.0}
    meter = Meter(used.get)
    assert meter.measure([1, 2, 3], 100.0) == {1: 0.0, 2: 0.0}
    used.update({1: 11.0, 2: 5.5, 3: 90.0})
    assert meter.measure([1, 2, 3], 102.0) == {1: 0.5, 2: 0.25, 3: 0.0}
    used.update({1: 1.0, 3: 91.0})
    assert meter.measure([1, 3], 103.0) == {1: 0.0, 3: 1.0}
    used.update({2: 50.0})
    assert meter.measure([2], 104.0) == {2: 0.0}
    assert meter.measure([2], 104.0) == {2: 0.0}


def worker(pid: int, state: str = "admitted", sleeping: bool = False, blocked: float = 0) -> dict[str, Any]:
    return {"place": pid, "pid": pid, "state": state, "sleeping": sleeping, "blocked": blocked}


def test_samples() -> None:
    used: dict[int, float] = {1: 0.0, 10: 0.0, 11: 0.0, 12: 0.0}
    sampler = Sampler(1, Meter(used.get))
    workers = [worker(10), worker(11, sleeping=True), worker(12, blocked=1.5), worker(13, "retired")]
    status = {"queued": 7, "workers": workers}
    assert sampler.sample(status, 5.0) == Sample(5.0, 3, 7, 0.0, 0.0, 2, 1)
    used.update({1: 0.25, 10: 1.0, 12: 0.5})
    assert sampler.sample(status, 6.0) == Sample(6.0, 3, 7, 1.5, 0.25, 2, 1)
    assert abs(sampler.sample(status).time - time.monotonic()) < 30
