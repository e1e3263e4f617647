"""Builds the engine (Go) and the worker module (C) into the covet package; the rest is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import setup

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _build.native import BuildExt, BuildPy, GoLibrary

setup(
    ext_modules=[GoLibrary("covet.libcovet", "./libcovet")],
    cffi_modules=["pybind/build_ffi.py:ffibuilder"],
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
