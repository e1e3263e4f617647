"""Installs the peers, the tools and covet itself into the suite's own folder, each only when it has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from peers import CARGO, HERE, LOAD, PYTHON, ROOT, VENV, WORK, WS_LOAD

SOURCE = WORK / "source"
SOURCE_FOLDERS = ("covet", "libcovet", "bridge", "pybind", "_build")
SOURCE_FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "go.mod", "go.sum")
BUILT = (".so", ".o", ".pyc")
CRATES = ("actix", "may")


class Unavailable(Exception):
    """Something cannot be had here; the message says what and why."""


def install(*, with_covet: bool) -> list[str]:
    """Installs what is missing.

    Args:
        with_covet: whether to build and install the checkout's covet too.

    Returns:
        One line for each thing that could not be had.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    steps: list[Callable[[], None]] = [
        partial(_from_apt, "wrk"),
        partial(_from_apt, "nginx"),
        *(partial(_build_load, program) for program in (LOAD, WS_LOAD)),
        _make_venv,
        *(partial(_build_crate, crate) for crate in CRATES),
    ]
    if with_covet:
        steps.append(_install_covet)
    missing = []
    for step in steps:
        try:
            step()
        except (Unavailable, subprocess.SubprocessError, OSError) as error:
            missing.append(str(error))
    return missing


def _run(*command: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    result = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=1500, check=False)
    if result.returncode:
        said = (result.stderr or result.stdout).strip().splitlines()[-12:]
        raise Unavailable(f"`{' '.join(command[:6])} …` exited with {result.returncode}:\n  " + "\n  ".join(said))


def _from_apt(tool: str) -> None:
    if shutil.which(tool):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"{tool} is not installed (Debian and Ubuntu: apt-get install {tool})")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run("apt-get", "update", "-qq", env=env)
    _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", tool, env=env)


def _build_load(program: Path) -> None:
    source = HERE / "load" / f"{program.name}.c"
    changed = max(path.stat().st_mtime for path in (source, HERE / "load" / "common.h"))
    if program.exists() and program.stat().st_mtime >= changed:
        return
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Unavailable(f"no C compiler: no row that load/{source.name} drives")
    _run(compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-o", str(program), str(source))


def _make_venv() -> None:
    wanted = (HERE / "requirements.txt").read_text("utf-8")
    stamp = VENV / "requirements.installed"
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    _run(sys.executable, "-m", "venv", str(VENV))
    pip = (str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check")
    try:
        _run(*pip, "-r", str(HERE / "requirements.txt"))
    except Unavailable:
        # One that cannot be had must not keep the others away.
        lines = [line for line in wanted.splitlines() if line and not line.startswith("#")]
        failures = []
        for line in lines:
            try:
                _run(*pip, line)
            except Unavailable as error:
                failures.append(f"{line}: {error}")
        if failures:
            raise Unavailable("\n".join(failures)) from None
    stamp.write_text(wanted, "utf-8")


def _build_crate(crate: str) -> None:
    folder, program = HERE / "native" / crate, CARGO / "release" / f"bench-{crate}"
    sources = (folder / "Cargo.toml", folder / "Cargo.lock", folder / "src" / "main.rs")
    if program.exists() and program.stat().st_mtime >= max(path.stat().st_mtime for path in sources):
        return
    if shutil.which("cargo") is None:
        raise Unavailable(f"cargo is not installed: no {crate}")
    env = os.environ | {"CARGO_TARGET_DIR": str(CARGO)}
    _run("cargo", "build", "--release", "--quiet", "--locked", cwd=folder, env=env)
    os.utime(program)  # cargo leaves an unchanged program's time alone


def _sources() -> Iterator[Path]:
    for name in SOURCE_FILES:
        yield ROOT / name
    for folder in SOURCE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix not in BUILT:
                yield path


def _install_covet() -> None:
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    stamp = VENV / "covet.installed"
    if stamp.exists() and stamp.read_text("utf-8") == digest.hexdigest():
        return
    # From a copy: a build in the checkout would write beside the developer's own. Its build folder stays, as a cache.
    for folder in SOURCE_FOLDERS:
        shutil.rmtree(SOURCE / folder, ignore_errors=True)
    for path in _sources():
        target = SOURCE / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    print("installing covet from the checkout", file=sys.stderr, flush=True)
    pip = (str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check")
    _run(*pip, "--force-reinstall", "--no-deps", str(SOURCE))
    _run(*pip, str(SOURCE))  # what it depends on; the same version counts as installed
    stamp.write_text(digest.hexdigest(), "utf-8")


def _output(*command: str) -> str:
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return (result.stdout + result.stderr).strip()


def _checkout() -> str:
    """The commit that is measured, marked when the checkout has changes."""
    commit = _output("git", "rev-parse", "--short=10", "HEAD")
    changed = _output("git", "status", "--porcelain", "--untracked-files=no", "--", *SOURCE_FOLDERS, *SOURCE_FILES)
    return f"{commit}{' with changes' if changed else ''}"


def versions() -> dict[str, str]:
    """What is measured, and with what."""
    names = ("uvicorn", "granian", "starlette", "fastapi", "robyn", "uvloop", "httptools")
    script = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    found = {"covet": _checkout()}
    try:
        found |= json.loads(_output(str(PYTHON), "-c", script))
    except ValueError:
        found["Python peers"] = "not all installed"
    for crate, package in (("actix", "actix-web"), ("may", "may_minihttp")):
        lock = tomllib.loads((HERE / "native" / crate / "Cargo.lock").read_text("utf-8"))
        found |= {entry["name"]: entry["version"] for entry in lock["package"] if entry["name"] == package}
    found["nginx"] = _output("nginx", "-v").rpartition("/")[2] or "none"
    found["wrk"] = (_output("wrk", "-v").split() + ["none"] * 2)[1]
    return found
