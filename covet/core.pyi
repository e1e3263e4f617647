"""What the native module gives to the Python side of a worker.

`core.py` binds the C types of `covet._worker`; this stub is their contract.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from types import CoroutineType
from typing import Any, Final

class _Bad: ...

BAD: Final[_Bad]
"""A fast conversion met text that is not in canonical form: take the full path
(validation with error messages), which may still accept it."""

class BodyBroken(Exception):
    """The request body ended early, was malformed, or the client has gone."""

class BodyTooLarge(Exception):
    """The request body passed the server's limit while it was being read."""

class Exchange:
    """One request and its response, as seen by a worker.

    Every field is read from shared memory when it is asked for. When the
    exchange is done and somebody still holds the object, the request head is
    copied first, so reading stays safe; writing then raises RuntimeError.
    """

    route: int
    """The number of the matched route; 0 if none matched."""
    verdict: int
    """0, or the status that the router found for an unmatched request (404, 405)."""
    method: str
    scheme: str
    http_version: str
    target: bytes
    """The request target as received."""
    raw_path: bytes
    """The path, still percent-encoded, without the application's own root path."""
    raw_root: bytes
    """The application's own root path as it was taken off the path; empty if it was not there."""
    path: str
    """The path, percent-decoded as UTF-8 (invalid octets become U+FFFD)."""
    query_string: bytes
    host: str
    client: tuple[str, int] | None
    server: tuple[str, int] | None
    content_length: int
    """Content-Length in bytes; -1 if it is not known."""
    num_params: int
    cancelled: bool
    """The client has gone, or the request's time is over."""
    lost: bool
    """The connection is gone for good: nothing that is sent arrives."""
    started: bool
    """A response head has been written."""
    done: bool
    """The response is complete; nothing more can be written."""
    websocket: bool
    """It is the opening request of a WebSocket, and then that."""
    waiting: bool
    """Something that was pushed waits for room."""
    ended: bool
    """No message follows those that have come: nothing that is pushed arrives."""
    close_reason: str
    """The reason that came with the close code."""
    state: Any
    """A place for the Request object that belongs to this exchange; None at first."""

    # Parameters. `index` counts the path's parameters from 0. The query
    # functions take the last value of `name`, `default` if there is none, and
    # decode as application/x-www-form-urlencoded ('+' is a space).
    def path_str(self, index: int, /) -> str: ...
    def path_int(self, index: int, /) -> int | _Bad: ...
    def path_float(self, index: int, /) -> float | _Bad: ...
    def query_str(self, name: str, default: Any, /) -> Any: ...
    def query_int(self, name: str, default: Any, /) -> Any: ...
    def query_float(self, name: str, default: Any, /) -> Any: ...
    def query_bool(self, name: str, default: Any, /) -> Any: ...
    def query_items(self) -> list[tuple[str, str]]: ...
    def header(self, name: bytes, /) -> bytes | None:
        """The first value of the field `name` (lower-case), or None."""
    def headers(self) -> list[tuple[bytes, bytes]]:
        """All field lines in order, names in lower case."""

    def scope(self, template: dict[str, Any], /) -> dict[str, Any]:
        """A copy of `template` with the members of an ASGI scope that the request decides:

        method, scheme, http_version, path, raw_path, query_string, client, server and headers.
        """

    # Request body.
    def body_whole(self) -> bytes | None:
        """The whole body if it came with the head (b"" if there is none), else None."""
    def read(self) -> bytes | None:
        """The next piece of the body, b"" at its end, None if one must wait.

        The first call sends "100 Continue" if the client waits for it.
        Raises BodyBroken, BodyTooLarge.
        """
    def wait(self, callback: Callable[[], object] | None, /) -> None:
        """Calls `callback` once when there is news: body bytes, room to send, or cancellation.

        If there is news already (see `read`, `send`, `cancelled`) it may be called at once.
        """
    def news(self) -> Awaitable[None]:
        """As `wait`, for a task to await: it goes on as soon as the news is taken.

        Several tasks may wait, each for one of its own. There is news at once if there was some before.
        """
    def on_cancel(self, callback: Callable[[], object] | None, /) -> None:
        """Calls `callback` once if the client goes away before the exchange is done."""

    # Response. `media_type` is a number of exchange.MediaType (0: `fields`
    # says it); `fields` are packed by pack_fields.
    def respond(self, status: int, media_type: int, fields: bytes, body: Any, /) -> bool:
        """Writes the whole response (bytes-like body) and ends the exchange.

        False: it was too large for the free memory at hand, only the head and a
        part of it were queued, the rest is kept and goes out as room comes
        back, without the caller's help.
        """
    def start(self, status: int, media_type: int, fields: bytes, length: int, /) -> None:
        """Writes the head of a streamed response; length -1 if unknown."""
    def send(self, data: Any, /) -> int:
        """Queues bytes-like data; returns how many bytes were taken. 0: wait for room."""
    def send_file(self, descriptor: int, offset: int, length: int, /) -> bool:
        """Queues a part of a regular file that is open here, the only one of the exchange. False: wait for room.

        The descriptor must stay open until `file_taken` says something, of which there is news.
        """
    file_taken: bool | None
    """Whether the engine sends the file of `send_file`. False: it cannot, send its bytes. None: not yet known."""
    def finish(self) -> None:
        """Ends a streamed response."""
    def abort(self) -> None:
        """Gives a started response up: the connection is closed."""

    # WebSockets. Until `accept` one may be answered as any request.
    def accept(self, fields: bytes, /) -> None:
        """Accepts the WebSocket; `fields` are further ones of the answer, packed by pack_fields."""
    def message(self) -> str | bytes | int | None:
        """The next message, None if one must wait; the close code when no message follows.

        The code is what the client sent, or 1005 if it sent none, 1006 if the connection was lost, or what the
        engine has closed it with.
        """
    def push(self, kind: int, data: Any, /) -> bool:
        """Sends a message: text (kind 1: str, or bytes-like in UTF-8) or binary (2: bytes-like).

        It is taken in any case. False: wait until `waiting` is false before the next one.
        Raises BodyBroken if the client has gone.
        """
    def close(self, code: int, reason: str, /) -> None:
        """Closes the WebSocket; messages that still come are thrown away."""
    def subscribe(self, topic: str, /) -> None:
        """Has the engine send what is published on a topic."""
    def unsubscribe(self, topic: str, /) -> None:
        """Has it send no more."""
    def leave(self) -> None:
        """Gives the engine's memory back when the response is complete, though the coroutine goes on.

        The request's head can still be read, its body not. Raises RuntimeError if the response is not complete.
        """

