"""The examples do what their OpenAPI documents say: schemathesis finds nothing, while `covet run` serves them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from serving import served

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(each.parent.name for each in EXAMPLES.glob("*/__init__.py"))
RUN = (sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run")
# One seed and no database: each run sends the same requests.
OPTIONS = ("--checks", "all", "--seed", "1", "--generation-database", "none", "--max-examples", "40", "--no-color")


@pytest.mark.parametrize("name", NAMES)
def test_an_example_does_what_its_document_says(name: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    validator = pytest.importorskip("openapi_spec_validator")
    with served(f"{name}:app", app_dir=EXAMPLES) as server:
        url = f"{server.url}/openapi.json"
        document = httpx.get(url).json()
        validator.validate(document)
        found = subprocess.run([*RUN, url, *OPTIONS], cwd=tmp_path, capture_output=True, text=True, timeout=110)
        assert found.returncode == 0, found.stdout + found.stderr
        operations = sum(len(path) for path in document["paths"].values())
        assert operations and f"Tested: {operations}\n" in found.stdout, found.stdout
        assert "Traceback" not in server.log
