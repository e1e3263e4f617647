"""Dictionaries in which a key may have several values, in Starlette's shapes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)


class ImmutableMultiDict(Mapping[K, V_co], Generic[K, V_co]):
    """Keys and values; the last value of a repeated key counts, `getlist` has all.

    Args:
        *args: nothing, another multidict, a mapping, or pairs.
        **kwargs: further values.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if len(args) > 1:
            raise TypeError(f"{type(self).__name__} takes one argument, not {len(args)}")
        self._list: list[tuple[K, V_co]] = _pairs(args[0] if args else ()) + _pairs(kwargs)
        self._dict: dict[K, V_co] = dict(self._list)

    def getlist(self, key: Any) -> list[V_co]:
        """All values of a key, in order."""
        return [value for found, value in self._list if found == key]

    def multi_items(self) -> list[tuple[K, V_co]]:
        """All keys and values, in order."""
        return self._list[:]

    def __getitem__(self, key: K) -> V_co:
        return self._dict[key]

    def __contains__(self, key: object) -> bool:
        return key in self._dict

    def __iter__(self) -> Iterator[K]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and _by_key(self._list) == _by_key(other._list)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._list!r})"


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    """The pairs of a multidict, a mapping or an iterable."""
    for method in ("multi_items", "items"):
        if hasattr(value, method):
            return list(getattr(value, method)())
    return list(value)


def _by_key(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return sorted(pairs, key=lambda pair: pair[0])


class MultiDict(ImmutableMultiDict[Any, Any]):
    """Keys and values that can be changed."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Sets the value; further values of the key are removed."""
        self.setlist(key, [value])

    def __delitem__(self, key: Any) -> None:
        """Removes all values of a key. Raises KeyError."""
        del self._dict[key]
        self._drop(key)

    def _drop(self, key: Any) -> None:
        self._list = [pair for pair in self._list if pair[0] != key]

    def pop(self, key: Any, default: Any = None) -> Any:
        """Removes all values of a key and returns the last one."""
        self._drop(key)
        return self._dict.pop(key, default)

    def popitem(self) -> tuple[Any, Any]:
        """Removes a key with all its values, and returns it with the last one. Raises KeyError."""
        key, value = self._dict.popitem()
        self._drop(key)
        return key, value

    def poplist(self, key: Any) -> list[Any]:
        """Removes all values of a key and returns them."""
        values = self.getlist(key)
        self.pop(key)
        return values

    def clear(self) -> None:
        """Removes everything."""
        self._dict.clear()
        self._list.clear()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value of a key, which is set if there is none."""
        if key not in self._dict:
            self.append(key, default)
        return self._dict[key]

    def setlist(self, key: Any, values: list[Any]) -> None:
        """Sets the values of a key; none removes it."""
        if not values:
            self.pop(key)
            return
        self._drop(key)
        for value in values:
            self.append(key, value)

    def append(self, key: Any, value: Any) -> None:
        """Adds a value; those that are there stay."""
        self._list.append((key, value))
        self._dict[key] = value

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Sets the values of all keys of another multidict, a mapping or pairs."""
        other = MultiDict(*args, **kwargs)
        self._list = [pair for pair in self._list if pair[0] not in other] + other._list
        self._dict.update(other._dict)


class QueryParams(ImmutableMultiDict[str, str]):
    """Query parameters; the last value of a repeated name counts, `getlist` has all.

    Args:
        items: a query as it was sent, another multidict, a mapping or pairs; values become text.
        **kwargs: further values.
    """

    def __init__(self, items: Iterable[tuple[str, str]] | Mapping[str, str] | str | bytes = (), **kwargs: Any) -> None:
        if isinstance(items, bytes):
            items = items.decode("latin-1")
        if isinstance(items, str):
            items = parse_qsl(items, keep_blank_values=True)
        pairs = [*_pairs(items), *kwargs.items()]
        self._list = [(str(name), str(value)) for name, value in pairs]
        self._dict = dict(self._list)

    @classmethod
    def of(cls, pairs: list[tuple[str, str]]) -> "QueryParams":
        """The parameters of pairs of text, which are not copied."""
        params = cls.__new__(cls)
        params._list = pairs
        params._dict = dict(pairs)
        return params

    def __str__(self) -> str:
        return urlencode(self._list)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"
