"""Makes threads of ours such that `anyio.from_thread` works in them; only loaded where AnyIO is.

What AnyIO keeps for a thread is its own affair, but alike in versions 4.4 and later. With others it is as if this
were not there.
"""

import asyncio
import threading

try:
    from anyio._backends._asyncio import AsyncIOBackend, CancelScope
    from anyio._core._eventloop import claim_worker_thread, threadlocals

    with claim_worker_thread(AsyncIOBackend, None):
        # Before 4.11 what is called from the thread needs a scope.
        wants_scope = not hasattr(threadlocals.current_token, "native_token")
    works = True
except Exception:
    works = False


class _Claim(threading.local):
    """What this thread is for AnyIO."""

    loop: asyncio.AbstractEventLoop | None = None


_own = _Claim()


def claim_for(loop: asyncio.AbstractEventLoop) -> None:
    """Has `anyio.from_thread`, in this thread, get to a loop from now on."""
    if _own.loop is loop or not works:
        return
    with claim_worker_thread(AsyncIOBackend, loop):
        said = dict(vars(threadlocals))
    vars(threadlocals).update(said, current_cancel_scope=CancelScope(shield=True) if wants_scope else None)
    _own.loop = loop
