"""Routes: what the engine is told of them, and the functions that answer them."""

import inspect
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from covet.convertors import BUILT_IN, Custom, custom
from covet.exceptions import DeclarationError, EndpointContext
from covet.parameter import Parameter
from covet.responses import Response
from covet.urls import IN_PATHS, URLPath, no_match, no_matches
from covet.urls import NoMatchFound as NoMatchFound

if TYPE_CHECKING:
    from covet.apiroute import APIRoute as APIRoute
    from covet.interfaces import CallEntry
    from covet.middleware import Middleware
    from covet.mounts import APIWebSocketRoute as APIWebSocketRoute
    from covet.mounts import Host as Host
    from covet.mounts import Mount as Mount
    from covet.mounts import WebSocketRoute as WebSocketRoute
    from covet.requests import Context
    from covet.routers import APIRouter as APIRouter
    from covet.routers import APIRouter as Router  # noqa: F401

WEBSOCKET = "WEBSOCKET"
"""The method by which the engine knows WebSocket routes; no request has it."""

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


def _uuid(text: str) -> Any:
    from uuid import UUID  # few paths have one

    return UUID(text)


CONVERTERS: Mapping[str, Callable[[str], Any]] = {"int": int, "float": float, "uuid": _uuid}


class MethodSet(Set[str]):
    """A route's methods: a set, as tools expect it, that keeps their order."""

    __slots__ = ("_methods",)

    def __init__(self, methods: Iterable[str]) -> None:
        self._methods = tuple(methods)

    def __contains__(self, method: object) -> bool:
        return method in self._methods

    def __iter__(self) -> Iterator[str]:
        return iter(self._methods)

    def __len__(self) -> int:
        return len(self._methods)

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self._methods)) + "}"


