"""What is common to all who answer over an ASGI server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from covet.asgi.exchange import AsgiExchange, ResponseAborted
from covet.core import Exchange
from covet.exceptions import RAISED
from covet.responses import Response


async def complete(
    x: AsgiExchange, work: Awaitable[None], has_handler: Callable[[Exception], bool] | None = None
) -> None:
    """Sees an exchange through: does the work that answers it, and waits until the server has taken the response.

    Args:
        x: the exchange.
        work: what answers it.
        has_handler: whether an exception would have been answered, had it come before the response.

    Raises:
        Exception: what ended the response while the client was there.
        ResponseAborted: the response was given up for another reason.
    """
    task = asyncio.current_task()
    assert task is not None
    cancellations = task.cancelling()
    try:
        await _done(x, work)
        if x.interrupted:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)  # a handler that did not wait any more has not taken it
        await x.flush()
    finally:
        x.close()
        if x.interrupted:
            task.uncancel()  # it was the handler that was cancelled, not the server's task
    if task.cancelling() > cancellations:
        raise asyncio.CancelledError  # the server's, which the handler has answered
    if x.failure is not None and not x.cancelled:
        # As with Starlette: servers log it, error trackers and test clients see it.
        raise x.failure
    if x.aborted and not x.cancelled:
        if isinstance(x.cause, Exception):
            if has_handler is None or not has_handler(x.cause):
                raise x.cause
            raise ResponseAborted("Caught handled exception, but response already started.") from x.cause
        raise ResponseAborted(f"the response to {x.method} {x.path} was given up") from x.cause


async def _done(x: AsgiExchange, work: Awaitable[None]) -> None:
    """Does the work. Raises what it raises, once what has been answered before is sent."""
    try:
        await work
    except RAISED:
        if x.started:
            x.abort()
            await x.flush()
        raise


async def answer_with(x: AsgiExchange, response: Response) -> None:
    """Sends a response."""
    answer = response.answer(cast(Exchange, x))
    if answer is not None:
        await answer
