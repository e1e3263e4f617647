"""The package itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import covet
from covet import engine, engine_abi


def test_all_names_are_there() -> None:
    for name in covet.__all__:
        assert getattr(covet, name) is not None
        assert name in dir(covet)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = covet.nonsense


def test_importing_it_loads_nothing_else() -> None:
    code = "import sys, covet; print([name for name in sys.modules if name.startswith('covet.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_the_engines_declarations_are_up_to_date(tmp_path: Path) -> None:
    engine_abi.write(tmp_path / "abi.py")
    assert (tmp_path / "abi.py").read_text("utf-8") == engine_abi.TARGET.read_text("utf-8")


def test_engine_and_package_have_one_version() -> None:
    assert engine.version() == covet.__version__


def test_engine_errors() -> None:
    with pytest.raises(engine.EngineError, match="no address to listen on"):
        engine.Engine({"listeners": []})


def test_an_engine_that_cannot_be_loaded() -> None:
    code = "from covet import engine; engine.version()"
    result = subprocess.run(
        [sys.executable, "-c", code], env={"COVET_LIBRARY": "/nowhere.so"}, capture_output=True, text=True
    )
    assert "EngineError: the engine cannot be loaded: " in result.stderr
