"""One engine process and many workers: `supervise` runs them from start to stop.

See docs/decisions/0006-many-workers.md. This package never imports the application.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet.supervisor.options import SupervisorOptions


def supervise(options: "SupervisorOptions") -> int:
    """Serves with several workers until SIGINT or SIGTERM. Call it in the main thread.

    Args:
        options: what to serve, and how.

    Returns:
        The exit code: 0 after a stop as asked, 2 for a wrong option, 3 if the start failed; the log says why.
    """
    from covet.supervisor.running import run

    return run(options)
