"""Uvicorn's variables of the environment, which count for the options that covet has too."""

import os
from collections.abc import Iterable, Sequence

# Every option of uvicorn 0.54, as Python has them.
NAMES = frozenset(
    [
        "access_log",
        "app",
        "app_dir",
        "backlog",
        "date_header",
        "env_file",
        "factory",
        "fd",
        "forwarded_allow_ips",
        "h11_max_incomplete_event_size",
        "headers",
        "host",
        "http",
        "http2",
        "interface",
        "lifespan",
        "limit_concurrency",
        "limit_max_requests",
        "limit_max_requests_jitter",
        "log_config",
        "log_level",
        "loop",
        "port",
        "proxy_headers",
        "reload",
        "reload_delay",
        "reload_dirs",
        "reload_excludes",
        "reload_includes",
        "reset_contextvars",
        "root_path",
        "server_header",
        "ssl_ca_certs",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_ciphers",
        "ssl_keyfile",
        "ssl_keyfile_password",
        "ssl_version",
        "timeout_graceful_shutdown",
        "timeout_keep_alive",
        "timeout_worker_healthcheck",
        "uds",
        "use_colors",
        "workers",
        "ws",
        "ws_max_queue",
        "ws_max_size",
        "ws_per_message_deflate",
        "ws_ping_interval",
        "ws_ping_timeout",
    ]
)
# What stands between several values of one variable; between others it is white space.
SEPARATORS = {"reload_dirs": ":"}
# Ways to name an address; of two in the environment, uvicorn takes the one that comes first here.
WAYS = (("fd",), ("uds",), ("bind",), ("host", "port"))
OTHER_NUMBERS = frozenset({"workers_min", "workers_max"})


def variable_of(name: str | None) -> str | None:
    """Uvicorn's variable for an option; None if uvicorn has no such option."""
    return f"UVICORN_{name.upper()}" if name in NAMES else None


def value_of(variable: str | None) -> str | None:
    """What a variable is set to; None if it is not, or to nothing."""
    return (os.environ.get(variable) or None) if variable else None


def texts_of(name: str, value: str) -> Sequence[str]:
    """The texts in a variable of an option that may be given several times."""
    return [text for text in value.split(SEPARATORS.get(name)) if text]


def overruled(own: Iterable[str], foreign: Iterable[str]) -> set[str]:
    """Options of uvicorn's variables that others have made meaningless.

    Args:
        own: the options of the command line and of covet's own variables.
        foreign: the options of uvicorn's variables.
    """
    own, foreign = set(own), set(foreign)
    chosen = next((way for names in (own, foreign) for way in WAYS if names.intersection(way)), ())
    others = {name for way in WAYS for name in way if name not in chosen}
    if own & OTHER_NUMBERS:
        others.add("workers")
    return foreign & others


def warnings(known: Iterable[str]) -> list[str]:
    """A line for the log on variables that have no effect here, if there are any.

    Args:
        known: the options that there are.
    """
    missing = sorted(NAMES.difference(known))
    variables = [variable for name in missing if (variable := variable_of(name)) and value_of(variable)]
    if not variables:
        return []
    return [f"{', '.join(variables)}: covet has no such option, and does not heed the environment there"]
