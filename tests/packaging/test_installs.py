"""The distributions are installed into clean environments and serve there."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from building import new_environment, path_without, run
from serving import served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

APPLICATION = """
from covet import CovetPy

app = CovetPy()


@app.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None) -> dict[str, object]:
    return {"item_id": item_id, "q": q}
"""
DESCRIBE = "import sys, sysconfig; print(*sys.version_info[:2], bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"


def interpreters() -> Iterator[tuple[str, str]]:
    """One CPython of each minor version from 3.11 on that is on this machine, as (version, path)."""
    seen = {f"{sys.version_info.major}.{sys.version_info.minor}"}
    yield seen.copy().pop(), sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = [shutil.which(f"python3.{minor}") for minor in range(11, 16)]
    for path in [*filter(None, named), *map(str, sorted(pyenv.glob("versions/3.*/bin/python3")))]:
        answer = subprocess.run([path, "-c", DESCRIBE], capture_output=True, text=True)
        major, minor, free_threaded = answer.stdout.split() if answer.returncode == 0 else ("0", "0", "")
        version = f"{major}.{minor}"
        if (int(major), int(minor)) >= (3, 11) and free_threaded == "False" and version not in seen:
            seen.add(version)
            yield version, path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives every test that asks for an `interpreter` each one that the machine has."""
    if "interpreter" in metafunc.fixturenames:
        found = dict(interpreters())
        metafunc.parametrize("interpreter", found.values(), ids=found.keys())


def assert_serves(bin_folder: Path, folder: Path) -> None:
    """Serves an application with the `covet` command of an environment, and asks it something."""
    (folder / "shop.py").write_text(APPLICATION, "utf-8")
    with (
        served("shop:app", app_dir=folder, command=[str(bin_folder / "covet")]) as server,
        urllib.request.urlopen(f"{server.url}/items/7?q=tea", timeout=10) as response,
    ):
        assert json.load(response) == {"item_id": 7, "q": "tea"}


def test_wheel_serves_in_a_clean_environment(wheel: Path, interpreter: str, tmp_path: Path) -> None:
    bin_folder = new_environment(tmp_path / "venv", interpreter)
    run(bin_folder / "pip", "install", wheel, cwd=tmp_path)
    assert_serves(bin_folder, tmp_path)


def test_pip_install_without_go_on_path(checkout: Path, tmp_path: Path) -> None:
    bin_folder = new_environment(tmp_path / "venv")
    environment = os.environ | {"PATH": path_without(frozenset({"go"}), tmp_path / "shadows")}
    assert shutil.which("go", path=environment["PATH"]) is None
    source = tmp_path / "source"
    shutil.copytree(checkout, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "*.so"))
    run(bin_folder / "pip", "install", ".", cwd=source, environment=environment)
    assert_serves(bin_folder, tmp_path)


def test_a_missing_compiler_is_said_in_one_line(checkout: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PATH": str(tmp_path)}
    environment.pop("CC", None)
    result = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: covet's native parts need a C compiler")


def test_a_second_build_does_nothing_until_a_source_changes(checkout: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(checkout, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "*.so"))
    engine, worker = source / "covet" / "libcovet.so", source / "covet" / "_worker.abi3.so"

    def build() -> tuple[int, int]:
        run(sys.executable, "setup.py", "-q", "build_ext", "--inplace", cwd=source)
        return engine.stat().st_mtime_ns, worker.stat().st_mtime_ns

    first = build()
    assert build() == first
    header = source / "bridge" / "channel.h"
    header.write_text(header.read_text("utf-8") + "\n", "utf-8")
    second = build()
    assert second[0] != first[0]
    assert second[1] != first[1]
