"""Headers, query parameters, URLs and state, in Starlette's shapes."""

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

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
    """

    def __init__(self, headers: Mapping[str, str] | None = None, raw: RawHeaders | None = None) -> None:
        if headers is not None and raw is not None:
            raise ValueError("either headers or raw, not both")
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


class QueryParams(Mapping[str, str]):
    """Query parameters; the last value of a repeated name counts, `getlist` has all."""

    def __init__(self, items: Iterable[tuple[str, str]] | Mapping[str, str] | str = ()) -> None:
        if isinstance(items, str):
            items = parse_qsl(items, keep_blank_values=True)
        self._list: list[tuple[str, str]] = list(items.items() if isinstance(items, Mapping) else items)
        self._dict = dict(self._list)

    def getlist(self, key: str) -> list[str]:
        """All values of a name, in order."""
        return [value for name, value in self._list if name == key]

    def multi_items(self) -> list[tuple[str, str]]:
        """All names and values, in order."""
        return self._list[:]

    def __getitem__(self, key: str) -> str:
        return self._dict[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QueryParams) and sorted(self._list) == sorted(other._list)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return urlencode(self._list)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class URL:
    """An address, taken apart when one of its parts is read."""

    __slots__ = ("_components", "_url")

    def __init__(self, url: str = "") -> None:
        self._url = url
        self._components: SplitResult | None = None

    @property
    def components(self) -> SplitResult:
        """All parts, as `urllib.parse` gives them."""
        if self._components is None:
            self._components = urlsplit(self._url)
        return self._components

    @property
    def scheme(self) -> str:
        return self.components.scheme

    @property
    def netloc(self) -> str:
        return self.components.netloc

    @property
    def path(self) -> str:
        """The path, percent-encoded as it was sent."""
        return self.components.path

    @property
    def query(self) -> str:
        return self.components.query

    @property
    def fragment(self) -> str:
        return self.components.fragment

    @property
    def username(self) -> str | None:
        return self.components.username

    @property
    def password(self) -> str | None:
        return self.components.password

    @property
    def hostname(self) -> str | None:
        return self.components.hostname

    @property
    def port(self) -> int | None:
        return self.components.port

    @property
    def is_secure(self) -> bool:
        return self.scheme in ("https", "wss")

    def replace(self, **parts: Any) -> "URL":
        """A copy with other parts: those of `components`, or username, password, hostname, port."""
        if not parts.keys().isdisjoint(("username", "password", "hostname", "port")):
            parts["netloc"] = self._netloc(
                parts.pop("username", self.username),
                parts.pop("password", self.password),
                parts.pop("hostname", self.hostname),
                parts.pop("port", self.port),
            )
        return type(self)(self.components._replace(**parts).geturl())

    @staticmethod
    def _netloc(username: str | None, password: str | None, hostname: str | None, port: int | None) -> str:
        netloc = hostname or ""
        if ":" in netloc and not netloc.startswith("["):
            netloc = f"[{netloc}]"
        if port is not None:
            netloc += f":{port}"
        if username is not None:
            netloc = f"{username}{'' if password is None else ':' + password}@{netloc}"
        return netloc

    def include_query_params(self, **params: Any) -> "URL":
        """A copy in which these query parameters have these values."""
        query = dict(parse_qsl(self.query, keep_blank_values=True))
        query.update({key: str(value) for key, value in params.items()})
        return self.replace(query=urlencode(query))

    def remove_query_params(self, keys: str | Iterable[str]) -> "URL":
        """A copy without these query parameters."""
        gone = {keys} if isinstance(keys, str) else set(keys)
        query = [pair for pair in parse_qsl(self.query, keep_blank_values=True) if pair[0] not in gone]
        return self.replace(query=urlencode(query))

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._url)

    def __str__(self) -> str:
        return self._url

    def __repr__(self) -> str:
        hidden = self.replace(password="********") if self.password else self
        return f"{type(self).__name__}({str(hidden)!r})"
