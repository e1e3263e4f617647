"""The arguments of `covet.run`, for type checkers; `covet.options` and `covet.config` say what they mean."""

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, TypedDict

Path = str | PathLike[str]


class RunOptions(TypedDict, total=False):
    """Every argument beside the application. Times are seconds or such as "6h", sizes bytes or such as "64KB"."""

    access_log: bool | None
    access_log_fmt: str | None
    app_dir: Path | None
    backlog: int | None
    backpressure: int
    bind: Path | Iterable[Path] | None
    body_timeout: float | str
    connection_pool_size: int
    control_socket: Path | None
    date_header: bool | None
    debug: bool
    enable_io_uring: bool
    enable_jit: bool
    enable_simd: bool
    env_file: Path | None
    factory: bool | None
    fd: int | None
    forwarded_allow_ips: str | Iterable[str] | None
    header_timeout: float | str
    headers: Iterable[tuple[str, str] | str] | None
    host: str | None
    interface: str | None
    keepalive_timeout: float | str | None
    lifespan: str | None
    limit_concurrency: int | None
    limit_max_requests: int | None
    limit_max_requests_jitter: int | None
    log_config: Path | Mapping[str, Any] | None
    log_level: str | None
    loop: str | None
    loop_count: int | None
    max_body_size: int | str | None
    max_exchanges: int
    memory_pool_size: int | str
    pid_file: Path | None
    pin_workers: bool | None
    port: int | None
    process_name: str | None
    proxy_headers: bool | None
    redirect_slashes: bool
    reload: bool | None
    reload_delay: float | str | None
    reload_dirs: Path | Iterable[Path] | None
    reload_excludes: str | Iterable[str] | None
    reload_includes: str | Iterable[str] | None
    request_buffer_size: int | str
    request_timeout: float | str | None
    response_buffer_size: int | str
    root_path: str | None
    server_header: bool | None
    threads: int | None
    timeout_graceful_shutdown: float | str | None
    timeout_keep_alive: float | str | None
    timeout_worker_healthcheck: float | str | None
    title: str
    uds: Path | None
    uds_permissions: int | str | None
    use_colors: bool | None
    version: str
    worker_connections: int
    workers: int | str | None
    workers_lifetime: float | str | None
    workers_max: int | None
    workers_max_rss: int | str | None
    workers_min: int | None
    ws_context_takeover: bool
    ws_max_queue: int
    ws_max_size: int | str
    ws_origins: str | Iterable[str] | None
    ws_per_message_deflate: bool
    ws_ping_interval: float | str | None
    ws_ping_timeout: float | str | None
