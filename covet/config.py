"""Settings: what they are called, what they may be, and how the engine is told."""

from dataclasses import dataclass, fields
from typing import Any

from covet.checks import ConfigError as ConfigError
from covet.checks import check_size, check_switch, check_whole, milliseconds
from covet.checks import parse_size as parse_size
from covet.options import LOG_LEVELS as LOG_LEVELS
from covet.options import LOOPS as LOOPS
from covet.options import ServeOptions as ServeOptions
from covet.options import check_threads, check_workers

SWITCHES = (
    *("debug", "enable_io_uring", "enable_simd", "enable_jit", "redirect_slashes"),
    *("ws_per_message_deflate", "ws_context_takeover"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How an application is served. Sizes are in bytes, times in seconds; None is no limit."""

    title: str = "CovetPy"
    version: str = "0.1.0"
    debug: bool = False
    workers: int | str = 1
    worker_connections: int = 16384
    request_buffer_size: int | str = 65535
    response_buffer_size: int | str = 65536
    keepalive_timeout: float | None = 5.0
    request_timeout: float | None = None
    header_timeout: float = 10.0
    body_timeout: float = 60.0
    max_body_size: int | str | None = "100MB"
    enable_io_uring: bool = True
    enable_simd: bool = True
    enable_jit: bool = True
    memory_pool_size: int | str = "1GB"
    connection_pool_size: int = 256
    redirect_slashes: bool = True
    max_exchanges: int = 4096
    backpressure: int = 1024
    threads: int = 40
    ws_max_size: int | str = "16MB"
    ws_max_queue: int = 32
    ws_ping_interval: float | None = 20.0
    ws_ping_timeout: float | None = 20.0
    ws_per_message_deflate: bool = True
    ws_context_takeover: bool = False
    ws_origins: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("title", "version"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"{name} must be text, not {getattr(self, name)!r}")
        for name in SWITCHES:
            check_switch(name, getattr(self, name))
        if self.ws_origins is not None and not all(isinstance(origin, str) for origin in self.ws_origins):
            raise ConfigError(f"ws_origins must be texts such as https://example.com, not {self.ws_origins!r}")
        check_workers("workers", self.workers)
        check_threads("threads", self.threads)
        self._engine_limits()

    def _engine_limits(self) -> dict[str, int]:
        return {
            "worker_connections": check_whole("worker_connections", self.worker_connections, 1, 1 << 20),
            "request_buffer_size": check_size("request_buffer_size", self.request_buffer_size, 4096, 65535),
            "response_buffer_size": check_size("response_buffer_size", self.response_buffer_size, 4096, 1 << 26),
            "keepalive_timeout_ms": -1
            if self.keepalive_timeout is None
            else milliseconds("keepalive_timeout", self.keepalive_timeout),
            "request_timeout_ms": milliseconds("request_timeout", self.request_timeout),
            "header_timeout_ms": _needed("header_timeout", self.header_timeout),
            "body_timeout_ms": _needed("body_timeout", self.body_timeout),
            "max_body_bytes": check_size("max_body_size", self.max_body_size or 0, 0, 1 << 50),
            "memory_pool_bytes": check_size("memory_pool_size", self.memory_pool_size, 1 << 20, 1 << 40),
            "connection_pool_size": check_whole("connection_pool_size", self.connection_pool_size, 0, 1 << 20),
            "exchanges": check_whole("max_exchanges", self.max_exchanges, 1, 1 << 20),
            "backpressure": check_whole("backpressure", self.backpressure, 0, 1 << 20),
            "ws_max_size": check_size("ws_max_size", self.ws_max_size, 1, 1 << 40),
            "ws_max_queue": check_whole("ws_max_queue", self.ws_max_queue, 1, 1 << 20),
            "ws_ping_interval_ms": milliseconds("ws_ping_interval", self.ws_ping_interval),
            "ws_ping_timeout_ms": milliseconds("ws_ping_timeout", self.ws_ping_timeout),
        }

    def engine(self) -> dict[str, Any]:
        """The part of the engine's configuration that the settings decide."""
        return {
            **self._engine_limits(),
            "enable_io_uring": self.enable_io_uring,
            "enable_simd": self.enable_simd,
            "enable_jit": self.enable_jit,
            "redirect_slashes": self.redirect_slashes,
            "ws_per_message_deflate": self.ws_per_message_deflate,
            "ws_context_takeover": self.ws_context_takeover,
            "ws_origins": None if self.ws_origins is None else list(self.ws_origins),
        }


def _needed(name: str, value: float) -> int:
    """Milliseconds of a time without which clients could hold connections for ever. Raises ConfigError."""
    if not (number := milliseconds(name, value)):
        raise ConfigError(f"{name} must be more than 0 seconds")
    return number


SETTING_NAMES: frozenset[str] = frozenset(field.name for field in fields(Settings))
