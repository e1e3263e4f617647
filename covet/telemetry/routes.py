"""Tells a request's telemetry which route it was that the path matched."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from covet.mounts import Mount
from covet.telemetry.data import SCOPE_KEY, RequestTelemetry

if TYPE_CHECKING:
    from covet.asgi.router import Match, Router
    from covet.routing import Route

REST = "/{path}"
"""How the path of a mount ends; what is mounted knows its own part of it."""
REDIRECT = 307


def note_match(
    scope: Mapping[str, Any], routes: Sequence["Route"], router: "Router", path: bytes, match: "Match"
) -> None:
    """Notes the route of a match, or for 307 and 405 the one that the path would have had.

    Args:
        scope: the request's.
        routes: the application's routes, which are numbered from 1.
        router: finds their numbers.
        path: the path, as it was sent.
        match: what was found for it.
    """
    telemetry = scope.get(SCOPE_KEY)
    if not isinstance(telemetry, RequestTelemetry):
        return
    number = match.route
    if match.status == REDIRECT:
        match = router.lookup(path[:-1] if path.endswith(b"/") else path + b"/", scope["method"])
        number = match.route
    if match.allow:
        number = router.lookup(path, match.allow[0]).route
    if number:
        _note(telemetry, routes[number - 1])


def _note(telemetry: RequestTelemetry, route: "Route") -> None:
    path = route.path_format
    if isinstance(route, Mount):
        telemetry.mount_prefix += path.removesuffix(REST)
        telemetry.route = telemetry.mount_prefix + REST
    else:
        telemetry.route = telemetry.mount_prefix + path
    if telemetry.span is not None:
        telemetry.span.set_attribute("http.route", telemetry.route)
        telemetry.span.update_name(f"{telemetry.span_method} {telemetry.route}")
