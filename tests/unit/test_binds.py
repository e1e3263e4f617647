"""Addresses to listen on."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from covet import ConfigError
from covet.binds import Bind, NoSocket, describe, forget_inherited, inherited, parse_bind, prepare_inherited


@pytest.mark.parametrize(
    ("text", "network", "address"),
    [
        ("127.0.0.1:80", "tcp", "127.0.0.1:80"),
        ("localhost:0", "tcp", "localhost:0"),
        (":8000", "tcp", "0.0.0.0:8000"),
        ("[::1]:65535", "tcp", "[::1]:65535"),
        ("unix:/run/a.sock", "unix", "/run/a.sock"),
        ("unix:///run/a.sock", "unix", "/run/a.sock"),
        ("unix:a.sock", "unix", "a.sock"),
        ("fd://3", "fd", "3"),
    ],
)
def test_addresses(text: str, network: str, address: str) -> None:
    assert parse_bind(text) == Bind(network, address)


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "80", "a:", "a:b", "a:65536", "a:-1", "::1:80", "[]:80", "unix:", "fd://", "fd://x", "http://a"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^bind must "):
        parse_bind(text)


def test_only_unix_sockets_have_a_mode() -> None:
    assert parse_bind("unix:/a", 0o660).engine() == {"network": "unix", "address": "/a", "mode": 0o660}
    assert parse_bind("a:1", 0o660).engine() == {"network": "tcp", "address": "a:1"}


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80", "unix:/a", "fd://3"])
def test_an_address_reads_back_as_it_is_written(text: str) -> None:
    assert str(parse_bind(text)) == text


def test_systemd_passes_descriptors_from_three_on() -> None:
    own = str(os.getpid())
    assert inherited({"LISTEN_FDS": "2", "LISTEN_PID": own}) == [Bind("fd", "3"), Bind("fd", "4")]
    for environment in ({}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_PID": own}):
        assert inherited(environment) == []


def test_descriptors_are_not_passed_on() -> None:
    environment = {"LISTEN_FDS": "2", "LISTEN_PID": "7", "LISTEN_FDNAMES": "a:b", "HOME": "/"}
    forget_inherited(environment)
    assert environment == {"HOME": "/"}


def test_addresses_in_the_log(tmp_path: Path) -> None:
    assert describe(parse_bind("localhost:0"), "127.0.0.1:4711") == "http://127.0.0.1:4711"
    assert describe(parse_bind("unix:/a")) == "unix socket /a"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, number = server.getsockname()[1], server.fileno()
        assert describe(parse_bind(f"fd://{number}")) == f"http://127.0.0.1:{port} (descriptor {number})"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert describe(parse_bind(f"fd://{server.fileno()}")).startswith(f"unix socket {tmp_path / 's'} (")
    with open(tmp_path / "file", "w") as file:
        assert describe(parse_bind(f"fd://{file.fileno()}")) == f"socket fd://{file.fileno()}"


def test_inherited_descriptors_are_made_to_listen(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        prepare_inherited([parse_bind("a:1"), parse_bind(f"fd://{bound.fileno()}")], 16)
        socket.create_connection(bound.getsockname(), timeout=20).close()
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, pytest.raises(NoSocket, match="is not a stream socket"):
        prepare_inherited([Bind("fd", str(datagrams.fileno()))], 16)
    with open(tmp_path / "file", "w") as file, pytest.raises(NoSocket, match=r"fd: descriptor \d+ is not a socket"):
        prepare_inherited([Bind("fd", str(file.fileno()))], 16)
