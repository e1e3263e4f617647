"""What the log says of workers that did not come to serve."""

import logging

from covet.supervisor.errors import WorkerFailed

logger = logging.getLogger("covet.error")


def report(failure: WorkerFailed) -> None:
    """Logs why a worker does not serve, with the application's traceback if there is one."""
    if failure.trace:
        logger.error("%s\n%s", failure.text, failure.trace)
    else:
        logger.error("%s", failure.text)
