"""Several worker processes of one, which loads what they need and ends.

What it has loaded is theirs together until they write to it. It runs no thread and never sees the application, so
the forks are as good as processes of their own.
"""

import gc
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

THREADS = "/proc/self/task"
POLL_SECONDS = 0.001
CANNOT_FORK = 1


def fork(pairs: Sequence[tuple[int, int]], modules: Sequence[str]) -> tuple[int, int]:
    """Forks one process for each pair of descriptors, and ends this one.

    Args:
        pairs: the descriptors of each process: control socket and pipe for tracebacks.
        modules: what they will need; what there is not is left out.

    Returns:
        In each of the new processes, the pair that is its own, once this process has ended.
    """
    for module in modules:
        with suppress(ImportError):
            import_module(module)
    gc.collect()
    gc.freeze()  # or each process would write to all objects when it collects
    if len(os.listdir(THREADS)) > 1:
        # An environment's hook, a profiler's say, has started it; it would be missing in the forks.
        os._exit(CANNOT_FORK)
    parent = os.getpid()
    for pair in pairs:
        try:
            child = os.fork()
        except OSError:
            break  # the supervisor sees that some did not come
        if child == 0:
            return _alone(pair, pairs, parent)
    os._exit(0)


def _alone(pair: tuple[int, int], pairs: Sequence[tuple[int, int]], parent: int) -> tuple[int, int]:
    for other in pairs:
        if other != pair:
            for descriptor in other:
                os.close(descriptor)
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    return pair
