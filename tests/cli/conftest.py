from __future__ import annotations

from pathlib import Path

import pytest

from .support import APPLICATION


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an application in main.py."""
    (tmp_path / "main.py").write_text(APPLICATION, "utf-8")
    return tmp_path
