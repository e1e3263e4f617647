"""The engine's control functions: `libcovet.so`, opened by cffi."""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cffi

DECLARATIONS = """
int64_t covet_engine_new(const char *config_json, char *err, int err_len);
int covet_engine_channel(int64_t h, int *fds, int n);
int covet_engine_start(int64_t h, char *err, int err_len);
int covet_engine_address(int64_t h, int i, char *buf, int len);
int covet_engine_drain(int64_t h);
int covet_engine_status(int64_t h, char *buf, int len);
int covet_engine_stop(int64_t h, int timeout_ms);
int covet_engine_free(int64_t h);
const char *covet_version(void);
"""
TEXT_BYTES = 4096
MAX_DESCRIPTORS = 64


class EngineError(RuntimeError):
    """The engine could not do what it was asked; the text says why."""


@cache
def _library() -> tuple[cffi.FFI, Any]:
    """The library, loaded when it is first needed: it must not be loaded before a fork."""
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    path = os.environ.get("COVET_LIBRARY") or str(Path(__file__).with_name("libcovet.so"))
    try:
        return ffi, ffi.dlopen(path)
    except OSError as error:
        raise EngineError(f"the engine cannot be loaded: {error}") from None


def version() -> str:
    """The version of the engine. Raises EngineError."""
    ffi, lib = _library()
    text = ffi.string(lib.covet_version())
    return text.decode() if isinstance(text, bytes) else text


class Engine:
    """One engine in this process. Its calls release the GIL.

    Args:
        config: what `libcovet/engine/config.go` reads.

    Raises:
        EngineError: the configuration cannot be used, or an address not be bound.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._handle = -1
        self._ffi, self._lib = _library()
        message = self._ffi.new("char[]", TEXT_BYTES)
        self._handle = self._lib.covet_engine_new(json.dumps(config).encode(), message, TEXT_BYTES)
        if self._handle < 0:
            raise EngineError(self._text(message))

    def _text(self, buffer: Any) -> str:
        text = self._ffi.string(buffer)
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else text

    def channel(self) -> list[int]:
        """The descriptors of the channel: memory, the worker's doorbell, the loops' doorbells."""
        descriptors = self._ffi.new("int[]", MAX_DESCRIPTORS)
        count = self._lib.covet_engine_channel(self._handle, descriptors, MAX_DESCRIPTORS)
        if count < 3:
            raise EngineError("the engine has no channel")
        return [descriptors[i] for i in range(count)]

    def start(self) -> None:
        """Begins to serve; returns at once. Raises EngineError."""
        message = self._ffi.new("char[]", TEXT_BYTES)
        if self._lib.covet_engine_start(self._handle, message, TEXT_BYTES) < 0:
            raise EngineError(self._text(message))

    def address(self, listener: int = 0) -> str | None:
        """Where a listener is bound, as host:port; None if there is no such listener."""
        buffer = self._ffi.new("char[]", TEXT_BYTES)
        if self._lib.covet_engine_address(self._handle, listener, buffer, TEXT_BYTES) < 0:
            return None
        return self._text(buffer)

    def drain(self) -> None:
        """Accepts no more; connections end after what they are owed."""
        self._lib.covet_engine_drain(self._handle)

    def status(self) -> dict[str, Any]:
        """The engine's figures: state, connections, in_flight, requests and more."""
        buffer = self._ffi.new("char[]", TEXT_BYTES)
        if self._lib.covet_engine_status(self._handle, buffer, TEXT_BYTES) < 0:
            raise EngineError("the engine has no status")
        status: dict[str, Any] = json.loads(self._text(buffer))
        return status

    def stop(self, timeout: float) -> bool:
        """Closes every socket and ends the loops; whether they ended within `timeout` seconds."""
        return bool(self._lib.covet_engine_stop(self._handle, round(timeout * 1000)) == 0)

    def free(self) -> None:
        """Gives everything back; the engine cannot be used any more."""
        if self._handle >= 0:
            self._lib.covet_engine_free(self._handle)
            self._handle = -1
