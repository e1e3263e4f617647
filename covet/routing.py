"""Routes: what the engine is told of them, and the functions that answer them."""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from covet.params import Parameter
from covet.responses import Response

PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
NUMBERED = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT")
"""Methods that the engine knows by number, OPTIONS apart."""
PATTERNS = {
    "str": "[^/]+",
    "int": "[0-9]+",
    "float": r"[0-9]+(?:\.[0-9]+)?",
    "uuid": "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
    "path": ".*",
}


@dataclass(slots=True)
class Route:
    """One path with its methods, and what answers it.

    Attributes:
        path: the pattern, such as "/items/{item_id:int}".
        methods: the methods, in capitals and in order.
        handler: the handler; None for a constant route.
        status_code: the status of results that do not name one.
        name: what the route is called.
        cancel_on_disconnect: cancel the handler's task when the client goes away.
        blocking: the handler is a plain function and runs in a thread.
        constant: the response that the engine gives by itself.
        parameters: what the handler wants from a request.
        repeat: the engine may give a request that a worker died of, or with, to another one if it is safe.
        param_names: the names in the path, in order.
    """

    path: str
    methods: tuple[str, ...]
    handler: Callable[..., Any] | None = None
    status_code: int = 200
    name: str = ""
    cancel_on_disconnect: bool = False
    blocking: bool = False
    constant: Response | None = None
    parameters: Sequence[Parameter] = ()
    repeat: bool = True
    param_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.param_names = path_names(self.path)

    def engine(self, number: int, *, forward: bool = False) -> dict[str, Any]:
        """The route as the engine's configuration has it; with `forward` a constant one goes to a worker too."""
        return {
            "id": number,
            "methods": list(self.methods),
            "path": self.path,
            "constant": None if self.constant is None or forward else _constant(self.constant),
            "repeat": self.repeat,
        }

    @property
    def shape(self) -> str:
        """The pattern without its parameters' names; of routes with the same shape the first one counts."""
        return PARAMETER.sub(lambda found: "{" + (found[2] or "str") + "}", self.path)

    def matches(self, path: str) -> bool:
        """Whether a decoded path fits the pattern; only for requests that the engine did not match."""
        pattern, end = "", 0
        for found in PARAMETER.finditer(self.path):
            pattern += re.escape(self.path[end : found.start()]) + PATTERNS.get(found[2] or "str", "[^/]+")
            end = found.end()
        return re.fullmatch(pattern + re.escape(self.path[end:]), path, re.DOTALL) is not None


def _constant(response: Response) -> dict[str, Any]:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
    media_type = next((value for name, value in headers if name == "content-type"), "")
    return {
        "status": response.status_code,
        "media_type": media_type,
        "headers": [pair for pair in headers if pair[0] != "content-type"],
        "body_b64": b64encode(response.body).decode("ascii"),
    }


def path_names(path: str) -> tuple[str, ...]:
    """The names of a path's parameters. Raises ValueError for a path that cannot be one."""
    if not path.startswith("/"):
        raise ValueError(f"the path {path!r} must start with '/'")
    names = tuple(found[1] for found in PARAMETER.finditer(path))
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"the path {path!r} has the parameter {sorted(repeated)[0]!r} more than once")
    return names


def checked_methods(methods: Sequence[str], path: str) -> tuple[str, ...]:
    """The methods in capitals. Raises ValueError if there are none or one is no token."""
    if isinstance(methods, str):
        raise ValueError(f"route {path!r}: methods must be a list, not the text {methods!r}")
    checked = tuple(dict.fromkeys(method.upper() for method in methods))
    if not checked or not all(TOKEN.fullmatch(method) for method in checked):
        raise ValueError(f"route {path!r}: methods must be a list of HTTP methods, not {list(methods)!r}")
    return checked


def all_methods(routes: Sequence[Route]) -> tuple[str, ...]:
    """The methods that an application knows, which answer `OPTIONS *`."""
    known = {method for route in routes for method in route.methods}
    return (*(method for method in NUMBERED if method in known), "OPTIONS")


def allowed_methods(routes: Sequence[Route], path: str) -> list[str]:
    """The methods of all routes that a decoded path fits, in order."""
    return sorted({method for route in routes if route.matches(path) for method in route.methods})
