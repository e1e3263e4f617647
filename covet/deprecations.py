"""Warnings about what will go away, at the line of the application that uses it."""

import sys
import warnings

from covet.exceptions import CovetDeprecationWarning


def deprecated(message: str, category: type[Warning] = CovetDeprecationWarning) -> None:
    """Warns whoever has called CovetPy.

    Args:
        message: what to use instead.
        category: the class of the warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("covet."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def deprecated_class(name: str) -> None:
    """Warns whoever makes a response of a class that is not needed any more, but not CovetPy, which may as well.

    Args:
        name: the class, whose `render` calls this.
    """
    caller = sys._getframe(1)
    while caller.f_globals.get("__name__") == "covet.responses" and caller.f_back is not None:
        caller = caller.f_back
    if not caller.f_globals.get("__name__", "").startswith("covet."):
        deprecated(f"{name} is deprecated: JSONResponse and plain results are written at least as fast.")
