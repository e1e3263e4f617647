from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import Server, serve

BACKENDS = {"io_uring": "1", "epoll": "0"}


@pytest.fixture(scope="session", params=sorted(BACKENDS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server for each of the two event loops, for the whole session."""
    with serve(env={"COVET_ENABLE_IO_URING": BACKENDS[request.param]}) as running:
        yield running
