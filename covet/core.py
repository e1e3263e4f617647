"""Binds the native worker module; `core.pyi` says what it gives."""

from covet._worker import lib

if lib.covet_bind(id(globals())) != 0:  # pragma: no cover - the reason was printed
    raise ImportError("covet's native worker module could not be bound")
