"""What the wheel and the source distribution are called, and what is in them."""

import subprocess
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from building import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    """pyproject's [project] table."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert isinstance(table, dict)
    return table


def test_pip_wheel_makes_one_abi3_wheel(wheels: list[Path], project: dict[str, object]) -> None:
    assert [wheel.name for wheel in wheels] == [f"covetpy-{project['version']}-cp311-abi3-linux_x86_64.whl"]


def test_wheel_has_the_package_and_its_natives(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "covet").rglob("*")
        if path.suffix in {".py", ".pyi"} or path.name == "py.typed" or path.parent.name == "assets"
    }
    assert {"covet/py.typed", "covet/openapi/assets/swagger-ui-bundle.js.gz"} <= sources
    assert packed == sources | {"covet/libcovet.so", "covet/_worker.abi3.so"}


def test_wheel_metadata(wheel: Path, project: dict[str, object]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = f"covetpy-{project['version']}.dist-info"
        metadata = message_from_bytes(archive.read(f"{folder}/METADATA"))
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
        licence = archive.read(f"{folder}/licenses/LICENSE").decode()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "covet = covet.cli:main" in entry_points
    assert "Apache License" in licence


def test_worker_module_uses_the_stable_abi_alone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        module = archive.extract("covet/_worker.abi3.so", tmp_path)
    symbols = subprocess.run(["nm", "-D", "--undefined-only", module], capture_output=True, text=True, check=True)
    used = {line.split()[-1].partition("@")[0] for line in symbols.stdout.splitlines()}
    # These belong to the stable ABI in spite of their names; the `_SizeT` ones are what PY_SSIZE_T_CLEAN means.
    stable = {"_Py_Dealloc", "_Py_NoneStruct", "_Py_TrueStruct", "_Py_FalseStruct", "_Py_EllipsisObject"}
    private = {name for name in used if name.startswith("_Py") and not name.endswith("_SizeT")}
    assert private <= stable
    assert any(name.startswith("Py") for name in used)


def test_sdist_has_every_source_of_the_build(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"setup.py", "pyproject.toml", "go.mod", "go.sum", "LICENSE", "README.md", "_build/backend.py"}
    for folder, suffixes in {
        "libcovet": ".go .s",
        "bridge": ".go .h",
        "pybind": ".c .h .py",
        "covet": ".py .pyi",
    }.items():
        wanted |= {
            str(path.relative_to(ROOT))
            for path in (ROOT / folder).rglob("*")
            if path.suffix in suffixes.split() and not path.name.endswith("_test.go") and path.name != "libcovet.h"
        }
    assert wanted - packed == set()


def test_sdist_has_no_build_products(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        assert [name for name in archive.getnames() if name.endswith((".so", ".o", ".pyc"))] == []
