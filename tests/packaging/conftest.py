"""Distributions built from a copy of the checkout, once per test run."""

import shutil
import sys
import tarfile
from pathlib import Path

import pytest
from building import ROOT, new_environment, run


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with what its repository has or would take, so without build products."""
    copy = tmp_path_factory.mktemp("checkout")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-c", f"from _build import backend; backend.build_sdist({str(folder)!r})", cwd=checkout)
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="session")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the source distribution unpacks to."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return project


@pytest.fixture(scope="session")
def wheels(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What `pip wheel .` makes of the unpacked source distribution, in an environment with nothing but pip."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = new_environment(tmp_path_factory.mktemp("builder") / "venv") / "pip"
    run(pip, "wheel", "--no-deps", "--wheel-dir", folder, ".", cwd=unpacked)
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def wheel(wheels: list[Path]) -> Path:
    """The one wheel."""
    assert len(wheels) == 1
    return wheels[0]
