"""Servers for the tests, over both ways to do input and output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server, served

from sockets import LOOPS

HERE = Path(__file__).parent


@pytest.fixture(scope="module", params=list(LOOPS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with one worker."""
    with served("app:app", app_dir=HERE, options=[*LOOPS[request.param]]) as running:
        yield running
