"""What the packaging tests build and install with."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Runs a command that must succeed; returns what it printed."""
    result = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
    )
    assert result.returncode == 0, f"{command} exited with {result.returncode}:\n{result.stdout}"
    return result.stdout


def new_environment(folder: Path, python: str | Path = sys.executable) -> Path:
    """A clean virtual environment; returns its bin folder."""
    run(python, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin"


def path_without(names: frozenset[str], shadows: Path) -> str:
    """PATH without the commands `names`; `shadows` gets links to their neighbours."""
    folders = []
    for number, folder in enumerate(os.environ["PATH"].split(os.pathsep)):
        if not any((Path(folder) / name).exists() for name in names):
            folders.append(folder)
            continue
        shadow = shadows / str(number)
        shadow.mkdir(parents=True)
        for entry in Path(folder).iterdir():
            # A virtual environment's python finds its home by its place, so it must not be linked.
            if entry.name not in names and not entry.name.startswith("python"):
                (shadow / entry.name).symlink_to(entry)
        folders.append(str(shadow))
    return os.pathsep.join(folders)
