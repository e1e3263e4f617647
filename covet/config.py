"""Settings: what they are called, what they may be, and how the engine is told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
LOG_LEVELS = ("critical", "error", "warning", "info", "debug", "trace")
LOOPS = ("auto", "uvloop", "asyncio")
INTERFACES = ("auto", "covet", "asgi", "wsgi")
LIFESPANS = ("auto", "on", "off")


class ConfigError(ValueError):
    """A setting has a value that cannot be used; the text names the setting."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an application is served. Sizes are in bytes, times in seconds; None is no limit."""

    title: str = "CovetPy"
    version: str = "0.1.0"
    debug: bool = False
    workers: int = 1
    worker_connections: int = 16384
    request_buffer_size: int | str = 65535
    response_buffer_size: int | str = 65536
    keepalive_timeout: float | None = 5.0
    request_timeout: float | None = None
    max_body_size: int | str | None = "100MB"
    enable_io_uring: bool = True
    enable_simd: bool = True
    enable_jit: bool = True
    memory_pool_size: int | str = "1GB"
    connection_pool_size: int = 256
    redirect_slashes: bool = True
    max_exchanges: int = 4096
    backpressure: int = 1024

    def __post_init__(self) -> None:
        for name in ("title", "version"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"{name} must be text, not {getattr(self, name)!r}")
        for name in ("debug", "enable_io_uring", "enable_simd", "enable_jit", "redirect_slashes"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be True or False, not {getattr(self, name)!r}")
        _whole("workers", self.workers, 1, 64)
        if self.workers > 1:
            raise ConfigError("workers must be 1: this version cannot serve with several worker processes yet")
        self._engine_limits()

    def _engine_limits(self) -> dict[str, int]:
        return {
            "worker_connections": _whole("worker_connections", self.worker_connections, 1, 1 << 20),
            "request_buffer_size": _size("request_buffer_size", self.request_buffer_size, 4096, 65535),
            "response_buffer_size": _size("response_buffer_size", self.response_buffer_size, 4096, 1 << 26),
            "keepalive_timeout_ms": _milliseconds("keepalive_timeout", self.keepalive_timeout),
            "request_timeout_ms": _milliseconds("request_timeout", self.request_timeout),
            "max_body_bytes": _size("max_body_size", self.max_body_size or 0, 0, 1 << 50),
            "memory_pool_bytes": _size("memory_pool_size", self.memory_pool_size, 1 << 20, 1 << 40),
            "connection_pool_size": _whole("connection_pool_size", self.connection_pool_size, 0, 1 << 20),
            "exchanges": _whole("max_exchanges", self.max_exchanges, 1, 1 << 20),
            "backpressure": _whole("backpressure", self.backpressure, 0, 1 << 20),
        }

    def engine(self) -> dict[str, Any]:
        """The part of the engine's configuration that the settings decide."""
        return {
            **self._engine_limits(),
            "loops": 1,
            "enable_io_uring": self.enable_io_uring,
            "enable_simd": self.enable_simd,
            "enable_jit": self.enable_jit,
            "redirect_slashes": self.redirect_slashes,
        }


SETTING_NAMES: frozenset[str] = frozenset(field.name for field in fields(Settings))


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and how to serve; the names are uvicorn's.

    Attributes:
        host: an address or name to listen on.
        port: a TCP port; 0 takes a free one.
        backlog: connections that may wait to be accepted.
        log_level: critical, error, warning, info, debug or trace.
        access_log: one line for each request, on standard output.
        loop: the event loop; "auto" is uvloop where it is installed.
        timeout_graceful_shutdown: seconds that requests may take to finish when the server stops.
        interface: what the application speaks; "auto" finds out.
        lifespan: whether an ASGI application's lifespan is run; with "auto" it may have none.
        root_path: the path that ASGI and WSGI applications are mounted at.
        threads: how many requests of a WSGI application run at a time, in each worker.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    backlog: int = 2048
    log_level: str = "info"
    access_log: bool = True
    loop: str = "auto"
    timeout_graceful_shutdown: float = 10.0
    interface: str = "auto"
    lifespan: str = "auto"
    root_path: str = ""
    threads: int = 40

    def __post_init__(self) -> None:
        _whole("port", self.port, 0, 65535)
        _whole("backlog", self.backlog, 1, 1 << 20)
        _milliseconds("timeout_graceful_shutdown", self.timeout_graceful_shutdown)
        if not self.host:
            raise ConfigError("host must not be empty")
        _choice("log_level", self.log_level, LOG_LEVELS)
        _choice("loop", self.loop, LOOPS)
        _choice("interface", self.interface, INTERFACES)
        _choice("lifespan", self.lifespan, LIFESPANS)
        _whole("threads", self.threads, 1, 4096)
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise ConfigError(f'root_path must be such as "/api", not {self.root_path!r}')

    @property
    def address(self) -> str:
        """Host and port as one text."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def engine(self) -> dict[str, Any]:
        """The part of the engine's configuration that these options decide."""
        return {
            "listeners": [{"network": "tcp", "address": self.address}],
            "backlog": self.backlog,
            "access_log": self.access_log,
            "log_level": self.log_level,
            "server_header": "covet",
            "date_header": True,
        }


def parse_size(text: str) -> int:
    """Bytes of a size such as "64KB" or "1.5 GiB"; units are powers of 1,024. Raises ValueError."""
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size")
    return int(float(found[1]) * UNITS[found[2].lower()])


def _choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} must be a whole number, not {value!r}")
    if not least <= value <= most:
        raise ConfigError(f"{name} must be from {least} to {most}, not {value}")
    return value


def _size(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, str):
        try:
            value = parse_size(value)
        except ValueError:
            raise ConfigError(f'{name} must be a size in bytes or such as "64KB", not {value!r}') from None
    return _whole(name, value, least, most)


def _milliseconds(name: str, value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name} must be a number of seconds, not {value!r}")
    if not 0 <= value <= 1 << 30:  # false for NaN too
        raise ConfigError(f"{name} must be from 0 to {1 << 30} seconds, not {value}")
    return max(1, round(value * 1000)) if value else 0
