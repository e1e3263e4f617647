"""A short chaos run; `make soak` has the long one."""

from __future__ import annotations

import random

import pytest

from tests.soak import chaos

SECONDS = 20.0


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("epoll", [False, True])
def test_workers_may_die_at_any_time(epoll: bool) -> None:
    assert not chaos.run(SECONDS / 2, random.randrange(10**6), epoll)
