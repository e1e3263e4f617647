"""Settings are checked when the application is made."""

from __future__ import annotations

from typing import Any

import pytest

from covet import ConfigError, CovetPy
from covet.config import ServeOptions, Settings, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("64KB", 65536), ("64 KiB", 65536), ("1.5m", 3 << 19), ("1GB", 1 << 30), (" 2tb ", 2 << 40), ("7B", 7)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1XB", "1e3", "one"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("title", [1, None]),
        ("version", [2]),
        ("debug", [1, "yes", None]),
        ("workers", [0, -1, 1.0, True, "1", 65, "many", None]),
        ("worker_connections", [0, "many", 1 << 21]),
        ("request_buffer_size", [4095, 65536, "1MB", "big", None]),
        ("response_buffer_size", [0, "1GB"]),
        ("keepalive_timeout", [-1, float("nan"), float("inf"), "5", True]),
        ("request_timeout", [-0.1, "x"]),
        ("header_timeout", [0, -1, None, "x"]),
        ("body_timeout", [0, -1, None, "x"]),
        ("max_body_size", [-1, "x", 1.5]),
        ("enable_io_uring", [None, 0]),
        ("enable_simd", ["on"]),
        ("enable_jit", [1]),
        ("memory_pool_size", [0, "1KB", "x"]),
        ("connection_pool_size", [-1, 1.5]),
        ("max_exchanges", [0, "1"]),
        ("backpressure", [-1, None]),
        ("redirect_slashes", [None]),
    ],
)
def test_bad_settings_are_named(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=f"^{name} must be "):
            CovetPy(**{name: value})


@pytest.mark.parametrize("workers", [1, 2, 64, "auto"])
def test_workers_are_a_number_or_auto(workers: int | str) -> None:
    assert CovetPy(workers=workers).settings.workers == workers


def test_a_bad_setting_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="debug"):
        CovetPy(debug="no")  # type: ignore[arg-type]


def test_what_the_engine_is_told() -> None:
    settings = Settings(
        worker_connections=7,
        request_buffer_size="8KB",
        keepalive_timeout=1.5,
        request_timeout=0.0001,
        max_body_size=None,
        memory_pool_size="2MB",
        enable_io_uring=False,
        redirect_slashes=False,
    )
    assert settings.engine() == {
        "worker_connections": 7,
        "exchanges": 4096,
        "backpressure": 1024,
        "request_buffer_size": 8192,
        "response_buffer_size": 65536,
        "keepalive_timeout_ms": 1500,
        "request_timeout_ms": 1,
        "header_timeout_ms": 10_000,
        "body_timeout_ms": 60_000,
        "max_body_bytes": 0,
        "memory_pool_bytes": 2 << 20,
        "connection_pool_size": 256,
        "enable_io_uring": False,
        "enable_simd": True,
        "enable_jit": True,
        "redirect_slashes": False,
        "ws_max_size": 16 << 20,
        "ws_max_queue": 32,
        "ws_ping_interval_ms": 20_000,
        "ws_ping_timeout_ms": 20_000,
        "ws_per_message_deflate": True,
        "ws_context_takeover": False,
        "ws_origins": None,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 65536),
        ("port", -1),
        ("port", "8000"),
        ("backlog", 0),
        ("log_level", "loud"),
        ("loop", "trio"),
        ("timeout_graceful_shutdown", -1),
        ("host", ""),
    ],
)
def test_bad_options_are_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must "):
        ServeOptions(**{name: value})


def test_ipv6_addresses_get_brackets() -> None:
    assert ServeOptions(host="::1", port=80).address == "[::1]:80"


def test_settings_can_be_replaced() -> None:
    app = CovetPy(title="Shop", debug=True)
    assert (app.title, app.version, app.debug) == ("Shop", "0.1.0", True)
    assert app.with_settings({"debug": False}).title == "Shop"
    with pytest.raises(ConfigError, match="debug"):
        app.with_settings({"debug": 1})
