"""TestClient: an httpx.Client that calls an ASGI application in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

from covet.testing.asgi import AsgiApp, Place, asgi3
from covet.testing.calls import HttpCall, LifespanCall
from covet.testing.http_library import httpx
from covet.testing.portal import Portal
from covet.testing.streams import NO_RESPONSE, ResponseStream, body_of, response_of
from covet.testing.websockets import WebSocketTestSession

ASYNCIO_ONLY = 'TestClient runs applications on asyncio; there is no backend {!r}, only "asyncio"'


class Upgrade(Exception):
    """The request opens a WebSocket: leaves httpx, which has no answer for it."""

    def __init__(self, scope: dict[str, Any]) -> None:
        super().__init__("a WebSocket was asked for")
        self.scope = scope


class TestClient(httpx.Client):
    """Sends requests to an application in memory; `with` runs its lifespan, on one event loop with all requests.

    Without `with`, each request has an event loop of its own, and there is no lifespan.

    Args:
        app: an ASGI application: CovetPy, or any other.
        base_url: what paths are relative to.
        raise_server_exceptions: raise what the application raises, else answer 500.
        root_path: the path under which the application is mounted.
        backend: "asyncio".
        backend_options: debug, loop_factory and use_uvloop, for the event loop.
        cookies: cookies to begin with.
        headers: header fields of all requests.
        follow_redirects: follow redirects.
        client: the host and port that requests come from.

    Attributes:
        app: the application.
        app_state: what the lifespan gave, where each request's state begins.
        portal: calls functions on the event loop, within `with`; else None.
    """

    __test__ = False

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: str = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
        cookies: Any = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] | None = ("testclient", 50000),
    ) -> None:
        if backend != "asyncio":
            raise ValueError(ASYNCIO_ONLY.format(backend))
        self.app = asgi3(app)
        self.app_state: dict[str, Any] = {}
        self.portal: Portal | None = None
        self._backend_options = dict(backend_options or {})
        self._transport_in_memory = Transport(
            self.app,
            Place(root_path, client, self.app_state),
            self._portal_factory,
            raise_server_exceptions=raise_server_exceptions,
        )
        super().__init__(
            base_url=base_url,
            headers=with_defaults(headers, {"user-agent": "testclient"}),
            cookies=cookies,
            follow_redirects=follow_redirects,
            transport=self._transport_in_memory,
            timeout=None,
        )

    @contextmanager
    def _portal_factory(self) -> Iterator[Portal]:
        if self.portal is not None:
            yield self.portal
        else:
            with Portal(self._backend_options) as portal:
                yield portal

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **kwargs: Any
    ) -> WebSocketTestSession:
        """A WebSocket connection to a path, opened by `with`.

        Args:
            url: the path.
            subprotocols: the subprotocols that the client offers.
            kwargs: anything that `get` takes: headers, cookies, params.

        Raises:
            WebSocketDisconnect: in `with`: the application closed instead of accepting.
            WebSocketDenialResponse: in `with`: it answered with an HTTP response.
        """
        kwargs["headers"] = opening_headers(kwargs.get("headers"), subprotocols)
        try:
            self.request("GET", urljoin("ws://testserver", url), **kwargs)
        except Upgrade as upgrade:
            return WebSocketTestSession(self.app, upgrade.scope, self._portal_factory)
        raise RuntimeError(f"{url} is not the address of a WebSocket")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.portal = portal = stack.enter_context(Portal(self._backend_options))
            stack.callback(setattr, self, "portal", None)
            self.app_state.clear()
            lifespan = LifespanCall(self.app, self.app_state)
            portal.call(lifespan.start)
            stack.callback(portal.call, lifespan.stop)
            stack.callback(self._transport_in_memory.close)
            self._exit_stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._exit_stack.close()


def with_defaults(headers: Any, defaults: Mapping[str, str]) -> httpx.Headers:
    """Header fields, and those of the defaults that are not among them."""
    merged = httpx.Headers(defaults)
    merged.update(headers)
    return merged


def opening_headers(headers: Any, subprotocols: Sequence[str] | None) -> httpx.Headers:
    """The header fields of a WebSocket's opening request (RFC 6455, section 4.1)."""
    own = {"connection": "upgrade", "sec-websocket-key": "testserver==", "sec-websocket-version": "13"}
    if subprotocols is not None:
        own["sec-websocket-protocol"] = ", ".join(subprotocols)
    return with_defaults(headers, own)


class Transport(httpx.BaseTransport):
    """Calls an application instead of a server.

    Args:
        app: the application.
        place: where requests come from and go to.
        portal_factory: gives the event loop for a request.
        raise_server_exceptions: raise what the application raises.
    """

    def __init__(
        self, app: AsgiApp, place: Place, portal_factory: Callable[[], Any], *, raise_server_exceptions: bool
    ) -> None:
        self._app = app
        self._place = place
        self._portal_factory = portal_factory
        self._raise = raise_server_exceptions
        self._open: set[ResponseStream] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        scope = self._place.scope_of(request)
        if scope["type"] == "websocket":
            raise Upgrade(scope)
        call = HttpCall(self._app, scope, body_of(request))
        stream = ResponseStream(call, request, self._portal_factory, self._open, raise_failure=self._raise)
        stream.begin()
        if call.status:
            return response_of(call, request, stream)
        stream.close()
        if self._raise:
            raise AssertionError(NO_RESPONSE)
        return httpx.Response(500, request=request)

    def close(self) -> None:
        """Gives up the responses that have not been read to their end."""
        for stream in list(self._open):
            stream.give_up()