def pack_fields(fields: Sequence[tuple[bytes, bytes]], /) -> bytes:
    """Packs response field lines for `respond` and `start`.

    Raises ValueError if a name is no token or a value has CR, LF or NUL.
    """

def encoder(both: tuple[Callable[[Any], bytes], Callable[[Any], bytes]], /) -> Callable[[Any], bytes]:
    """A function that gives JSON of a value.

    It calls the first function for values that hold nothing but dict, list, tuple, str, int, float, bool and None,
    less than 64 levels deep and with text for keys; the second one for all others.
    """

def die_with_parent() -> None:
    """Has the system kill this process as soon as the thread that started it ends: PR_SET_PDEATHSIG.

    Raises OSError.
    """

def adopt_orphans(wanted: bool, /) -> None:
    """Whether processes whose parent ends become this process's children, if it began theirs: PR_SET_CHILD_SUBREAPER.

    Raises OSError.
    """

def pack_head(fields: Iterable[Iterable[bytes]], /) -> tuple[bytes, int]:
    """Packs the header fields of an application's response, as `pack_fields` does.

    Content-Length is left out and returned as a number, -1 if there is none.
    Transfer-Encoding, Keep-Alive and any Connection but "close" are left out,
    as the connection is the engine's.

    Raises ValueError, and TypeError for what is no pair of bytes objects.
    """

Call = Callable[[Exchange], Coroutine[Any, Any, Any] | Any]

class Runner:
    """Drains a worker's inbox and drives its handlers."""

    def __init__(self, memfd: int, worker: int, doorbell: int, loop_doorbells: Sequence[int]) -> None: ...
    def serve(
        self,
        calls: Sequence[tuple[Call, int, bool] | None],
        *,
        loop: Any,
        encode: Callable[[Any], bytes],
        render: Callable[[Exchange, Any], CoroutineType[Any, Any, Any] | None],
        fail: Callable[[Exchange, BaseException], CoroutineType[Any, Any, Any] | None],
    ) -> None:
        """Registers the handlers and starts to take requests on `loop`.

        calls[n] is (call, status, plain) for route number n; calls[0] answers
        what no route matched and the engine did not answer. `call(x)` returns
        a coroutine to be driven or the handler's result. A result that is
        exactly a dict or list on a `plain` route is encoded by `encode` and
        sent as JSON with `status`; every other result goes to `render(x, r)`,
        every exception to `fail(x, e)`; both may return a coroutine that is
        driven in turn.
        """
    def close(self) -> None:
        """Stops taking requests and detaches from the channel."""
    def figures(self) -> dict[str, int | float]:
        """The engine's totals, the same in each worker; empty after `close`.

        uptime (seconds), connections (open now), accepted (since the start), requests (heads parsed since the
        start), in_flight (given to workers and not done), refused (for want of room), queued (no worker has begun
        them).
        """
    def publish(self, topic: str, kind: int, data: Any, /) -> bool:
        """Has the engine send a message, as of `push`, to all WebSockets that have subscribed to a topic.

        False: the engine has no WebSockets. Raises BufferError if 64 MiB wait to be published.
        """
    def workers(self) -> list[dict[str, Any]]:
        """The workers that are attached, by place; none after `close`.

        worker (the place + 1), pid, state ("starting", "admitted" or "retired"), waiting, begun, finished,
        in_flight, sleeping (waits for something to do) and blocked (seconds; 0 if its event loop is not blocked).
        """
    in_flight: int
    """Exchanges begun and not done, and those that were left while their coroutines go on."""
