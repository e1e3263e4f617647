"""Options of `covet run` and `covet.run`: where and how an application is served."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from covet.binds import Bind, parse_bind, tcp
from covet.checks import ConfigError, check_choice, check_seconds, check_switch, check_whole, milliseconds

LOG_LEVELS = ("critical", "error", "warning", "info", "debug", "trace")
LOOPS = ("auto", "uvloop", "asyncio")
INTERFACES = ("auto", "covet", "asgi", "wsgi")
LIFESPANS = ("auto", "on", "off")
MOST_WORKERS = 64
MOST_LOOPS = 32
MOST_THREADS = 4096
SWITCHES = (
    "access_log",
    "date_header",
    "factory",
    "pin_workers",
    "proxy_headers",
    "reload",
    "server_header",
)
TEXTS = ("app_dir", "control_socket", "pid_file", "process_name", "uds")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and how to serve; the names are uvicorn's where uvicorn has them. Times are in seconds, sizes in bytes.

    Attributes:
        host: an address or name to listen on.
        port: a TCP port; 0 takes a free one.
        uds: the path of a unix socket to listen on instead of host and port.
        uds_permissions: the permissions of unix sockets' files; None leaves them to the umask.
        fd: an inherited descriptor of a listening socket to use instead of host and port.
        bind: addresses to listen on instead of host and port, as `covet.binds.parse_bind` reads them.
        backlog: connections that may wait to be accepted.
        app_dir: a folder to put at the front of the import path.
        factory: the application's name is that of a function that returns the application.
        interface: what kind of application it is; "auto" finds out.
        lifespan: whether an ASGI application's lifespan runs; "auto" finds out.
        threads: how many blocking functions, or requests of a WSGI application, run at a time, in each worker; None
            leaves it to the application.
        root_path: the path under which a proxy in front of the server publishes the application.
        loop: the event loop; "auto" is uvloop where it is installed.
        loop_count: the engine's loops, a thread each.
        log_level: critical, error, warning, info, debug or trace.
        access_log: one line for each request, on standard output.
        access_log_fmt: the format of that line; None is uvicorn's.
        log_config: a file (.ini, .json, .yaml) or dictionary that configures logging.
        use_colors: whether the names of log levels are coloured; None asks the terminal.
        proxy_headers: take the client's address and scheme from X-Forwarded-For and X-Forwarded-Proto.
        forwarded_allow_ips: addresses and networks of proxies whose headers count, comma-separated; "*" is all.
        limit_concurrency: requests in work at a time, further ones get 503; None is no limit.
        headers: names and values that each answer gets.
        server_header: answers have a Server field.
        date_header: answers have a Date field.
        timeout_graceful_shutdown: how long requests may take to finish when the server stops.
        timeout_worker_healthcheck: how long a worker's event loop may be blocked before the worker is killed; None is
            for ever.
        workers: worker processes, or "auto"; None leaves it to the application.
        workers_min: the fewest that "auto" keeps; None is one for each CPU, or workers_max if that is less.
        workers_max: the most that "auto" starts; None is one for each CPU, or workers_min if that is more.
        workers_lifetime: how long a worker serves before it is replaced; None is for ever.
        workers_max_rss: the resident memory, in MiB, with which a worker is replaced; None is no limit.
        limit_max_requests: the requests after which a worker is replaced; None is no limit.
        limit_max_requests_jitter: the most by which that number is raised at random, so that not all go at once.
        pin_workers: each worker runs on one CPU; a single one together with the engine's loop.
        control_socket: the path of the unix socket for `covet status`.
        pid_file: a file that holds the process's number while it serves.
        process_name: what the process is called in lists of processes.
        reload: start new workers when a file changes.
        reload_dirs: folders to watch; none is the working folder.
        reload_includes: patterns of files to watch beside *.py.
        reload_excludes: patterns of files not to watch.
        reload_delay: how long to wait between looks at the files.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    backlog: int = 2048
    log_level: str = "info"
    access_log: bool = True
    loop: str = "auto"
    timeout_graceful_shutdown: float = 10.0
    uds: str | None = None
    uds_permissions: int | None = None
    fd: int | None = None
    bind: tuple[str, ...] = ()
    app_dir: str | None = None
    factory: bool = False
    interface: str = "auto"
    lifespan: str = "auto"
    root_path: str = ""
    threads: int | None = None
    loop_count: int = 1
    access_log_fmt: str | None = None
    log_config: str | Mapping[str, Any] | None = None
    use_colors: bool | None = None
    proxy_headers: bool = True
    forwarded_allow_ips: str = "127.0.0.1,::1"
    limit_concurrency: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    server_header: bool = True
    date_header: bool = True
    timeout_worker_healthcheck: float | None = None
    workers: int | str | None = None
    workers_min: int | None = None
    workers_max: int | None = None
    workers_lifetime: float | None = None
    workers_max_rss: int | None = None
    limit_max_requests: int | None = None
    limit_max_requests_jitter: int = 0
    pin_workers: bool = False
    control_socket: str | None = None
    pid_file: str | None = None
    process_name: str | None = None
    reload: bool = False
    reload_dirs: tuple[str, ...] = ()
    reload_includes: tuple[str, ...] = ()
    reload_excludes: tuple[str, ...] = ()
    reload_delay: float = 0.25

    def __post_init__(self) -> None:
        self._check_addresses()
        self._check_workers()
        check_choice("log_level", self.log_level, LOG_LEVELS)
        check_choice("loop", self.loop, LOOPS)
        check_choice("interface", self.interface, INTERFACES)
        check_choice("lifespan", self.lifespan, LIFESPANS)
        check_whole("loop_count", self.loop_count, 1, MOST_LOOPS)
        if self.threads is not None:
            check_threads("threads", self.threads)
        milliseconds("timeout_graceful_shutdown", self.timeout_graceful_shutdown)
        milliseconds("timeout_worker_healthcheck", self.timeout_worker_healthcheck)
        check_seconds("reload_delay", self.reload_delay)
        for name in SWITCHES:
            check_switch(name, getattr(self, name))
        for name in TEXTS:
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                raise ConfigError(f"{name} must be text and not empty, not {value!r}")
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise ConfigError(f"root_path must start with a slash and end without one, not {self.root_path!r}")
        for pair in self.headers:
            check_header(*pair)

    def _check_addresses(self) -> None:
        check_whole("port", self.port, 0, 65535)
        check_whole("backlog", self.backlog, 1, 1 << 20)
        if not self.host:
            raise ConfigError("host must not be empty")
        if self.fd is not None:
            check_whole("fd", self.fd, 0, 1 << 20)
        if self.uds_permissions is not None:
            check_whole("uds_permissions", self.uds_permissions, 0, 0o777)
        given = [name for name in ("uds", "fd", "bind") if getattr(self, name) not in (None, ())]
        if len(given) > 1:
            raise ConfigError(f"{given[0]} cannot be given with {given[1]}; name all addresses with bind")
        _ = self.binds

    def _check_workers(self) -> None:
        if self.workers is not None:
            check_workers("workers", self.workers)
        for name in ("workers_min", "workers_max"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1, MOST_WORKERS)
                if self.workers not in (None, "auto"):
                    raise ConfigError(f'{name} can only be given with workers "auto", not {self.workers}')
        if self.workers_min and self.workers_max and self.workers_min > self.workers_max:
            raise ConfigError(f"workers_min must be at most workers_max, {self.workers_max}, not {self.workers_min}")
        for name in ("limit_concurrency", "limit_max_requests", "workers_max_rss"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1, 1 << 50)
        check_whole("limit_max_requests_jitter", self.limit_max_requests_jitter, 0, 1 << 50)
        if self.workers_lifetime is not None and not check_seconds("workers_lifetime", self.workers_lifetime):
            raise ConfigError("workers_lifetime must be more than 0 seconds")

    @property
    def address(self) -> str:
        """Host and port as one text."""
        return tcp(self.host, self.port).address

    @property
    def binds(self) -> tuple[Bind, ...]:
        """Every address to listen on. Raises ConfigError."""
        if self.uds is not None:
            return (Bind("unix", self.uds, self.uds_permissions),)
        if self.fd is not None:
            return (Bind("fd", str(self.fd)),)
        if self.bind:
            return tuple(parse_bind(text, self.uds_permissions) for text in self.bind)
        return (tcp(self.host, self.port),)

    @property
    def replaces_workers(self) -> bool:
        """Whether something asks for workers that come and go, which one worker in this process cannot do."""
        limits = (self.limit_max_requests, self.workers_lifetime, self.workers_max_rss)
        scaled = (self.workers_min, self.workers_max)
        return self.reload or any(asked is not None for asked in (*limits, *scaled, self.control_socket))

    @property
    def supervised(self) -> bool:
        """Whether workers are processes of their own, as far as the options alone tell."""
        return self.workers not in (None, 1) or self.replaces_workers

    def engine(self) -> dict[str, Any]:
        """The part of the engine's configuration that these options decide."""
        config: dict[str, Any] = {
            "listeners": [bind.engine() for bind in self.binds],
            "root_path": self.root_path,
            "backlog": self.backlog,
            "loops": self.loop_count,
            "access_log": self.access_log,
            "log_level": self.log_level,
            "server_header": "covet" if self.server_header else "",
            "date_header": self.date_header,
            "headers": [list(pair) for pair in self.headers],
            "proxy_headers": self.proxy_headers,
            "forwarded_allow_ips": self.forwarded_allow_ips,
        }
        if self.access_log_fmt is not None:
            config["access_log_format"] = self.access_log_fmt
        if self.limit_concurrency is not None:
            config["limit_concurrency"] = self.limit_concurrency
        return config


OPTION_NAMES: frozenset[str] = frozenset(field.name for field in fields(ServeOptions))


def check_threads(name: str, value: Any) -> int:
    """A number of threads. Raises ConfigError."""
    return check_whole(name, value, 1, MOST_THREADS)


def check_workers(name: str, value: Any) -> int | str:
    """A number of workers or "auto". Raises ConfigError."""
    if isinstance(value, str):
        if value != "auto":
            raise ConfigError(f'{name} must be from 1 to {MOST_WORKERS} or "auto", not {value!r}')
        return value
    return check_whole(name, value, 1, MOST_WORKERS)


def check_header(name: str, value: str) -> None:
    """A field that answers may have (RFC 9110, section 5). Raises ConfigError."""
    token = name and name.isascii() and all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name)
    if not token or any(c in value for c in "\r\n\0") or not value.isascii():
        raise ConfigError(f"header must be a name and a value such as X-Frame-Options:DENY, not {name!r}: {value!r}")