@dataclass(eq=False)
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
        by_path: whether the path decides which requests it gets.
        last_resort: it gets the requests below its path that fit no other route; the engine does not know it.
        may_be_websocket: whether it may get WebSockets.
        protocol: what the scheme of its addresses is of: "http", "websocket", or "" for either.
        layers: the middleware of the routers that it belongs to, the outermost first; each list may still grow.
    """

    path: str
    methods: Collection[str]
    handler: Callable[..., Any] | None = None
    status_code: int = 200
    name: str = ""
    cancel_on_disconnect: bool = False
    blocking: bool = False
    constant: Response | None = None
    parameters: Sequence[Parameter] = ()
    repeat: bool = True
    param_names: tuple[str, ...] = field(init=False)
    by_path: ClassVar[bool] = True
    last_resort: ClassVar[bool] = False
    may_be_websocket: ClassVar[bool] = False
    protocol: ClassVar[str] = "http"
    layers: "Sequence[Sequence[Middleware]]" = field(default=(), kw_only=True, repr=False)

    @property
    def pattern(self) -> str:
        """The path as requests are matched with it; a mount's has a parameter for what is below."""
        return self.path

    @property
    def path_format(self) -> str:
        """The path with the names of its parameters only."""
        return re.sub(r"\{(\w+):\w+\}", r"{\1}", self.pattern)

    @property
    def original_route(self) -> "Route":
        """The route itself, as routes of included routers are copies; see `iter_route_contexts`."""
        return self

    @property
    def answered_by(self) -> Any:
        """What `scope["endpoint"]` tells: the handler, or the application that the requests go to."""
        return self.handler

    @property
    def own_param_names(self) -> tuple[str, ...]:
        """The names of the parameters that handlers and other applications are told of."""
        return self.param_names

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """The route's path, if it has this name and these parameters. Raises NoMatchFound."""
        return path_for([self], name, path_params)

    @property
    def middleware(self) -> "list[Middleware]":
        """The middleware of its routers, the outermost first."""
        return [middleware for layer in self.layers for middleware in layer]

    def __post_init__(self) -> None:
        self.param_names = path_names(self.pattern)
        _check_kinds(self.pattern)
        self.methods = MethodSet(self.methods)

    def engine(self, number: int, *, forward: bool = False) -> dict[str, Any]:
        """The route as the engine's configuration has it; with `forward` a constant one goes to a worker too."""
        return {
            "id": number,
            "methods": list(self.methods),
            "path": self.engine_path,
            "constant": None if self.constant is None or forward else _constant(self.constant),
            "repeat": self.repeat,
        }

    @property
    def convertors(self) -> dict[str, Custom]:
        """The converters of one's own that the path has, by the names of their parameters."""
        found = ((name, custom(kind)) for name, kind in PARAMETER.findall(self.pattern))
        return {name: convertor for name, convertor in found if convertor is not None}

    @property
    def engine_path(self) -> str:
        """The path as routers match it, which know no converters of one's own: those have a whole segment of text."""
        return PARAMETER.sub(lambda found: found[0] if found[2] in BUILT_IN else "{" + found[1] + "}", self.pattern)

    def place(self, method: str, root_path: str) -> EndpointContext:
        """Where the handler is, for messages about a request."""
        function = inspect.unwrap(getattr(self.handler, "func", self.handler) or self.make_entry)
        code = getattr(function, "__code__", None)
        found: EndpointContext = {
            "function": getattr(function, "__name__", ""),
            "path": f"{method} {root_path}{self.path}",
        }
        if code is not None:
            found["file"], found["line"] = code.co_filename, code.co_firstlineno
        return found

    def make_entry(self, context: "Context", *, generate: bool) -> "CallEntry":
        """What the runner calls for the route; None if a function of its plain parameters will do.

        Args:
            context: what the requests have in common.
            generate: make code for this route.
        """
        return None

    def under(self, prefix: str) -> "Route":
        """The same route below a prefix."""
        return replace(self, path=prefix + self.path)

    def path_for(self, name: str, params: Mapping[str, Any]) -> URLPath:
        """The path with these parameters, encoded. Raises NoMatchFound if it is not this route that is meant."""
        if name != self.name or set(params) != set(self.param_names):
            raise no_match(name, params)
        return URLPath(filled(self.pattern, params), self.protocol)

    def converters(self) -> dict[str, Callable[[str], Any]]:
        """What makes values of the path's parameters that are not text, by name."""
        kinds = {found[1]: found[2] for found in PARAMETER.finditer(self.pattern)}
        found = {name: CONVERTERS[kind] for name, kind in kinds.items() if kind in CONVERTERS}
        return found | {name: convertor.convert for name, convertor in self.convertors.items()}

    @property
    def shape(self) -> str:
        """The pattern without its parameters' names; of routes with the same shape the first one counts."""
        return PARAMETER.sub(lambda found: "{" + (found[2] or "str") + "}", self.engine_path)

    @property
    def path_regex(self) -> "re.Pattern[str]":
        """The pattern as a regular expression for decoded paths."""
        pattern, end = "", 0
        for found in PARAMETER.finditer(self.pattern):
            own = custom(found[2])
            kind = PATTERNS.get(found[2] or "str", "[^/]+") if own is None else own.regex
            pattern += f"{re.escape(self.pattern[end : found.start()])}(?P<{found[1]}>{kind})"
            end = found.end()
        return re.compile(f"^{pattern}{re.escape(self.pattern[end:])}$", re.DOTALL)

    def fits(self, path: str) -> bool:
        """Whether a decoded path fits the pattern; only for requests that the engine did not match."""
        return self.path_regex.fullmatch(path) is not None

    def matches(self, scope: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Whether a connection is one for this route, for tools that look for its route by themselves.

        Args:
            scope: an ASGI scope.

        Returns:
            Match.FULL, Match.PARTIAL if it has another method, or Match.NONE; and what the route adds to the scope.
        """
        kinds = match_kinds()
        method = WEBSOCKET if scope["type"] == "websocket" else scope.get("method")
        if (
            method is None
            or not self.by_path
            or (method not in self.methods and (method == WEBSOCKET or list(self.methods) == [WEBSOCKET]))
        ):
            return kinds.NONE, {}
        path, root = scope["path"], scope.get("root_path", "").rstrip("/")
        if root and path.startswith(root + "/"):
            path = path[len(root) :]
        found = self.path_regex.fullmatch(path)
        if found is None:
            return kinds.NONE, {}
        converters = self.converters()
        params = {name: converters.get(name, str)(value) for name, value in found.groupdict().items()}
        child = {"endpoint": self.answered_by, "path_params": {**scope.get("path_params", {}), **params}}
        return (kinds.FULL if method in self.methods else kinds.PARTIAL), child


class Match(Enum):
    """Whether a route is the one for a connection; PARTIAL if it has other methods."""

    NONE = 0
    PARTIAL = 1
    FULL = 2


def match_kinds() -> Any:
    """Match, or Starlette's when it is loaded: tools that compare with its members have loaded it."""
    starlette = sys.modules.get("starlette.routing")
    return Match if starlette is None else starlette.Match


def path_for(routes: Iterable[Any], name: str, params: Mapping[str, Any]) -> URLPath:
    """The path of the first route with a name and just these parameters; the routes may be Starlette's.

    Raises:
        NoMatchFound: there is none.
    """
    for route in routes:
        try:
            if isinstance(route, Route):
                return route.path_for(name, params)
            path = route.url_path_for(name, **params)
        except no_matches():
            continue
        return URLPath(str(path), getattr(path, "protocol", ""), getattr(path, "host", ""))
    raise no_match(name, params)


def filled(path: str, params: Mapping[str, Any]) -> str:
    """A pattern with parameters in their places, encoded. Raises ValueError if one cannot stand there."""
    return PARAMETER.sub(lambda found: _segment(params[found[1]], found[2]), path)


def last_resorts(routes: Sequence[Route]) -> Callable[[str], int]:
    """What gives the number of a decoded path's last resort, the one with the longest path; 0 if it has none."""
    below = {route.path.rstrip("/"): number for number, route in reversed([*enumerate(routes, 1)]) if route.last_resort}
    longest_first = sorted(below.items(), key=lambda item: -len(item[0]))

    def find(path: str) -> int:
        for prefix, number in longest_first:
            if path.startswith(prefix + "/") or path == prefix:
                return number
        return 0

    return find


def _segment(value: Any, kind: str | None) -> str:
    """A parameter as it stands in a path. Raises ValueError if it cannot."""
    own = custom(kind)
    if own is not None:
        text = own.to_string(value)
    elif isinstance(value, float):
        text = f"{value:0.20f}".rstrip("0").rstrip(".")
    else:
        text = str(value)
    if kind != "path" and "/" in text:
        raise ValueError(f"the parameter {text!r} of a path cannot contain '/'")
    if kind in ("int", "float") and text.startswith("-"):
        raise ValueError("negative numbers are not supported in paths")
    if not text and kind != "path":
        raise ValueError("a parameter of a path cannot be empty")
    return quote(text, safe=IN_PATHS)


def _constant(response: Response) -> dict[str, Any]:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
    media_type = next((value for name, value in headers if name == "content-type"), "")
    return {
        "status": response.status_code,
        "media_type": media_type,
        "headers": [pair for pair in headers if pair[0] not in ("content-type", "content-length")],
        "body_b64": b64encode(response.body).decode("ascii"),
    }


def path_names(path: str) -> tuple[str, ...]:
    """The names of a path's parameters. Raises ValueError if one is there twice."""
    names = tuple(found[1] for found in PARAMETER.finditer(path))
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"the path {path!r} has the parameter {sorted(repeated)[0]!r} more than once")
    return names


def _check_kinds(path: str) -> None:
    """Raises DeclarationError if a parameter has a type that there is not."""
    for name, kind in PARAMETER.findall(path):
        if kind and kind not in BUILT_IN and custom(kind) is None:
            raise DeclarationError(f"the path {path!r}: the parameter {name!r} has an unknown type {kind!r}")


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
    fitting = [route for route in routes if not route.last_resort and route.fits(path)]
    return sorted({method for route in fitting for method in route.methods} - {WEBSOCKET})


def iter_route_contexts(routes: Iterable[Route]) -> Iterator[Route]:
    """The routes, those of included routers too; here they are all in the list itself."""
    yield from routes


RouteContext = Route
"""What FastAPI's `iter_route_contexts` gives says what a route says."""

_ELSEWHERE = {
    "APIRoute": "apiroute",
    "APIRouter": "routers",
    "APIWebSocketRoute": "mounts",
    "Host": "mounts",
    "Mount": "mounts",
    "Router": "routers",
    "WebSocketRoute": "mounts",
}


def __getattr__(name: str) -> Any:
    """Names that FastAPI has in its `routing`; they are loaded when they are used."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"covet.{_ELSEWHERE[name]}"), "APIRouter" if name == "Router" else name)
