"""AsyncTestClient: an httpx.AsyncClient that calls an ASGI application in memory."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

from covet.testing.asgi import AsgiApp, Place, asgi3
from covet.testing.calls import HttpCall, LifespanCall
from covet.testing.client import opening_headers, with_defaults
from covet.testing.http_library import httpx
from covet.testing.streams import NO_RESPONSE, AsyncResponseStream, async_body_of, response_of
from covet.testing.websockets import AsyncWebSocketTestSession


class AsyncTestClient(httpx.AsyncClient):
    """Sends requests to an application in memory, on the running event loop; `async with` runs its lifespan.

    Args:
        app: an ASGI application: CovetPy, or any other.
        base_url: what paths are relative to.
        raise_server_exceptions: raise what the application raises, else answer 500.
        root_path: the path under which the application is mounted.
        cookies: cookies to begin with.
        headers: header fields of all requests.
        follow_redirects: follow redirects.
        client: the host and port that requests come from.

    Attributes:
        app: the application.
        app_state: what the lifespan gave, where each request's state begins.
    """

    __test__ = False

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        cookies: Any = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] | None = ("testclient", 50000),
    ) -> None:
        self.app = asgi3(app)
        self.app_state: dict[str, Any] = {}
        self._place = Place(root_path, client, self.app_state)
        self._transport_in_memory = AsyncTransport(
            self.app, self._place, raise_server_exceptions=raise_server_exceptions
        )
        super().__init__(
            base_url=base_url,
            headers=with_defaults(headers, {"user-agent": "testclient"}),
            cookies=cookies,
            follow_redirects=follow_redirects,
            transport=self._transport_in_memory,
            timeout=None,
        )

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **kwargs: Any
    ) -> AsyncWebSocketTestSession:
        """A WebSocket connection to a path, opened by `async with`.

        Args:
            url: the path.
            subprotocols: the subprotocols that the client offers.
            kwargs: headers, cookies, params and extensions, as `get` takes them.

        Raises:
            WebSocketDisconnect: in `async with`: the application closed instead of accepting.
            WebSocketDenialResponse: in `async with`: it answered with an HTTP response.
        """
        kwargs["headers"] = opening_headers(kwargs.get("headers"), subprotocols)
        request = self.build_request("GET", urljoin("ws://testserver", url), **kwargs)
        return AsyncWebSocketTestSession(self.app, self._place.scope_of(request))

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.app_state.clear()
            lifespan = LifespanCall(self.app, self.app_state)
            await lifespan.start()
            stack.push_async_callback(lifespan.stop)
            stack.push_async_callback(self._transport_in_memory.aclose)
            self._exit_stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._exit_stack.aclose()


class AsyncTransport(httpx.AsyncBaseTransport):
    """Calls an application instead of a server.

    Args:
        app: the application.
        place: where requests come from and go to.
        raise_server_exceptions: raise what the application raises.
    """

    def __init__(self, app: AsgiApp, place: Place, *, raise_server_exceptions: bool) -> None:
        self._app = app
        self._place = place
        self._raise = raise_server_exceptions
        self._open: set[AsyncResponseStream] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        scope = self._place.scope_of(request)
        call = HttpCall(self._app, scope, await async_body_of(request))
        stream = AsyncResponseStream(call, request, self._open, raise_failure=self._raise)
        await stream.begin()
        if call.status:
            return response_of(call, request, stream)
        await stream.aclose()
        if self._raise:
            raise AssertionError(NO_RESPONSE)
        return httpx.Response(500, request=request)

    async def aclose(self) -> None:
        """Gives up the responses that have not been read to their end."""
        for stream in list(self._open):
            await stream.give_up()
