"""Gives requests for some hosts to applications of their own."""

from collections.abc import Sequence
from typing import Any

from covet.mounted import asgi_of
from covet.mounts import Host


class HostMiddleware:
    """Looks at the Host field before the application does.

    Args:
        app: the application for all other hosts, whose exception handlers count for these too.
        hosts: the routes by host; the first one that fits counts.
    """

    def __init__(self, app: Any, hosts: Sequence[Host]) -> None:
        self._app = app
        self._hosts = [(host, asgi_of(host.app)) for host in hosts]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            name = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"host"), "")
            for host, app in self._hosts:
                params = host.match(name)
                if params is not None:
                    params = {**scope.get("path_params", {}), **params}
                    scope.update(path_params=params, route=host, endpoint=host.app)
                    await self._serve(app, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _serve(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        started = False

        async def noting(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive, noting)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            await self._app.recover(scope, receive, send, error)
