"""Headers, query parameters, forms, URLs and state, in Starlette's shapes."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, NamedTuple

from covet.defaults import Default as Default
from covet.defaults import DefaultPlaceholder as DefaultPlaceholder
from covet.multidict import ImmutableMultiDict as ImmutableMultiDict
from covet.multidict import MultiDict as MultiDict
from covet.multidict import QueryParams as QueryParams
from covet.urls import URL as URL
from covet.urls import URLPath as URLPath

if TYPE_CHECKING:
    from covet.uploads import FormData as FormData
    from covet.uploads import UploadFile as UploadFile

RawHeaders = list[tuple[bytes, bytes]]


class Address(NamedTuple):
    """The peer of a connection."""

    host: str
    port: int


class State:
    """A place for attributes of any name."""

    _state: dict[str, Any]

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        super().__setattr__("_state", {} if state is None else state)

    def __setattr__(self, key: str, value: Any) -> None:
        self._state[key] = value

    def __getattr__(self, key: str) -> Any:
        try:
            return self._state[key]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}") from None

    def __delattr__(self, key: str) -> None:
        try:
            del self._state[key]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}") from None

    def __getitem__(self, key: str) -> Any:
        return self._state[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._state[key] = value

    def __delitem__(self, key: str) -> None:
        del self._state[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)

    def __contains__(self, key: object) -> bool:
        return key in self._state


class Headers(Mapping[str, str]):
    """Header fields: names in any case, several values for one name in `getlist`.

    Args:
        headers: names and values.
        raw: field lines whose names are in lower case; it is not copied.
        scope: an ASGI scope, whose field lines become a list that is shared with it.
    """

    def __init__(
        self,
        headers: Mapping[str, str] | None = None,
        raw: RawHeaders | None = None,
        scope: MutableMapping[str, Any] | None = None,
    ) -> None:
        if (headers is not None) + (raw is not None) + (scope is not None) > 1:
            raise ValueError("only one of headers, raw and scope")
        if scope is not None:
            raw = scope["headers"] = list(scope["headers"])
        self._list: RawHeaders = (
            [(_name(key), value.encode("latin-1")) for key, value in (headers or {}).items()] if raw is None else raw
        )

    @property
    def raw(self) -> RawHeaders:
        """The field lines in order."""
        return self._list

    def keys(self) -> KeysView[str]:
        return dict.fromkeys(key.decode("latin-1") for key, _ in self._list).keys()

    def values(self) -> ValuesView[str]:
        return dict(enumerate(value.decode("latin-1") for _, value in self._list)).values()

    def items(self) -> ItemsView[str, str]:
        return _Pairs(self)

    def getlist(self, key: str) -> list[str]:
        """All values of a field, in order."""
        name = _name(key)
        return [value.decode("latin-1") for found, value in self._list if found == name]

    def mutablecopy(self) -> "MutableHeaders":
        """A copy that can be changed."""
        return MutableHeaders(raw=self._list[:])

    def __getitem__(self, key: str) -> str:
        name = _name(key)
        for found, value in self._list:
            if found == name:
                return value.decode("latin-1")
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        name = _name(key)
        return any(found == name for found, _ in self._list)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._list)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and sorted(self._list) == sorted(other._list)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        pairs = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in self._list]
        if len(self.keys()) == len(pairs):
            return f"{type(self).__name__}({dict(pairs)!r})"
        return f"{type(self).__name__}(raw={self._list!r})"


class _Pairs(ItemsView[str, str]):
    """Every field line, repeated names too."""

    _mapping: Headers

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((key.decode("latin-1"), value.decode("latin-1")) for key, value in self._mapping.raw)

    def __len__(self) -> int:
        return len(self._mapping.raw)


class MutableHeaders(Headers, MutableMapping[str, str]):
    """Header fields of a response."""

    def __setitem__(self, key: str, value: str) -> None:
        """Sets the field; further values of it are removed."""
        name, data = _name(key), value.encode("latin-1")
        places = [i for i, (found, _) in enumerate(self._list) if found == name]
        for i in reversed(places[1:]):
            del self._list[i]
        if places:
            self._list[places[0]] = (name, data)
        else:
            self._list.append((name, data))

    def __delitem__(self, key: str) -> None:
        """Removes all values of the field; none need be there."""
        name = _name(key)
        self._list[:] = [pair for pair in self._list if pair[0] != name]

    def setdefault(self, key: str, value: str = "") -> str:
        if key in self:
            return self[key]
        self.append(key, value)
        return value

    def append(self, key: str, value: str) -> None:
        """Adds a value; those that are there stay."""
        self._list.append((_name(key), value.encode("latin-1")))

    def add_vary_header(self, vary: str) -> None:
        """Adds a name to the Vary field."""
        self["vary"] = ", ".join([*self.getlist("vary"), vary])


def _name(key: str) -> bytes:
    return key.lower().encode("latin-1")


def __getattr__(name: str) -> object:
    """Loads what only forms need when it is first asked for."""
    if name not in ("FormData", "UploadFile"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from covet import uploads

    value: object = getattr(uploads, name)
    globals()[name] = value
    return value
