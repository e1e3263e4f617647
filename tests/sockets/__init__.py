"""WebSockets in the engine, with real clients."""

from collections.abc import Mapping, Sequence

LOOPS: Mapping[str, Sequence[str]] = {"io_uring": (), "epoll": ("--no-enable-io-uring",)}
"""The options of `covet run` for both ways to do input and output."""
