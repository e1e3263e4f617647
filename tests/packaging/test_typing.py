"""Type checkers find nothing wrong in programs that use CovetPy, and see through its decorators and dependencies."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "tests" / "typing_examples"
Checker = Callable[[Path], "subprocess.CompletedProcess[str]"]
PYRIGHTS = ("basedpyright", "pyright")
WRONG = """
from covet import CovetPy, Depends

app = CovetPy()

def number() -> int:
    return 1

@app.get("/")
async def handler(text: str = Depends(number)) -> str:
    return text

handler(5)
app.get("/", status="200")
"""


def mypy(path: Path) -> "subprocess.CompletedProcess[str]":
    """mypy's opinion, with nothing configured but that it is strict."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", str(path)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True, text=True)


def pyright(path: Path) -> "subprocess.CompletedProcess[str]":
    """The opinion of pyright, or of basedpyright with pyright's rules, which PyPI has with all it needs."""
    places = [shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") for name in PYRIGHTS]
    command = next((place for place in places if place), None)
    if command is None:
        pytest.skip("neither pyright nor basedpyright is installed")
    return subprocess.run(
        [command, "-p", str(path), "--pythonpath", sys.executable], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
def test_the_examples_are_right(checker: Checker) -> None:
    result = checker(EXAMPLES)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
def test_what_is_wrong_is_found(checker: Checker, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG, "utf-8")
    settings = (EXAMPLES / "pyrightconfig.json").read_text("utf-8").replace("../..", str(ROOT))
    (tmp_path / "pyrightconfig.json").write_text(settings, "utf-8")
    result = checker(tmp_path)
    assert result.returncode == 1
    found = {line for line in range(1, len(WRONG.splitlines()) + 1) if f"wrong.py:{line}:" in result.stdout}
    assert found == {10, 13, 14}, result.stdout


def test_the_examples_run() -> None:
    names = [path.stem for path in sorted(EXAMPLES.glob("*.py"))]
    lines = "\n".join(f"import {name}" for name in names)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{EXAMPLES}"}
    result = subprocess.run([sys.executable, "-c", lines], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
