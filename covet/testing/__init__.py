"""Testing applications: in memory with `covet.testclient`, and over real sockets with LiveServer."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covet.testing.live import LiveServer as LiveServer
    from covet.testing.live import LiveServerFailed as LiveServerFailed

__all__ = ["LiveServer", "LiveServerFailed"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from covet.testing import live

    value: object = getattr(live, name)
    globals()[name] = value
    return value
