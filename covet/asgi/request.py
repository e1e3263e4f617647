"""The request of an exchange over an ASGI server."""

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

from covet.asgi.exchange import AsgiExchange
from covet.core import Exchange
from covet.requests import Context, Request


class AsgiRequest(Request):
    """A request that asks the server for its body, and for news of its client, when the handler does."""

    __slots__ = ()

    async def _next(self) -> bytes:
        await cast(AsgiExchange, self._x).pull()
        return await super()._next()

    def _make_scope(self) -> MutableMapping[str, Any]:
        scope = cast(MutableMapping[str, Any], cast(AsgiExchange, self._x).original_scope)
        scope.setdefault("app", self._context.app)
        scope.setdefault("path_params", self.path_params)
        return scope

    async def is_disconnected(self) -> bool:
        """Whether the client has gone, as far as the server says."""
        if cast(AsgiExchange, self._x).watch():
            await asyncio.sleep(0)  # for what the server knows already
        return self._x.cancelled


class AsgiContext(Context):
    """The context of requests whose scopes say where the application is mounted and what its state is."""

    __slots__ = ()

    def request_of(self, x: Exchange) -> Request:
        """The Request of an exchange; the same one each time while the exchange lasts."""
        request: Request | None = x.state
        if request is None:
            own = cast(AsgiExchange, x)
            context = Context(self.app, self.param_names, own.lifespan_state, own.root_path)
            context.behind_layers = self.behind_layers
            request = x.state = AsgiRequest(x, context)
            if own.shares_state:
                request.share_state(cast(dict[str, Any], own.lifespan_state))
        return request
