"""Between httpx and a call in memory: the bodies of requests and responses, as they come."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, MutableSet
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

from covet.testing.calls import HttpCall, NextPiece
from covet.testing.http_library import httpx
from covet.testing.portal import Portal, TimeLimitExceeded

NO_RESPONSE = "TestClient did not receive any response."


def body_of(request: httpx.Request) -> NextPiece:
    """The body of a request, piece by piece if its length is not known beforehand."""
    if "transfer-encoding" not in request.headers:
        return _whole(request.read())
    pieces: Any = iter(request.stream)  # type: ignore[arg-type]  # a client that is not asynchronous has no other

    async def following() -> bytes | None:
        return next(pieces, None)

    return _in_pieces(request, following)


async def async_body_of(request: httpx.Request) -> NextPiece:
    """The same for an asynchronous client."""
    if "transfer-encoding" not in request.headers:
        return _whole(await request.aread())
    pieces: Any = aiter(request.stream)  # type: ignore[arg-type]  # an asynchronous client has no other

    async def following() -> bytes | None:
        piece: bytes | None = await anext(pieces, None)
        return piece

    return _in_pieces(request, following)


def _whole(body: bytes) -> NextPiece:
    async def next_piece() -> tuple[bytes, bool]:
        return body, False

    return next_piece


def _in_pieces(request: httpx.Request, following: Any) -> NextPiece:
    sent: list[bytes] = []

    async def next_piece() -> tuple[bytes, bool]:
        piece = await following()
        if piece is not None:
            sent.append(piece)
            return piece, True
        request.stream = httpx.ByteStream(b"".join(sent))  # a redirect sends it again
        return b"", False

    return next_piece


def response_of(call: HttpCall, request: httpx.Request, stream: Any) -> httpx.Response:
    """The response, with what the application sent by extensions."""
    response = httpx.Response(call.status, headers=call.headers, stream=stream, request=request)
    if call.trailers is not None:
        response.extensions["http.response.trailers"] = call.trailers
    if call.debug:
        response.extensions["http.response.debug"] = call.debug
        for name in ("template", "context"):
            if name in call.debug:
                setattr(response, name, call.debug[name])
    return response


def _read_timeout(request: httpx.Request) -> float | None:
    limits = request.extensions.get("timeout") or {}
    limit: float | None = limits.get("read")
    return limit


class ResponseStream(httpx.SyncByteStream):
    """The body of a response, as the application sends it; the end of the stream is the application's end.

    Args:
        call: the call of the application, not begun.
        request: what it is called with.
        portal_factory: gives the event loop.
        opened: where the stream is while it is open.
        raise_failure: raise what the application raises.
    """

    def __init__(
        self,
        call: HttpCall,
        request: httpx.Request,
        portal_factory: Callable[[], AbstractContextManager[Portal]],
        opened: "MutableSet[ResponseStream]",
        *,
        raise_failure: bool,
    ) -> None:
        self._call = call
        self._request = request
        self._portal_factory = portal_factory
        self._opened = opened
        self._raise = raise_failure
        self._stack = ExitStack()

    def begin(self) -> None:
        """Waits for the head of the response, or for the application's end."""
        self._portal = self._stack.enter_context(self._portal_factory())
        self._opened.add(self)
        try:
            self._in_time(self._call.begin)
        except BaseException:
            self.give_up()
            raise

    def __iter__(self) -> Iterator[bytes]:
        without_body = self._request.method == "HEAD"
        while (piece := self._in_time(self._call.next_piece)) is not None:
            if piece and not without_body:
                yield piece
        self.close()

    def close(self) -> None:
        """Waits for the application's end; gives a response up that is not complete. Raises the application's error."""
        if self in self._opened:
            self._finish(self._call.close)
            if self._raise and self._call.failure is not None:
                raise self._call.failure

    def give_up(self) -> None:
        """Cancels the application and waits for its end."""
        if self in self._opened:
            self._finish(partial(self._call.close, at_once=True))

    def _finish(self, close: Callable[[], Any]) -> None:
        self._opened.discard(self)
        with self._stack:
            self._portal.call(close)

    def _in_time(self, function: Callable[[], Any]) -> Any:
        try:
            return self._portal.call(function, timeout=_read_timeout(self._request))
        except TimeLimitExceeded as error:
            raise httpx.ReadTimeout(str(error), request=self._request) from None


class AsyncResponseStream(httpx.AsyncByteStream):
    """The same on the running loop.

    Args:
        call: the call of the application, not begun.
        request: what it is called with.
        opened: where the stream is while it is open.
        raise_failure: raise what the application raises.
    """

    def __init__(
        self,
        call: HttpCall,
        request: httpx.Request,
        opened: "MutableSet[AsyncResponseStream]",
        *,
        raise_failure: bool,
    ) -> None:
        self._call = call
        self._request = request
        self._opened = opened
        self._raise = raise_failure

    async def begin(self) -> None:
        """Waits for the head of the response, or for the application's end."""
        self._opened.add(self)
        try:
            await self._in_time(self._call.begin)
        except BaseException:
            await self.give_up()
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        without_body = self._request.method == "HEAD"
        while (piece := await self._in_time(self._call.next_piece)) is not None:
            if piece and not without_body:
                yield piece
        await self.aclose()

    async def aclose(self) -> None:
        """Waits for the application's end; gives a response up that is not complete. Raises the application's error."""
        if self in self._opened:
            self._opened.discard(self)
            await self._call.close()
            if self._raise and self._call.failure is not None:
                raise self._call.failure

    async def give_up(self) -> None:
        """Cancels the application and waits for its end."""
        if self in self._opened:
            self._opened.discard(self)
            await self._call.close(at_once=True)

    async def _in_time(self, function: Callable[[], Any]) -> Any:
        limit = _read_timeout(self._request)
        task = asyncio.ensure_future(function())
        try:
            _, unfinished = await asyncio.wait([task], timeout=limit)
        except BaseException:
            task.cancel()
            raise
        if unfinished:
            task.cancel()
            raise httpx.ReadTimeout(f"no answer within {limit:g} seconds", request=self._request)
        return task.result()
