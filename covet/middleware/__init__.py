"""Middleware: what stands around the whole application, in Starlette's shapes.

See docs/middleware.md.
"""

from collections.abc import Iterator
from typing import Any


class Middleware:
    """A middleware that is yet to be made, for `CovetPy(middleware=[...])`.

    Args:
        cls: a class, or a function, that is called with the application that it stands around, and the rest.
        args: further arguments.
        kwargs: options.
    """

    __slots__ = ("args", "cls", "kwargs")

    def __init__(self, cls: Any, *args: Any, **kwargs: Any) -> None:
        self.cls = cls
        self.args = args
        self.kwargs = kwargs

    def __iter__(self) -> Iterator[Any]:
        return iter((self.cls, self.args, self.kwargs))

    def __repr__(self) -> str:
        name = getattr(self.cls, "__name__", repr(self.cls))
        options = [repr(value) for value in self.args] + [f"{key}={value!r}" for key, value in self.kwargs.items()]
        return f"{type(self).__name__}({', '.join([name, *options])})"

    def make(self, app: Any) -> Any:
        """The middleware itself, around `app`."""
        return self.cls(app, *self.args, **self.kwargs)
