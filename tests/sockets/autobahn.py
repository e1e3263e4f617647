"""Autobahn's own test suite for WebSockets, as a client of an echo server.

The suite (crossbar.io/autobahn) runs on Python 2.7 only. It is installed into `.work/autobahn`, once, with a Python 2.7
of PATH or of pyenv. `make autobahn` runs all of its cases, with both ways to do input and output.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from serving import served

from sockets import LOOPS

HERE = Path(__file__).resolve().parent
PLACE = HERE.parents[1] / ".work" / "autobahn"
REQUIREMENTS = HERE / "autobahn-requirements.txt"
VIRTUALENV = "virtualenv==20.15.1"
"""The last one that makes environments with the Python 2.7 that it runs on."""

SECTIONS = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}
"""How many cases each section of the suite has."""
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
"""Cases that the suite gives no mark, as RFC 6455 leaves open what happens in them."""

INSTALL_LIMIT = 240.0
PROBE_LIMIT = 20.0
LIMIT = 3600.0
"""Seconds that all cases may take with one loop; they take about 480 where nothing else runs."""


class Unavailable(Exception):
    """The suite cannot be had on this machine."""


@dataclass(frozen=True)
class Case:
    """What the suite says about one of its cases.

    Attributes:
        name: the case, such as "6.4.1".
        behavior: how the server answered: "OK", or what was not.
        closing: the same for the end of the connection.
        seconds: how long the case took.
    """

    name: str
    behavior: str
    closing: str
    seconds: float

    @property
    def section(self) -> int:
        """The case's section of the suite."""
        return int(self.name.partition(".")[0])

    @property
    def passed(self) -> bool:
        """Whether the server was strictly right."""
        right = "INFORMATIONAL" if self.name in INFORMATIONAL else "OK"
        return self.behavior == right and self.closing in {"OK", right}


