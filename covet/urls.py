"""Addresses, in Starlette's shapes."""

import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from covet.multidict import MultiDict

if TYPE_CHECKING:
    from covet.core import Exchange

HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]*)?")
IN_PATHS = "/:@!$&'()*+,;=~"
"""What needs no escape in a path (RFC 3986, section 3.3)."""
SCHEMES = {"http": ("http", "https"), "websocket": ("ws", "wss")}
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class URL:
    """An address, taken apart when one of its parts is read.

    Args:
        url: the address.
        scope: an ASGI scope, whose address it is.
        **components: parts of an address, as `replace` takes them.

    Raises:
        ValueError: more than one of them is given.
    """

    __slots__ = ("_components", "_url")

    def __init__(self, url: str = "", scope: Mapping[str, Any] | None = None, **components: Any) -> None:
        if bool(url) + (scope is not None) + bool(components) > 1:
            raise ValueError("only one of url, scope and parts of an address")
        if scope is not None:
            url = _address_of(scope)
        elif components:
            url = str(URL().replace(**components))
        self._url = url
        self._components: SplitResult | None = None

    @property
    def components(self) -> SplitResult:
        """All parts, as `urllib.parse` gives them."""
        if self._components is None:
            self._components = urlsplit(self._url)
        return self._components

    @property
    def scheme(self) -> str:
        return self.components.scheme

    @property
    def netloc(self) -> str:
        return self.components.netloc

    @property
    def path(self) -> str:
        """The path, percent-encoded as it was sent."""
        return self.components.path

    @property
    def query(self) -> str:
        return self.components.query

    @property
    def fragment(self) -> str:
        return self.components.fragment

    @property
    def username(self) -> str | None:
        return self.components.username

    @property
    def password(self) -> str | None:
        return self.components.password

    @property
    def hostname(self) -> str | None:
        return self.components.hostname

    @property
    def port(self) -> int | None:
        return self.components.port

    @property
    def is_secure(self) -> bool:
        return self.scheme in ("https", "wss")

    def replace(self, **parts: Any) -> "URL":
        """A copy with other parts: those of `components`, or username, password, hostname, port."""
        if not parts.keys().isdisjoint(("username", "password", "hostname", "port")):
            parts["netloc"] = self._netloc(
                parts.pop("username", self.username),
                parts.pop("password", self.password),
                parts.pop("hostname", self.hostname),
                parts.pop("port", self.port),
            )
        return type(self)(self.components._replace(**parts).geturl())

    @staticmethod
    def _netloc(username: str | None, password: str | None, hostname: str | None, port: int | None) -> str:
        netloc = hostname or ""
        if ":" in netloc and not netloc.startswith("["):
            netloc = f"[{netloc}]"
        if port is not None:
            netloc += f":{port}"
        if username is not None:
            netloc = f"{username}{'' if password is None else ':' + password}@{netloc}"
        return netloc

    def include_query_params(self, **params: Any) -> "URL":
        """A copy in which these query parameters have these values."""
        query = MultiDict(parse_qsl(self.query, keep_blank_values=True))
        query.update({key: str(value) for key, value in params.items()})
        return self.replace(query=urlencode(query.multi_items()))

    def replace_query_params(self, **params: Any) -> "URL":
        """A copy with these query parameters only."""
        return self.replace(query=urlencode({key: str(value) for key, value in params.items()}))

    def remove_query_params(self, keys: str | Iterable[str]) -> "URL":
        """A copy without these query parameters."""
        gone = {keys} if isinstance(keys, str) else set(keys)
        query = [pair for pair in parse_qsl(self.query, keep_blank_values=True) if pair[0] not in gone]
        return self.replace(query=urlencode(query))

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._url)

    def __str__(self) -> str:
        return self._url

    def __repr__(self) -> str:
        hidden = self.replace(password="********") if self.password else self
        return f"{type(self).__name__}({str(hidden)!r})"


def _address_of(scope: Mapping[str, Any]) -> str:
    """The address that a request asked for; its path alone if nothing says for which host."""
    path = scope["path"].replace("?", "%3F").replace("#", "%23").replace("\\", "%5C")
    query = scope.get("query_string", b"").decode("latin-1")
    rest = f"{path}?{query}" if query else path
    scheme = scope.get("scheme", "http")
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    if HOST.fullmatch(host):
        return f"{scheme}://{host}{rest}"
    server = scope.get("server")
    if server is None:
        return "/%2F" + rest[2:] if rest.startswith("//") else rest  # two slashes would begin a host
    return f"{scheme}://{_netloc(scheme, *server)}{rest}"


def _netloc(scheme: str, name: str, port: int | None) -> str:
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return name if port == PORTS.get(scheme) else f"{name}:{port}"


def netloc_of(x: "Exchange", scheme: str) -> str:
    """The host and port that an exchange's client has asked for: those of the server itself if it named none."""
    host = x.host
    if host:
        return host
    server = x.server
    return "" if server is None else _netloc(scheme, *server)


class URLPath(str):
    """A path, as `url_path_for` gives it.

    Args:
        path: the path, encoded.
        protocol: "http" or "websocket" if the scheme must be one of it.
        host: the host, if it is not that of the request.
    """

    protocol: str
    host: str

    def __new__(cls, path: str, protocol: str = "", host: str = "") -> "URLPath":
        if protocol not in ("http", "websocket", ""):
            raise ValueError(f'the protocol of a path must be "http" or "websocket", not {protocol!r}')
        path = path.replace("\\", "%5C")
        made = super().__new__(cls, "/%2F" + path[2:] if path.startswith("//") else path)
        made.protocol, made.host = protocol, host
        return made

    def make_absolute_url(self, base_url: str | URL) -> URL:
        """The whole address, below that of an application."""
        base = URL(str(base_url))
        scheme = base.scheme
        if self.protocol:
            scheme = SCHEMES[self.protocol][base.is_secure]
        return URL(scheme=scheme, netloc=self.host or base.netloc, path=base.path.rstrip("/") + str(self))


def whole(path: Any, base: str) -> URL:
    """The address of a path that `url_path_for` has given.

    Args:
        path: the path; if it is a URLPath, Starlette's too, it may have its own host and scheme.
        base: where the application is, without a slash at the end.
    """
    protocol = getattr(path, "protocol", "")
    if getattr(path, "host", "") or protocol == "websocket" or (protocol and base.startswith("ws")):
        return URL(str(path.make_absolute_url(base_url=base)))
    return URL(base + str(path))


class NoMatchFound(Exception):
    """No route has this name and these parameters."""

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        Exception.__init__(self, f'No route exists for name "{name}" and params "{", ".join(params)}".')


def no_match(name: str, params: Mapping[str, Any]) -> NoMatchFound:
    """The exception; it is Starlette's too when that is loaded, whose mounts go on to the next route at no other."""
    starlette = sys.modules.get("starlette.routing")
    return NoMatchFound(name, params) if starlette is None else _both(starlette.NoMatchFound)(name, params)


@lru_cache
def _both(their: type[Exception]) -> type[NoMatchFound]:
    return type("NoMatchFound", (NoMatchFound, their), {"__module__": __name__})


def no_matches() -> tuple[type[Exception], ...]:
    """What says that there is no such route: ours, and Starlette's when that is loaded."""
    starlette = sys.modules.get("starlette.routing")
    return (NoMatchFound,) if starlette is None else (NoMatchFound, starlette.NoMatchFound)
