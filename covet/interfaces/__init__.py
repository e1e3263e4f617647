"""What the server can serve: CovetPy, ASGI and WSGI applications, behind one face."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from covet.config import ServeOptions, Settings
    from covet.core import Exchange
    from covet.figures import Figures
    from covet.topics import Topics

CallEntry = tuple[Callable[["Exchange"], Any], int, bool] | None


class NotAnApplication(TypeError):
    """An object cannot be served; the text says why and what to do."""


class Calls(NamedTuple):
    """What the native runner calls for an application's requests; see `Runner.serve`."""

    entries: Sequence[CallEntry]
    """By route number; number 0 is for what no route matched."""
    encode: Callable[[Any], bytes]
    render: Callable[["Exchange", Any], Any]
    fail: Callable[["Exchange", BaseException], Any]


class Lifespan(Protocol):
    """What runs before the first request and after the last; used once."""

    async def start(self) -> Mapping[str, Any]:
        """Starts up and returns the state for requests. Raises what start-up raises."""

    async def stop(self) -> None:
        """Shuts down. Raises what shutdown raises."""

    def cancel(self) -> None:
        """Gives the lifespan up."""


class Application(Protocol):
    """Something to serve; `adapt` makes one of what the user wrote."""

    @property
    def interface(self) -> str:
        """covet, asgi or wsgi."""

    @property
    def settings(self) -> "Settings":
        """The settings that the application itself names."""

    @property
    def figures(self) -> "Figures | None":
        """Where the application looks for the engine's figures, if it does."""

    @property
    def topics(self) -> "Topics | None":
        """Where the application publishes to, if it does."""

    def engine(self) -> dict[str, Any]:
        """The part of the engine's configuration that the application decides: its routes."""

    def lifespan(self) -> Lifespan:
        """A new lifespan."""

    def drain(self) -> None:
        """The server is about to stop; requests may still come."""

    def calls(self, settings: "Settings", state: Mapping[str, Any]) -> Calls:
        """What answers requests, in this process.

        Args:
            settings: what the application is served with.
            state: what the lifespan's start gave.
        """


def adapt(app: object, options: "ServeOptions", *, several: bool = False) -> Application:
    """Makes any supported object servable.

    Args:
        app: a CovetPy application, an ASGI 3 or a WSGI application.
        options: `interface`, `lifespan`, `root_path` and `threads` count.
        several: other processes may serve the same application at the same time.

    Raises:
        NotAnApplication: the object is none of them, or not what `interface` names.
    """
    from covet.interfaces.detect import interface_of

    interface = interface_of(app, options.interface)
    target: Any = app
    if interface == "covet":
        from covet.interfaces.native import CovetApplication

        return CovetApplication(target, options.root_path, options.threads)
    if interface == "asgi":
        from covet.interfaces.asgi import AsgiApplication

        return AsgiApplication(target, options.lifespan, options.root_path)
    from covet.interfaces.wsgi import WsgiApplication

    return WsgiApplication(target, options.root_path, options.threads or 40, several=several)