@contextmanager
def _process(*command: str | Path, log: Path, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends, with all that it has started, when the block does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _run(*command: str | Path, log: Path, cwd: Path, limit: float) -> int | None:
    """Runs a command; returns its exit code, or None if it took longer than `limit` seconds."""
    with _process(*command, log=log, cwd=cwd) as process:
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None


def python2() -> str | None:
    """A Python 2.7 that has pip, of PATH or else of pyenv."""
    found = [shutil.which(name) for name in ("python2.7", "python2")]
    for root in (os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv"):
        found += map(str, sorted(Path(root).glob("versions/2.7*/bin/python")) if root else [])
    for path in filter(None, found):
        # pyenv puts a python2.7 on PATH that fails unless that version is chosen.
        with suppress(OSError, subprocess.TimeoutExpired):
            command = [path, "-c", "import pip, sys, zlib; sys.exit(sys.version_info[:2] != (2, 7))"]
            if not subprocess.run(command, capture_output=True, timeout=PROBE_LIMIT).returncode:
                return path
    return None


def _install(python: str | Path, log: Path) -> None:
    """Makes an environment of its own for the suite, with everything in the versions that are known to work."""
    for name in ("env", "virtualenv"):
        shutil.rmtree(PLACE / name, ignore_errors=True)
    log.unlink(missing_ok=True)
    virtualenv, bin_folder = PLACE / "virtualenv", PLACE / "env" / "bin"
    steps: list[list[str | Path]] = [
        [python, "-m", "pip", "install", "-q", "--target", virtualenv, VIRTUALENV],
        ["env", f"PYTHONPATH={virtualenv}", python, "-m", "virtualenv", "-q", bin_folder.parent],
        [bin_folder / "python", "-m", "pip", "install", "-q", "--no-deps", "-r", REQUIREMENTS],
        [bin_folder / "wstest", "--autobahnversion"],
    ]
    deadline = time.monotonic() + INSTALL_LIMIT
    for step in steps:
        if _run(*step, log=log, cwd=PLACE, limit=max(1.0, deadline - time.monotonic())) != 0:
            said = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise Unavailable(f"Autobahn's suite could not be installed ({log}): {' '.join(said)}")


def installed() -> Path:
    """The command of the suite, installed first if it is not there yet.

    Raises:
        Unavailable: there is no Python 2.7, or pip could not install the suite.
    """
    stamp, wanted = PLACE / "installed", f"{VIRTUALENV}\n{REQUIREMENTS.read_text('utf-8')}"
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text("utf-8") != wanted:
            stamp.unlink(missing_ok=True)
            python = python2()
            if python is None:
                raise Unavailable("Autobahn's suite needs a Python 2.7 with pip, on PATH or in pyenv")
            _install(python, PLACE / "install.log")
            stamp.write_text(wanted, "utf-8")
    return PLACE / "env" / "bin" / "wstest"


def run_suite(url: str, cases: Sequence[str], folder: Path, limit: float) -> list[Case]:
    """Runs cases of the suite with an echo server.

    Args:
        url: the server's WebSocket.
        cases: their names, with "*" for any.
        folder: where the suite's report goes, a page for each case.
        limit: how long all of it may take, in seconds.

    Raises:
        Unavailable: the suite cannot be had on this machine.
    """
    command = installed()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wanted = {
        "outdir": str(folder),
        "servers": [{"agent": "covet", "url": url}],
        "cases": list(cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (folder / "cases.json").write_text(json.dumps(wanted), "utf-8")
    log = folder / "wstest.log"
    code = _run(command, "-m", "fuzzingclient", "-s", folder / "cases.json", log=log, cwd=folder, limit=limit)
    said = log.read_text("utf-8", "replace")[-2000:]
    assert code is not None, f"the suite took more than {limit:g} s:\n{said}"
    assert code == 0, f"the suite ended with exit code {code}:\n{said}"
    index = json.loads((folder / "index.json").read_text("utf-8"))
    return [
        Case(name, found["behavior"], found["behaviorClose"], found["duration"] / 1000)
        for name, found in index["covet"].items()
    ]


def echoed(loop: str, cases: Sequence[str], folder: Path, limit: float, options: Sequence[str] = ()) -> list[Case]:
    """Runs cases of the suite with `covet run`, and looks at the server's log too.

    Args:
        loop: a key of `LOOPS`.
        cases: their names, with "*" for any.
        folder: where the suite's report goes, a page for each case.
        limit: how long all of it may take, in seconds.
        options: further ones of `covet run`.

    Raises:
        Unavailable: the suite cannot be had on this machine.
    """
    installed()
    with served("app:app", app_dir=HERE, options=["--no-access-log", *LOOPS[loop], *options]) as server:
        found = run_suite(f"ws://127.0.0.1:{server.port}/echo", cases, folder, limit)
        assert "Traceback" not in server.log and "ERROR" not in server.log, server.log
    return found


def main() -> int:
    """Runs all cases with both loops; returns the exit code."""
    good = True
    for loop in LOOPS:
        start, folder = time.monotonic(), PLACE / "reports" / loop
        try:
            cases = echoed(loop, ["*"], folder, LIMIT)
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 1
        counts = Counter(case.section for case in cases)
        print(f"{loop}: {len(cases)} cases in {time.monotonic() - start:.0f} s, pages in {folder}")
        for section, count in sorted(counts.items()):
            inside = [case for case in cases if case.section == section]
            told = Counter(f"{case.behavior}/{case.closing}" for case in inside)
            print(f"  {section:2}: {count:3} cases in {sum(case.seconds for case in inside):5.0f} s, {dict(told)}")
        for case in cases:
            if not case.passed:
                print(f"  FAILED {case.name}: {case.behavior}, its close {case.closing}")
        if counts != SECTIONS:
            print(f"  FAILED: these sections have {SECTIONS} cases")
        good = good and counts == SECTIONS and all(case.passed for case in cases)
    print("autobahn passed" if good else "autobahn FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
