"""The context of requests over an ASGI server."""

from typing import Any, cast

from covet.asgi.exchange import AsgiExchange
from covet.core import Exchange
from covet.requests import Context, EngineRequest


class AsgiContext(Context):
    """The context of requests whose scopes say where the application is mounted and what its state is."""

    __slots__ = ()

    def request_of(self, x: Exchange) -> EngineRequest:
        """The Request of an exchange; the same one each time while the exchange lasts."""
        request: EngineRequest | None = x.state
        if request is None:
            own = cast(AsgiExchange, x)
            context = Context(self.app, self.param_names, own.lifespan_state, own.root_path)
            context.behind_layers = self.behind_layers
            context.converters = self.converters
            if own.shares_state:
                context.own_state = cast(dict[str, Any], own.lifespan_state)
            request = x.state = EngineRequest(x, context)
        return request
