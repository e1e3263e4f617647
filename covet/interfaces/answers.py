"""Answers that an application did not give."""

import logging
from typing import Any

from covet.core import Exchange
from covet.urls import netloc_of

logger = logging.getLogger("covet.error")

PLAIN_TEXT = 2  # exchange.MediaType
TEXTS = {500: b"Internal Server Error", 503: b"Service Unavailable"}


TOLD = "told"
"""The state of an exchange whose application was given http.disconnect."""


class ClientDisconnected(OSError):
    """The client has gone: nothing can be sent to it, and no more of its request will come."""


def plain_answer(x: Exchange, status: int) -> None:
    """Answers with a status, one of `TEXTS`, and its name."""
    x.respond(status, PLAIN_TEXT, b"", TEXTS[status])


def respond(x: Exchange, status: int, fields: bytes, length: int, body: Any) -> None:
    """Sends a whole response.

    Args:
        x: the exchange.
        status: from 200 to 999.
        fields: the header fields, packed.
        length: what the application says that the body's length is, -1 if nothing; it may be another one
            than the body's if none is sent.
        body: a bytes-like object.
    """
    if length == len(body) or (length < 0 and (body or x.method != "HEAD")):
        x.respond(status, 0, fields, body)
    else:
        # The length that an answer to GET would have, or none if that is not known.
        x.start(status, 0, fields, length)
        x.finish()


def answer_error(x: Exchange, error: BaseException, interface: str) -> None:
    """Answers an exception with 500, or closes the connection if the response has begun; tells the log.

    Args:
        x: the exchange.
        error: what the application raised.
        interface: what the log calls the application.
    """
    expected = x.cancelled and came_from_disconnect(error)
    if x.cancelled and x.state is TOLD and not expected:
        # Frameworks raise exceptions of their own on http.disconnect; the traceback is for those who look for it.
        logger.info("The client of %s %s has gone; the application raised %r", x.method, x.path, error)
        logger.debug("Its traceback", exc_info=error)
    elif not expected:
        logger.error("Exception in %s application, answering %s %s", interface, x.method, x.path, exc_info=error)
    if x.done:
        return
    if x.started or expected:
        x.abort()
    else:
        plain_answer(x, 500)


def answer_cancellation(x: Exchange) -> None:
    """Answers when the application's task was cancelled: the server stops, or the application did it itself."""
    if x.done:
        return
    if x.started or x.cancelled:
        x.abort()
    else:
        plain_answer(x, 503)


def came_from_disconnect(error: BaseException | None) -> bool:
    """Whether an exception, or what it came from, is ClientDisconnected."""
    while error is not None and not isinstance(error, ClientDisconnected):
        error = error.__cause__ or error.__context__
    return error is not None


def toggled(x: Exchange, front: bytes = b"") -> bytes:
    """The address of a request with the last slash of its path added or taken away.

    Args:
        x: the exchange.
        front: what is to be put before its path.
    """
    path = x.raw_path[:-1] if x.raw_path.endswith(b"/") else x.raw_path + b"/"
    query = b"?" + x.query_string if x.query_string else b""
    return f"{x.scheme}://{netloc_of(x, x.scheme)}".encode("latin-1") + front + path + query
