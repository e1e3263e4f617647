"""Values that nobody has chosen: whoever includes a router may still choose others."""

from types import FunctionType
from typing import Any, TypeVar

T = TypeVar("T")


class DefaultPlaceholder:
    """A value that stands until another one is chosen.

    Args:
        value: the value.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefaultPlaceholder) and other.value == self.value

    def __hash__(self) -> int:
        return hash(("default", id(self.value)))

    def __repr__(self) -> str:
        named = self.value.__name__ if isinstance(self.value, FunctionType) else repr(self.value)
        return f"Default({named})"


def Default(value: T) -> T:
    """Marks a value as not chosen; for type checkers it stays what it is."""
    return DefaultPlaceholder(value)  # type: ignore[return-value]


def chosen(*values: Any) -> Any:
    """The first value that somebody has chosen, else the last one; placeholders are taken off."""
    for value in values:
        if not isinstance(value, DefaultPlaceholder):
            return value
    last = values[-1]
    return last.value if isinstance(last, DefaultPlaceholder) else last
