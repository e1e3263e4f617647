"""Converters of one's own for parameters of paths, in Starlette's shape."""

import re
import sys
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")


class Convertor(Generic[T]):
    """What a parameter such as `{day:date}` matches, and what becomes of it.

    Attributes:
        regex: what the text of the parameter, which is one segment of the path or a part of one, must match as a whole.
    """

    regex: ClassVar[str] = ""

    def convert(self, value: str) -> T:
        """The value of a text that matches. A ValueError says that there is no such path."""
        raise NotImplementedError

    def to_string(self, value: T) -> str:
        """The text of a value, for `url_for`."""
        raise NotImplementedError


CONVERTOR_TYPES: dict[str, Convertor[Any]] = {}
"""The registered converters, by name."""

BUILT_IN = ("str", "int", "float", "uuid", "path")
"""The names that the router itself knows."""


def register_url_convertor(key: str, convertor: Convertor[Any]) -> None:
    """Registers a converter, before the routes that use it.

    Args:
        key: its name in paths, such as "date" for `{day:date}`.
        convertor: the converter, which may be derived from Starlette's `Convertor` too.

    Raises:
        ValueError: the name is one of those that the router itself knows, or none.
    """
    if key in BUILT_IN or not key.isidentifier():
        raise ValueError(f"a converter cannot be called {key!r}")
    CONVERTOR_TYPES[key] = convertor


class Custom:
    """A converter in use.

    Args:
        convertor: the converter.
    """

    def __init__(self, convertor: Any) -> None:
        self._convertor = convertor

    @cached_property
    def _regex(self) -> "re.Pattern[str]":
        return re.compile(self._convertor.regex)

    def fits(self, text: str) -> bool:
        """Whether a parameter may have this text."""
        if self._regex.fullmatch(text) is None:
            return False
        try:
            self._convertor.convert(text)
        except ValueError:
            return False
        return True

    def convert(self, text: str) -> Any:
        """The value of a text; the text itself if it does not fit."""
        return self._convertor.convert(text) if self.fits(text) else text

    @property
    def regex(self) -> str:
        """What a text must match."""
        found: str = self._convertor.regex
        return found

    def to_string(self, value: Any) -> str:
        """The text of a value."""
        text: str = self._convertor.to_string(value)
        return text


def custom(kind: str | None) -> Custom | None:
    """The converter that is registered under a name, here or with Starlette; None if the router knows it, or nobody."""
    if kind is None or kind in BUILT_IN:
        return None
    found: Any = CONVERTOR_TYPES.get(kind)
    starlette = sys.modules.get("starlette.convertors")
    if found is None and starlette is not None:
        found = starlette.CONVERTOR_TYPES.get(kind)
    return None if found is None else Custom(found)
