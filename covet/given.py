"""Reads options as users give them: texts with units, lists in one text, defaults from the environment."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from covet.binds import inherited
from covet.checks import ConfigError, check_duration, check_size, check_whole
from covet.config import SETTING_NAMES, Settings
from covet.options import OPTION_NAMES, ServeOptions

# Names of `covet.run` that are not fields of ServeOptions, or of Settings under another name.
OTHER_NAMES = frozenset({"env_file", "timeout_keep_alive"})
RUN_NAMES = OPTION_NAMES | SETTING_NAMES | OTHER_NAMES

DURATIONS = frozenset(
    {
        "keepalive_timeout",
        "reload_delay",
        "request_timeout",
        "header_timeout",
        "body_timeout",
        "timeout_graceful_shutdown",
        "timeout_worker_healthcheck",
        "workers_lifetime",
        "ws_ping_interval",
        "ws_ping_timeout",
    }
)
LISTS = frozenset({"bind", "reload_dirs", "reload_excludes", "reload_includes", "ws_origins"})
PATHS = frozenset({"app_dir", "control_socket", "log_config", "pid_file", "uds"})


def read(
    given: Mapping[str, Any], *, environment: Mapping[str, str] | None = None
) -> tuple[ServeOptions, dict[str, Any]]:
    """The options, and the settings that replace the application's own.

    Args:
        given: arguments of `covet.run`, without the application. None is the same as leaving an option out;
            for a setting it is no limit.
        environment: where WEB_CONCURRENCY, FORWARDED_ALLOW_IPS and LISTEN_FDS are looked up; os.environ if it is None.

    Raises:
        TypeError: there is no option of a name.
        ConfigError: a value, or a combination, cannot be used.
    """
    environment = os.environ if environment is None else environment
    for name in sorted(given):
        if name not in RUN_NAMES:
            raise TypeError(f"run() got an unexpected keyword argument {name!r}")
    options: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for name, value in given.items():
        if name in OPTION_NAMES:
            if value is not None:
                options[name] = _convert(name, value)
        elif name in SETTING_NAMES:
            settings[name] = _convert(name, value)
    if given.get("timeout_keep_alive") is not None:
        settings["keepalive_timeout"] = check_duration("timeout_keep_alive", given["timeout_keep_alive"])
    Settings(**settings)  # says what is wrong with them before anything is started
    _check_addresses(options)
    _look_up(options, environment)
    return ServeOptions(**options), settings


def _check_addresses(options: Mapping[str, Any]) -> None:
    """Which address is meant must not be a matter of precedence."""
    ways = [("host", "port"), ("uds",), ("fd",), ("bind",)]
    used = [next(name for name in way if name in options) for way in ways if any(name in options for name in way)]
    if len(used) > 1:
        raise ConfigError(
            f"{used[0]} cannot be given with {used[1]}; to listen on several addresses, give bind for each"
        )


def _look_up(options: dict[str, Any], environment: Mapping[str, str]) -> None:
    if environment.get("WEB_CONCURRENCY") and options.keys().isdisjoint({"workers", "workers_min", "workers_max"}):
        options["workers"] = _workers("WEB_CONCURRENCY", environment["WEB_CONCURRENCY"])
    if "forwarded_allow_ips" not in options and "FORWARDED_ALLOW_IPS" in environment:
        options["forwarded_allow_ips"] = environment["FORWARDED_ALLOW_IPS"]
    if options.keys().isdisjoint({"host", "port", "uds", "fd", "bind"}) and (sockets := inherited(environment)):
        options["bind"] = tuple(map(str, sockets))


def _convert(name: str, value: Any) -> Any:
    if value is not None and (special := CONVERSIONS.get(name)) is not None:
        return special(name, value)
    if isinstance(value, str) and name in DURATIONS:
        return check_duration(name, value)
    if name in LISTS:
        return (value,) if isinstance(value, (str, os.PathLike)) else tuple(map(os.fspath, value))
    if name in PATHS and isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def _workers(name: str, value: Any) -> Any:
    if isinstance(value, str) and value != "auto":
        if not value.strip().isdecimal():
            raise ConfigError(f'{name} must be a whole number or "auto", not {value!r}')
        return int(value)
    return value


def _addresses_text(_: str, value: Any) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _permissions(name: str, value: Any) -> int:
    if not isinstance(value, str):
        return check_whole(name, value, 0, 0o777)
    try:
        return int(value, 8)
    except ValueError:
        raise ConfigError(f"{name} must be octal digits such as 660, not {value!r}") from None


def _mebibytes(name: str, value: Any) -> int:
    """A plain number is in MiB already, as with granian."""
    if isinstance(value, str) and not value.strip().isdecimal():
        return max(1, check_size(name, value, 1, 1 << 50) >> 20)
    return check_whole(name, int(value) if isinstance(value, str) else value, 1, 1 << 30)


def _headers(_: str, value: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    return tuple(_header(pair) for pair in ([value] if isinstance(value, str) else value))


def _header(pair: Any) -> tuple[str, str]:
    if isinstance(pair, str):
        name, colon, value = pair.partition(":")
        if not colon:
            raise ConfigError(f"header must be a name and a value such as X-Frame-Options:DENY, not {pair!r}")
        return name.strip(), value.strip()
    try:
        name, value = pair
    except (TypeError, ValueError):
        raise ConfigError(f"headers must be pairs of name and value, not {pair!r}") from None
    if not (isinstance(name, str) and isinstance(value, str)):
        raise ConfigError(f"headers must be pairs of texts, not {pair!r}")
    return name, value


def _interface(_: str, value: Any) -> Any:
    return "asgi" if value == "asgi3" else value  # uvicorn's name


CONVERSIONS: dict[str, Callable[[str, Any], Any]] = {
    "interface": _interface,
    "workers": _workers,
    "forwarded_allow_ips": _addresses_text,
    "uds_permissions": _permissions,
    "workers_max_rss": _mebibytes,
    "headers": _headers,
}
