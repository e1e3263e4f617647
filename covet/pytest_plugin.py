"""Fixtures for pytest; pytest finds them by itself once CovetPy is installed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from covet.testing.live import LiveServer


@pytest.fixture
def covet_live() -> "Iterator[Callable[..., LiveServer]]":
    """Serves applications for the length of a test: call it with an application, or its name, and options.

    It returns a `covet.testing.LiveServer` that listens, with `url`, `port` and `client`.
    """
    from covet.testing.live import LiveServer

    with ExitStack() as stack:

        def serve(app: Any, **options: Any) -> LiveServer:
            return stack.enter_context(LiveServer(app, **options))

        yield serve
