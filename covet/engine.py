"""The engine's control functions: `libcovet.so`, opened by cffi.

Their declarations are compiled into `_engine_abi.py`, which
`python -m covet.engine_abi` writes: to parse C at each start would take time and memory.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from covet._engine_abi import ffi

TEXT_BYTES = 4096
MAX_DESCRIPTORS = 64


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

    Raises:
        EngineError: the configuration cannot be used, or an address not be bound.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._handle = -1
        self._lib = _library()
        message = ffi.new("char[]", TEXT_BYTES)
        self._handle = self._lib.covet_engine_new(json.dumps(config).encode(), message, TEXT_BYTES)
        if self._handle < 0:
            raise EngineError(_text(message))

    def channel(self) -> list[int]:
        """The descriptors of the channel: memory, the worker's doorbell, the loops' doorbells."""
        descriptors = ffi.new("int[]", MAX_DESCRIPTORS)
        count = self._lib.covet_engine_channel(self._handle, descriptors, MAX_DESCRIPTORS)
        if count < 3:
            raise EngineError("the engine has no channel")
        return [descriptors[i] for i in range(count)]

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
        buffer = ffi.new("char[]", TEXT_BYTES)
        if self._lib.covet_engine_status(self._handle, buffer, TEXT_BYTES) < 0:
            raise EngineError("the engine has no status")
        status: dict[str, Any] = json.loads(_text(buffer))
        return status

    def stop(self, timeout: float) -> bool:
        """Closes every socket and ends the loops; whether they ended within `timeout` seconds."""
        return bool(self._lib.covet_engine_stop(self._handle, round(timeout * 1000)) == 0)

    def free(self) -> None:
        """Gives everything back; the engine cannot be used any more."""
        if self._handle >= 0:
            self._lib.covet_engine_free(self._handle)
            self._handle = -1
