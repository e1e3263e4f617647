"""Addresses to listen on: how they are written, and how the engine is told."""

import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from covet.checks import ConfigError

FIRST_INHERITED = 3  # sd_listen_fds(3): descriptors are passed from this number on
HIGHEST_PORT = 65535
BIND_ERRORS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)


@dataclass(frozen=True, slots=True)
class Bind:
    """One address to listen on.

    Attributes:
        network: "tcp", "unix" or "fd".
        address: "host:port", a path, or the number of an inherited descriptor.
        mode: the permissions of a unix socket's file; None leaves them to the umask.
    """

    network: str
    address: str
    mode: int | None = None

    def engine(self) -> dict[str, Any]:
        """The listener as the engine's configuration has it."""
        listener: dict[str, Any] = {"network": self.network, "address": self.address}
        if self.mode is not None:
            listener["mode"] = self.mode
        return listener

    def __str__(self) -> str:
        return {"unix": "unix:", "fd": "fd://"}.get(self.network, "") + self.address


def tcp(host: str, port: int) -> Bind:
    """The bind of a host and a port; an IPv6 address gets brackets."""
    return Bind("tcp", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def parse_bind(text: str, mode: int | None = None) -> Bind:
    """Reads "host:port", "[ipv6]:port", ":port", "unix:/path" or "fd://number".

    Args:
        text: the address.
        mode: the permissions of the file if it is a unix socket.

    Raises:
        ConfigError: it is none of those.
    """
    if text.startswith("unix:"):
        # unix:///path is what gunicorn's users write
        path = text.removeprefix("unix:")
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path:
            raise ConfigError(f"bind must name a path after unix:, not {text!r}")
        return Bind("unix", path, mode)
    if text.startswith("fd://"):
        number = text.removeprefix("fd://")
        if not number.isdecimal():
            raise ConfigError(f"bind must name a descriptor's number after fd://, not {text!r}")
        return Bind("fd", number)
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed) or host == "[]":
        raise ConfigError(f"bind must be host:port, [ipv6]:port, unix:/path or fd://number, not {text!r}")
    if not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise ConfigError(f"bind must have a port from 0 to {HIGHEST_PORT}, not {text!r}")
    return tcp(host.strip("[]") or "0.0.0.0", int(port))


def describe(bind: Bind, address: str | None = None) -> str:
    """An address as the log names it: "http://127.0.0.1:8000" or "unix socket /path".

    Args:
        bind: the address that was asked for.
        address: where the engine has bound it, if that is known.
    """
    if bind.network == "tcp":
        return f"http://{address or bind.address}"
    if bind.network == "unix":
        return f"unix socket {bind.address}"
    try:
        with socket.socket(fileno=os.dup(int(bind.address))) as inherited_socket:
            name = inherited_socket.getsockname()
    except OSError:
        return f"socket {bind}"
    where = f"http://{tcp(*name[:2]).address}" if isinstance(name, tuple) else f"unix socket {name}"
    return f"{where} (descriptor {bind.address})"


class NoSocket(Exception):
    """A descriptor is not a socket to accept connections from; the text names it."""


def prepare_inherited(binds: Iterable[Bind], backlog: int) -> None:
    """Sees to it that inherited descriptors are listening sockets, before others get their numbers.

    Args:
        binds: the addresses.
        backlog: connections that may wait to be accepted, on a socket that does not listen yet.

    Raises:
        NoSocket: one is no such socket.
    """
    for number in (int(bind.address) for bind in binds if bind.network == "fd"):
        try:
            with socket.socket(fileno=os.dup(number)) as found:
                if found.type != socket.SOCK_STREAM:
                    raise NoSocket(f"fd: descriptor {number} is not a stream socket")
                if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.listen(backlog)
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            raise NoSocket(f"fd: descriptor {number} is not a socket to listen on: {reason}") from None


def describe_all(binds: Sequence[Bind], address: Callable[[int], str | None]) -> str:
    """Where a server listens, in words.

    Args:
        binds: the addresses to listen on.
        address: gives, of a bind's place among them, where the engine has bound it.
    """
    return ", ".join(describe(bind, address(number)) for number, bind in enumerate(binds))


def bind_error(text: str, binds: Sequence[Bind]) -> str:
    """The engine's error in asyncio's words if it is about a TCP address, else as it is."""
    bind = next((bind for bind in binds if bind.network == "tcp" and f"tcp:{bind.address}:" in text), None)
    for number in BIND_ERRORS:
        reason = os.strerror(number).lower()
        if bind is not None and reason in text.lower():
            host, _, port = bind.address.rpartition(":")
            where = (host.strip("[]"), int(port))
            return f"[Errno {number}] error while attempting to bind on address {where}: {reason}"
    return text


def inherited(environment: Mapping[str, str] = os.environ) -> list[Bind]:
    """The sockets that systemd opened for this process: LISTEN_FDS and LISTEN_PID of sd_listen_fds(3)."""
    return [Bind("fd", str(number)) for number in _inherited(environment)]


def forget_inherited(environment: MutableMapping[str, str] = os.environ) -> None:
    """Removes the variables of `inherited`, so that processes started from here do not take them for their own."""
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        environment.pop(name, None)


def _inherited(environment: Mapping[str, str]) -> Iterator[int]:
    count, process = environment.get("LISTEN_FDS", ""), environment.get("LISTEN_PID", "")
    if count.isdecimal() and process == str(os.getpid()):
        yield from range(FIRST_INHERITED, FIRST_INHERITED + int(count))
