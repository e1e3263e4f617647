"""What the supervisor and a worker process tell each other: JSON lines over a pair of unix sockets.

Descriptors travel beside the line that announces them (SCM_RIGHTS).
"""

import json
import os
import signal
import socket
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

PIECE_BYTES = 65536
MAX_DESCRIPTORS = 64
# A worker that gets it writes where its main thread is; the first and last real-time signals have other users.
TRACE_SIGNAL = signal.SIGRTMIN + 10


@dataclass(repr=False)
class Setup:
    """To the worker, first: what to import and how to serve it.

    Attributes:
        app: the application's name.
        path: the import path.
        log: the arguments of `covet.log.configure`.
        factory: the name is that of a function that returns the application.
        serve: the part of ServeOptions that concerns workers.
        settings: settings instead of the application's own.
    """

    app: str
    path: list[str]
    log: dict[str, Any]
    factory: bool = False
    serve: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(repr=False)
class Born:
    """From a worker that was forked, first: it is the supervisor's child now, and waits for Setup.

    Attributes:
        pid: the process's number.
    """

    pid: int


@dataclass(repr=False)
class Hello:
    """From the worker: the application is imported, and this is the engine's configuration that it wants."""

    config: dict[str, Any]


@dataclass(repr=False)
class Attach:
    """To the worker: its place on the channel, with the channel's descriptors."""

    place: int


@dataclass(repr=False)
class Ready:
    """From the worker: start-up is complete and the runner is attached."""


@dataclass(repr=False)
class Failed:
    """From the worker: it cannot serve, and ends.

    Attributes:
        code: the exit code that is due.
        text: what happened, in one line.
        trace: the traceback; empty if it would say no more than the text.
    """

    code: int
    text: str
    trace: str = ""


@dataclass(repr=False)
class Leaving:
    """From the worker: somebody sent it SIGTERM; it asks to be retired."""


@dataclass(repr=False)
class Drain:
    """To the worker: no more requests will come; finish what has begun within so many seconds, then end."""

    limit: float


@dataclass(repr=False)
class Closed:
    """From the worker: it has let go of the channel; the application's shutdown runs."""


ToWorker = Setup | Attach | Drain
ToSupervisor = Born | Hello | Ready | Failed | Leaving | Closed


class NoMessage(ValueError):
    """A line is none of the messages that the other end may send."""


class Link:
    """One end of the pair.

    Args:
        end: the socket; the link owns it.
        kinds: the union of the messages that the other end may send.

    Attributes:
        descriptors: those that came and have not been taken.
    """

    def __init__(self, end: socket.socket, kinds: UnionType) -> None:
        self._socket = end
        self._kinds = {kind.__name__: kind for kind in kinds.__args__}
        self._pending = bytearray()
        self.descriptors: list[int] = []

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def send(self, message: ToWorker | ToSupervisor, descriptors: Sequence[int] = ()) -> None:
        """Sends a message, and descriptors with it. Raises OSError if the other end has gone."""
        line = json.dumps([type(message).__name__, vars(message)]).encode() + b"\n"
        sent = 0
        if descriptors:
            sent = socket.send_fds(self._socket, [line], descriptors)
        self._socket.sendall(line[sent:])

    def receive(self, *, wait: bool = False) -> list[Any]:
        """The messages that have come.

        Args:
            wait: block until there is at least one.

        Raises:
            EOFError: the other end has gone.
            NoMessage: a line is none of the expected messages.
        """
        messages: list[Any] = []
        while not (wait and messages):
            try:
                piece = self._read(0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except ConnectionResetError:
                piece = b""
            if not piece:
                if messages:
                    break  # the end is seen again at the next call
                raise EOFError("the other end of the control socket has gone")
            self._pending += piece
            if b"\n" in piece:
                *lines, self._pending = self._pending.split(b"\n")
                messages.extend(map(self._decode, lines))
        return messages

    def _decode(self, line: bytearray) -> Any:
        try:
            name, members = json.loads(line)
            message = self._kinds[name](**members)
        except (ValueError, TypeError, KeyError) as error:
            raise NoMessage(f"{bytes(line[:100])!r} is no message of the other end") from error
        return message

    def _read(self, flags: int) -> bytes:
        # socket.recv_fds takes flags, but does not heed them.
        numbers = array("i")
        room = socket.CMSG_LEN(MAX_DESCRIPTORS * numbers.itemsize)
        piece, attached, _, _ = self._socket.recvmsg(PIECE_BYTES, room, flags | socket.MSG_CMSG_CLOEXEC)
        for level, kind, data in attached:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
        self.descriptors.extend(numbers)
        return piece

    def close(self) -> None:
        """Closes the socket and the descriptors that nobody took."""
        self._socket.close()
        while self.descriptors:
            os.close(self.descriptors.pop())
