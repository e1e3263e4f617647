"""Options as users give them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from covet import ConfigError
from covet.binds import Bind
from covet.checks import parse_duration
from covet.given import read
from covet.options import ServeOptions


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("5", 5), ("0", 0), ("1.5", 1.5), ("250ms", 0.25), ("90s", 90), ("2m", 120), ("6h", 21600), ("1d", 86400)),
        *(("1h30m", 5400), (" 1 h 30 m ", 5400), ("1H", 3600)),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1", "1x", "1h30", "30 1h", "1e3", "nan"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def options(**given: Any) -> ServeOptions:
    return read(given, environment={})[0]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("workers", "4", 4),
        ("workers", "auto", "auto"),
        ("workers", None, None),
        ("host", None, "127.0.0.1"),
        ("workers_lifetime", "6h", 21600.0),
        ("workers_max_rss", 512, 512),
        ("workers_max_rss", "512", 512),
        ("workers_max_rss", "2GB", 2048),
        ("timeout_graceful_shutdown", "1m", 60.0),
        ("uds_permissions", "660", 0o660),
        ("uds_permissions", 0o600, 0o600),
        ("forwarded_allow_ips", ["10.0.0.0/8", "::1"], "10.0.0.0/8,::1"),
        ("headers", [("X-A", "b")], (("X-A", "b"),)),
        ("headers", ["X-A: b:c", "X-B:"], (("X-A", "b:c"), ("X-B", ""))),
        ("reload_dirs", "src", ("src",)),
        ("reload_dirs", ["src", Path("lib")], ("src", "lib")),
        ("uds", Path("/run/a"), "/run/a"),
    ],
)
def test_values_are_read(name: str, value: Any, expected: Any) -> None:
    assert getattr(options(**{name: value}), name) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workers": 65}, "workers must be from 1 to 64"),
        ({"workers": "few"}, "workers must be a whole number"),
        ({"workers": True}, "workers must be a whole number"),
        ({"workers": 2, "workers_max": 4}, 'workers_max can only be given with workers "auto"'),
        ({"workers_min": 4, "workers_max": 2}, "workers_min must be at most workers_max"),
        ({"workers_lifetime": 0}, "workers_lifetime must be more than 0"),
        ({"workers_lifetime": "soon"}, "workers_lifetime must be a number of seconds or such as"),
        ({"workers_max_rss": "lots"}, "workers_max_rss must be a size"),
        ({"limit_max_requests": 0}, "limit_max_requests must be from 1"),
        ({"limit_concurrency": 0}, "limit_concurrency must be from 1"),
        ({"uds_permissions": "rw"}, "uds_permissions must be octal digits"),
        ({"uds_permissions": "1777"}, "uds_permissions must be from 0"),
        ({"fd": -1}, "fd must be from 0"),
        ({"fd": 3, "bind": ["a:1"]}, "fd cannot be given with bind"),
        ({"uds": "/a", "fd": 3}, "uds cannot be given with fd"),
        ({"port": 80, "uds": "/a"}, "port cannot be given with uds"),
        ({"host": "::1", "bind": "a:1"}, "host cannot be given with bind"),
        ({"bind": ["nowhere"]}, "bind must be host:port"),
        ({"headers": ["X"]}, "header must be a name and a value"),
        ({"headers": [("X Y", "z")]}, "header must be a name and a value"),
        ({"headers": [("X", "a\r\nb")]}, "header must be a name and a value"),
        ({"headers": [1]}, "headers must be pairs"),
        ({"headers": [(1, "a")]}, "headers must be pairs of texts"),
        ({"root_path": "api"}, "root_path must start with a slash"),
        ({"root_path": "/api/"}, "root_path must start with a slash"),
        ({"interface": "rsgi"}, "interface must be one of"),
        ({"lifespan": "maybe"}, "lifespan must be one of"),
        ({"loop_count": 0}, "loop_count must be from 1"),
        ({"reload": 1}, "reload must be True or False"),
        ({"pid_file": ""}, "pid_file must be text"),
    ],
)
def test_wrong_values_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options(**given)


def test_unknown_names_are_named() -> None:
    with pytest.raises(TypeError, match=r"run\(\) got an unexpected keyword argument 'prot'"):
        options(prot=80)


def test_settings_are_kept_apart() -> None:
    found, settings = read(
        {"timeout_keep_alive": "3s", "max_body_size": None, "port": 1, "debug": True}, environment={}
    )
    assert settings == {"keepalive_timeout": 3.0, "max_body_size": None, "debug": True}
    assert found.port == 1


def test_the_environment_of_platforms() -> None:
    environment = {
        "WEB_CONCURRENCY": "3",
        "FORWARDED_ALLOW_IPS": "*",
        "LISTEN_FDS": "1",
        "LISTEN_PID": str(os.getpid()),
    }
    found, _ = read({}, environment=environment)
    assert (found.workers, found.forwarded_allow_ips, found.binds) == (3, "*", (Bind("fd", "3"),))
    found, _ = read({"workers": 2, "forwarded_allow_ips": "::1", "port": 80}, environment=environment)
    assert (found.workers, found.forwarded_allow_ips, str(found.binds[0])) == (2, "::1", "127.0.0.1:80")
    assert read({"workers_max": 4}, environment=environment)[0].workers is None
    with pytest.raises(ConfigError, match="WEB_CONCURRENCY must be a whole number"):
        read({}, environment={"WEB_CONCURRENCY": "lots"})


@pytest.mark.parametrize(
    ("given", "supervised"),
    [
        ({}, False),
        ({"workers": 1}, False),
        ({"workers": 2}, True),
        ({"workers": "auto"}, True),
        ({"workers_max": 2}, True),
        ({"reload": True}, True),
        ({"limit_max_requests": 10}, True),
        ({"limit_max_requests_jitter": 10}, False),
        ({"workers_lifetime": 10}, True),
        ({"workers_max_rss": 10}, True),
        ({"control_socket": "/a"}, True),
        ({"limit_concurrency": 10, "pid_file": "/a", "process_name": "a"}, False),
    ],
)
def test_who_asks_for_processes(given: dict[str, Any], supervised: bool) -> None:
    assert options(**given).supervised is supervised


def test_what_the_engine_is_told() -> None:
    config = options(
        bind=["127.0.0.1:0", "unix:/a"],
        uds_permissions="600",
        loop_count=2,
        access_log_fmt="%(status)s",
        limit_concurrency=7,
        headers=["X-A:b"],
        server_header=False,
        date_header=False,
        proxy_headers=False,
        forwarded_allow_ips="*",
    ).engine()
    assert config == {
        "listeners": [
            {"network": "tcp", "address": "127.0.0.1:0"},
            {"network": "unix", "address": "/a", "mode": 0o600},
        ],
        "root_path": "",
        "backlog": 2048,
        "loops": 2,
        "access_log": True,
        "access_log_format": "%(status)s",
        "log_level": "info",
        "server_header": "",
        "date_header": False,
        "headers": [["X-A", "b"]],
        "proxy_headers": False,
        "forwarded_allow_ips": "*",
        "limit_concurrency": 7,
    }
    assert options().engine().keys() == config.keys() - {"access_log_format", "limit_concurrency"}
