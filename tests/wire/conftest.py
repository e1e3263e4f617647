from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import Server, serve


@pytest.fixture(scope="session", params=["epoll", "io_uring"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server for each of the two event loops, for the whole session."""
    with serve(env={"WIRE_BACKEND": request.param}) as running:
        yield running
