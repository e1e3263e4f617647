"""The engine's control functions: `libcovet.so`, opened by cffi.

Their declarations are compiled into `_engine_abi.py`, which
`python -m covet.engine_abi` writes: to parse C at each start would take time and memory.
"""

import json
import mmap
import os
import resource
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from covet._engine_abi import ffi

TEXT_BYTES = 4096
STATUS_BYTES = 32768
EVENT_BYTES = 32768
MAX_DESCRIPTORS = 64
# The Go runtime reserves much more than it uses, and ends the process if it cannot.
RUNTIME_ADDRESSES = 1792 << 20


class EngineError(RuntimeError):
    """The engine could not do what it was asked; the text says why."""


@cache
def _library() -> Any:
    """The library, loaded when it is first needed: it must not be loaded before a fork."""
    path = os.environ.get("COVET_LIBRARY") or str(Path(__file__).with_name("libcovet.so"))
    try:
        return ffi.dlopen(path)
    except OSError as error:
        raise EngineError(f"the engine cannot be loaded: {error}") from None


def check_address_space(pool_bytes: int, mappings: int) -> None:
    """Finds out whether the process's limit of address space leaves an engine enough.

    Args:
        pool_bytes: the size of the memory pool.
        mappings: how often this process maps it: once for the engine, and once for a worker.

    Raises:
        EngineError: it does not.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    # Beside the pool, the channel has what requests need, a few hundredths of it.
    needed = RUNTIME_ADDRESSES + mappings * (pool_bytes + pool_bytes // 20)
    try:
        mmap.mmap(-1, needed, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0).close()
    except OSError:
        raise EngineError(
            f"the engine needs {needed >> 20} MiB of address space, and of the limit of {limit >> 20} MiB (ulimit -v) "
            "less than that is left: raise the limit, or make memory_pool_size smaller"
        ) from None


def _text(buffer: Any) -> str:
    text: bytes = ffi.string(buffer)
    return text.decode("utf-8", "replace")


def version() -> str:
    """The version of the engine. Raises EngineError."""
    return _text(_library().covet_version())


class Engine:
    """One engine in this process. Its calls release the GIL.

    Args:
        config: what `libcovet/engine/config.go` reads.
        workers_here: how many workers run in this process.

    Raises:
        EngineError: the configuration cannot be used, an address not be bound, or memory is limited to too little.
    """

    def __init__(self, config: Mapping[str, Any], *, workers_here: int = 0) -> None:
        self._handle = -1
        check_address_space(config.get("memory_pool_bytes", 0), 1 + workers_here)
        self._lib = _library()
        message = ffi.new("char[]", TEXT_BYTES)
        self._handle = self._lib.covet_engine_new(json.dumps(config).encode(), message, TEXT_BYTES)
        if self._handle < 0:
            raise EngineError(_text(message))

    def channel(self, place: int = 0) -> list[int]:
        """The descriptors that a worker attaches to a place with: memory, its doorbell, the loops' doorbells."""
        descriptors = ffi.new("int[]", MAX_DESCRIPTORS)
        count = self._lib.covet_engine_channel(self._handle, place, descriptors, MAX_DESCRIPTORS)
        if count < 3:
            raise EngineError(f"the engine has no place {place}")
        return [descriptors[i] for i in range(count)]

    def install(self, config: Mapping[str, Any]) -> int:
        """Takes the routes of workers to come, which have another version of the application.

        Args:
            config: that application's configuration; only what concerns routes is read.

        Returns:
            The number of the route table, for `admit`. That of the engine's own configuration is 1.

        Raises:
            EngineError: the routes cannot be used.
        """
        message = ffi.new("char[]", TEXT_BYTES)
        table = self._lib.covet_engine_install(self._handle, json.dumps(config).encode(), message, TEXT_BYTES)
        return self._checked(table, message)

    def admit(self, place: int, table: int = 1) -> None:
        """Lets requests go to the worker that has attached to a place. Raises EngineError.

        Args:
            place: the worker's place.
            table: the routes that it has; the newest ones admitted so far are the current ones.
        """
        message = ffi.new("char[]", TEXT_BYTES)
        self._checked(self._lib.covet_engine_admit(self._handle, place, table, message, TEXT_BYTES), message)

    def retire(self, place: int) -> None:
        """Returns when nothing more is given to a worker. It keeps what it has begun, and begins or
        leaves to others what waits for it. Raises EngineError."""
        message = ffi.new("char[]", TEXT_BYTES)
        self._checked(self._lib.covet_engine_retire(self._handle, place, message, TEXT_BYTES), message)

    def reclaim(self, place: int) -> dict[str, int]:
        """Frees the place of a worker whose process has ended.

        Returns:
            How many of its requests were `moved` to another worker, as they were not begun, `repeated` by
            one, or `failed`.

        Raises:
            EngineError: there is no such place.
        """
        message = ffi.new("char[]", TEXT_BYTES)
        self._checked(self._lib.covet_engine_reclaim(self._handle, place, message, TEXT_BYTES), message)
        fates: dict[str, int] = json.loads(_text(message))
        return fates

    def event_fd(self) -> int:
        """A descriptor that is readable while there are events; it stays the engine's. Raises EngineError."""
        descriptor: int = self._lib.covet_engine_event_fd(self._handle)
        if descriptor < 0:
            raise EngineError("the engine has no descriptor for events")
        return descriptor

    def events(self) -> list[dict[str, Any]]:
        """What has happened since the last call.

        `event` is "blocked" or "unblocked", with the worker's `place` and the `seconds` that its event loop has been
        or was blocked; "queued", at most once a second while requests wait that no worker has begun; or "failed", with
        the `reason`: a loop has ended by itself, and the engine is of no use any more.
        """
        events: list[dict[str, Any]] = json.loads(self._long_text(self._lib.covet_engine_events, EVENT_BYTES))
        return events

    def start(self) -> None:
        """Begins to serve; returns at once. Raises EngineError."""
        message = ffi.new("char[]", TEXT_BYTES)
        if self._lib.covet_engine_start(self._handle, message, TEXT_BYTES) < 0:
            raise EngineError(_text(message))

    def address(self, listener: int = 0) -> str | None:
        """Where a listener is bound, as host:port; None if there is no such listener."""
        buffer = ffi.new("char[]", TEXT_BYTES)
        if self._lib.covet_engine_address(self._handle, listener, buffer, TEXT_BYTES) < 0:
            return None
        return _text(buffer)

    def drain(self) -> None:
        """Accepts no more; connections end after what they are owed."""
        self._lib.covet_engine_drain(self._handle)

    def status(self) -> dict[str, Any]:
        """The engine's figures: state, connections, in_flight, requests and more."""
        status: dict[str, Any] = json.loads(self._long_text(self._lib.covet_engine_status, STATUS_BYTES))
        return status

    def _long_text(self, call: Any, room: int) -> str:
        buffer = ffi.new("char[]", room)
        length = call(self._handle, buffer, room)
        if not 0 <= length < room:
            raise EngineError("the engine cannot be asked")
        return _text(buffer)

    @staticmethod
    def _checked(result: int, message: Any) -> int:
        if result < 0:
            raise EngineError(_text(message))
        return result

    def stop(self, timeout: float) -> bool:
        """Closes every socket and ends the loops; whether they ended within `timeout` seconds."""
        return bool(self._lib.covet_engine_stop(self._handle, round(timeout * 1000)) == 0)

    def free(self) -> None:
        """Gives everything back; the engine cannot be used any more."""
        if self._handle >= 0:
            self._lib.covet_engine_free(self._handle)
            self._handle = -1
