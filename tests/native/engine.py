"""An engine for the worker module: posts requests into a channel of its own and takes the answers."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from covet.core import Runner

ROOT = Path(__file__).resolve().parents[2]

CANCELLED, BODY_END, BODY_BROKEN, TOO_LARGE, HALF_CLOSED = 1, 2, 4, 8, 16
HEAD, END, DONE, ABORT, CONTINUE = 1, 2, 4, 8, 16
TLS, BODY, BODY_WHOLE, ESCAPED, HAS_QUERY, IPV6, UNIX, EXPECT = 1, 2, 4, 8, 16, 32, 64, 128
NO_BODY, CLOSE, OWN_DATE, OWN_SERVER, OWN_LENGTH = 1, 2, 4, 8, 16
METHODS = ("", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")

Fields = Sequence[tuple[bytes, bytes]]


class Stalled(AssertionError):
    """The worker did not answer although its event loop went round."""


class _Request(ctypes.Structure):
    _fields_ = (
        ("route", ctypes.c_uint32),
        ("verdict", ctypes.c_uint16),
        ("method", ctypes.c_uint8),
        ("minor", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("num_fields", ctypes.c_uint8),
        ("num_params", ctypes.c_uint8),
        ("proto", ctypes.c_uint8),
        ("peer", ctypes.c_uint8 * 16),
        ("peer_port", ctypes.c_uint16),
        ("local_port", ctypes.c_uint16),
        ("root_len", ctypes.c_uint16),
        ("local_family", ctypes.c_uint8),
        ("local", ctypes.c_uint8 * 16),
        ("content_length", ctypes.c_int64),
        ("spans", ctypes.c_uint16 * 10),
        ("head", ctypes.c_char_p),
        ("head_len", ctypes.c_uint32),
        ("fields", ctypes.POINTER(ctypes.c_uint16)),
        ("params", ctypes.POINTER(ctypes.c_uint16)),
        ("body", ctypes.c_char_p),
        ("body_len", ctypes.c_uint32),
    )


def build(folder: Path) -> ctypes.CDLL:
    """Compiles engine.c into `folder` and loads it."""
    target = folder / "engine.so"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"]
    source = ROOT / "tests" / "native" / "engine.c"
    subprocess.run(
        [os.environ.get("CC", "gcc"), *flags, f"-I{ROOT / 'bridge'}", str(source), "-o", str(target)], check=True
    )
    lib = ctypes.CDLL(str(target))
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "new": (pointer, [ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)]),
        "free": (None, [pointer]),
        "fd": (ctypes.c_int, [pointer, ctypes.c_int]),
        "ring": (None, [pointer]),
        "post": (number, [pointer, ctypes.POINTER(_Request)]),
        "next": (number, [pointer]),
        "worker_flags": (ctypes.c_uint32, [pointer, number]),
        "request_flags": (ctypes.c_uint8, [pointer, number]),
        "head": (pointer, [pointer, number, ctypes.POINTER(ctypes.c_int64)]),
        "take": (ctypes.c_int64, [pointer, number, ctypes.c_char_p]),
        "give": (ctypes.c_int, [pointer, number, ctypes.c_char_p, ctypes.c_uint32]),
        "raise": (None, [pointer, number, ctypes.c_uint32]),
        "notify": (None, [pointer, number]),
        "release": (None, [pointer, number]),
        "blocks_in_use": (ctypes.c_int64, [pointer]),
        "begun": (number, [pointer]),
        "finished": (number, [pointer]),
        "worker_state": (ctypes.c_uint32, [pointer]),
        "show": (ctypes.c_int, [pointer, ctypes.c_char_p, number]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, f"engine_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


def request(
    path: bytes = b"/",
    query: bytes = b"",
    *,
    method: str = "GET",
    params: Sequence[bytes] = (),
    fields: Fields = ((b"host", b"test:80"),),
    body: bytes | None = None,
    length: int | None = None,
    route: int = 1,
    verdict: int = 0,
    flags: int = 0,
    peer: bytes = b"\x7f\0\0\1",
    family: int = 4,
    local: bytes = b"\x0a\0\0\1",
    root: int = 0,
) -> _Request:
    """What the engine would post for a request.

    Args:
        params: texts of the path's parameters; each must occur in the path.
        body: a body that comes with the head; None if there is none or it is given later.
        length: the Content-Length; by default that of `body`.
        family: of the address that the client has connected to: 4, 6, or 0 for a Unix socket.
        local: that address.
        root: how much of the path was taken off its front.
    """
    target = path + (b"?" + query if query else b"")
    head = method.encode() + b" " + target + b" HTTP/1.1\r\n"
    at_path = len(method) + 1
    places = []
    for name, value in fields:
        places += [len(head), len(name), len(head) + len(name) + 2, len(value)]
        head += name + b": " + value + b"\r\n"
    host = next(((places[4 * i + 2], len(v)) for i, (n, v) in enumerate(fields) if n.lower() == b"host"), (0, 0))
    in_path, start = [], 0
    for value in params:
        start = path.index(value, start)
        in_path += [at_path + start, len(value)]
        start += len(value)
    r = _Request()
    r.route, r.verdict, r.minor = route, verdict, 1
    r.method = METHODS.index(method) if method in METHODS else 0
    r.flags = flags | (HAS_QUERY if query else 0) | ((BODY | BODY_WHOLE) if body is not None else 0)
    r.num_fields, r.num_params = len(fields), len(params)
    r.peer[: len(peer)] = list(peer)
    r.peer_port, r.local_port = 5000, 80
    r.local_family, r.local[: len(local)], r.root_len = family, list(local), root
    r.content_length = length if length is not None else len(body) if body is not None else -1
    query_at = at_path + len(path) + 1 if query else 0
    spans = (0, len(method), at_path, len(target), at_path + root, len(path) - root, query_at, len(query), *host)
    r.spans[:] = list(spans)
    r.head, r.head_len = head, len(head)
    r.fields = (ctypes.c_uint16 * max(1, len(places)))(*places)
    r.params = (ctypes.c_uint16 * max(1, len(in_path)))(*in_path)
    r.body, r.body_len = body or b"", len(body or b"")
    return r


@dataclass
class Answer:
    """What has come of an answer so far."""

    id: int
    status: int = 0
    media: int = 0
    flags: int = 0
    length: int = 0
    fields: bytes = b""
    body: bytes = b""
    told: int = 0
    released: bool = False
    done_count: int = 0

    @property
    def head(self) -> bool:
        return bool(self.told & HEAD)

    @property
    def aborted(self) -> bool:
        return bool(self.told & ABORT)

    @property
    def continued(self) -> bool:
        return bool(self.told & CONTINUE)


@dataclass
class Engine:
    """One loop's side of a channel.

    Args:
        lib: the compiled engine.
        slots: exchanges at a time.
        blocks: how many blocks there are of each class.
    """

    lib: ctypes.CDLL
    slots: int = 256
    blocks: tuple[int, int, int, int] = (16, 16, 32, 8)
    answers: dict[int, Answer] = field(default_factory=dict)
    taking: bool = True
    """Whether pieces of response bodies are taken when they come."""

    def __post_init__(self) -> None:
        self._e = self.lib.engine_new(self.slots, (ctypes.c_uint32 * 4)(*self.blocks))
        self._piece = ctypes.create_string_buffer(1 << 18)

    @property
    def descriptors(self) -> tuple[int, int, int, list[int]]:
        """The arguments of Runner."""
        fd = self.lib.engine_fd
        return fd(self._e, 0), 0, fd(self._e, 1), [fd(self._e, 2)]

    def show(self, name: str, value: int) -> None:
        """Sets a figure in the record of the loop, of the worker, or in the header."""
        assert self.lib.engine_show(self._e, name.encode(), value), f"there is no figure {name}"

    def post(self, r: _Request | None = None, /, **kwargs: Any) -> int:
        """Posts a request and rings the worker; the exchange's id."""
        id_: int = self.lib.engine_post(self._e, r if r is not None else request(**kwargs))
        assert id_, "no free slot"
        self.answers[id_] = Answer(id_)
        self.lib.engine_ring(self._e)
        return id_

    def give(self, id_: int, piece: bytes) -> bool:
        """Queues a piece of a request's body and tells the worker; False if the ring is full."""
        given = bool(self.lib.engine_give(self._e, id_, piece, len(piece)))
        self.notify(id_)
        return given

    def raise_flags(self, id_: int, flags: int) -> None:
        """Raises engine flags and tells the worker."""
        self.lib.engine_raise(self._e, id_, flags)
        self.notify(id_)

    def raise_silently(self, id_: int, flags: int) -> None:
        """Raises engine flags."""
        self.lib.engine_raise(self._e, id_, flags)

    def notify(self, id_: int) -> None:
        """Tells the worker that there is news."""
        self.lib.engine_notify(self._e, id_)
        self.lib.engine_ring(self._e)

    def reap(self) -> None:
        """Takes everything that the worker has published."""
        while id_ := self.lib.engine_next(self._e):
            self.look(id_)

    def look(self, id_: int) -> None:
        """Takes what one exchange has to show; frees its slot when it is done."""
        answer = self.answers[id_]
        assert not answer.released, "the worker told something about an exchange that is over"
        told = self.lib.engine_worker_flags(self._e, id_)
        if told & HEAD and not answer.head:
            self._head(answer)
        if self.taking or told & DONE:
            self.take(id_)
        answer.told = told & ~0x80000000
        if told & DONE:
            answer.released = True
            answer.done_count += 1
            self.lib.engine_release(self._e, id_)

    def _head(self, answer: Answer) -> None:
        out = (ctypes.c_int64 * 6)()
        room = self.lib.engine_head(self._e, answer.id, out)
        answer.status, answer.media, answer.flags, answer.length = out[0], out[1], out[2], out[3]
        answer.fields = ctypes.string_at(room, out[4])
        answer.body = ctypes.string_at(room + out[4], out[5])

    def take(self, id_: int) -> int:
        """Takes the pieces that are there, tells the worker, and returns how many there were."""
        count = 0
        while (size := self.lib.engine_take(self._e, id_, self._piece)) >= 0:
            self.answers[id_].body += self._piece.raw[:size]
            count += 1
        if count and not self.lib.engine_worker_flags(self._e, id_) & DONE:
            self.notify(id_)
        return count

    def request_flags(self, id_: int) -> int:
        """The flags in the request part of a slot."""
        flags: int = self.lib.engine_request_flags(self._e, id_)
        return flags

    @property
    def blocks_in_use(self) -> int:
        count: int = self.lib.engine_blocks_in_use(self._e)
        return count

    @property
    def unfinished(self) -> int:
        """Exchanges that the worker has begun and not ended, by its own count."""
        count: int = self.lib.engine_begun(self._e) - self.lib.engine_finished(self._e)
        return count

    async def until(self, condition: Callable[[], Any], turns: int = 3000) -> None:
        """Lets the event loop go round until `condition` holds; short sleeps let timers come."""
        for turn in range(turns):
            self.reap()
            if condition():
                return
            await asyncio.sleep(0 if turn < 100 else 0.001)
        raise Stalled("the worker has not come so far")

    async def answer(self, id_: int) -> Answer:
        """The whole answer of an exchange, once the worker is done with it."""
        answer = self.answers[id_]
        await self.until(lambda: answer.released)
        return answer

    async def get(self, **kwargs: Any) -> Answer:
        """Posts a request and waits for its answer."""
        return await self.answer(self.post(**kwargs))

    def close(self) -> None:
        """Gives the memory back; the worker must have detached."""
        self.lib.engine_free(self._e)


def attach(engine: Engine) -> Runner:
    """A runner at this engine's channel."""
    return Runner(*engine.descriptors)
