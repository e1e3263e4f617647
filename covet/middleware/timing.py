"""Tells clients how long the application took (https://www.w3.org/TR/server-timing/)."""

from time import perf_counter
from typing import Any

from covet.middleware.base import AsgiApp, Layer, Receive, RequestResponseEndpoint, Scope, Send
from covet.middleware.heads import headers_of
from covet.requests import Request
from covet.responses import Response


class TimingMiddleware(Layer):
    """Adds Server-Timing to responses: the milliseconds from here to the response's head.

    Args:
        app: the application inside.
        name: what the measurement is called.
        description: what browsers show for it.
    """

    def __init__(self, app: AsgiApp, name: str = "app", description: str | None = None) -> None:
        self.app = app
        self.name = name
        self.description = description
        self._label = name if description is None else f'{name};desc="{description}"'

    def _value(self, began: float) -> str:
        return f"{self._label};dur={(perf_counter() - began) * 1000:.3f}"

    def for_engine(self) -> dict[str, Any] | None:
        return {"kind": "timing", "label": self._label} if type(self) is TimingMiddleware else None

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answers a request and says how long that took."""
        began = perf_counter()
        response = await call_next(request)
        response.headers.append("server-timing", self._value(began))
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()

        async def timed(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers_of(message).append("server-timing", self._value(began))
            await send(message)

        await self.app(scope, receive, timed)
