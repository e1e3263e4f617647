"""The Host field, and addresses made from it."""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple
from urllib.parse import quote

from covet.middleware.heads import Head
from covet.responses import PlainTextResponse, Response

# Anything else could make a Host field change what an address means.
HOST = re.compile(
    r"([a-z0-9._~%!$&'()*+,;=-]+|\[(?:([a-f0-9]*:[a-f0-9.:]+)|(?-i:v)[a-f0-9]+\.[a-z0-9._~!$&'()*+,;=:-]+)\])"
    r"(?::([0-9]+))?",
    re.IGNORECASE,
)
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Host(NamedTuple):
    """A host as requests name it, an IP literal with its brackets, and the port's digits if there are any."""

    name: str
    port: str | None

    @property
    def netloc(self) -> str:
        """Both, as they were given."""
        return self.name if self.port is None else f"{self.name}:{self.port}"


def host_of(head: Head) -> Host | None:
    """What the Host field says; None if it is missing or malformed."""
    value = head.header(b"host")
    found = None if value is None else HOST.fullmatch(value.decode("latin-1"))
    if found is None:
        return None
    if found[2] is not None:
        try:
            IPv6Address(found[2])
        except AddressValueError:
            return None
    return Host(found[1], found[3])


def reached(head: Head) -> Host | None:
    """The host that the request has reached: that of the Host field, else the server's address."""
    host = host_of(head)
    if host is not None and (host.port is None or int(host.port) <= 65535):
        return host
    server = head.server
    if server is None:
        return None
    name, port = server
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return Host(name, None if port == DEFAULT_PORTS.get(head.scheme) else str(port))


def redirection(head: Head, front: bytes, scheme: str, netloc: str) -> Response:
    """Sends the client to the same path and query at another address."""
    query = head.query_string
    target = f"{scheme}://{netloc}".encode() + front + head.raw_path + (b"?" + query if query else b"")
    return Response(b"", 307, {"location": quote(target, safe=":/%#?=@[]!$&'()*+,;")})


def invalid_host() -> Response:
    """The answer to a Host field that is not accepted."""
    return PlainTextResponse("Invalid host header", 400)
