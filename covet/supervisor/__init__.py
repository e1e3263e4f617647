"""One engine process and many workers: `supervise` runs them from start to stop.

See docs/decisions/0006-many-workers.md. This package never imports the application.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet.supervisor.options import SupervisorOptions


def supervise(options: "SupervisorOptions", *, alone: bool = False) -> int:
    """Serves with several workers until SIGINT or SIGTERM. Call it in the main thread.

    Args:
        options: what to serve, and how.
        alone: the process does nothing else, now or later.

    Returns:
        The exit code: 0 after a stop as asked, 2 for a wrong option, 3 if the start failed; the log says why.
    """
    if alone:
        with _without_ssl():
            import asyncio  # noqa: F401
    from covet.supervisor.running import run

    return run(options)


@contextmanager
def _without_ssl() -> Iterator[None]:
    """What is imported here does without OpenSSL, as where Python has none; asyncio would take 4 MB for it."""
    if "ssl" in sys.modules:
        yield
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["ssl"]
