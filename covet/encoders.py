"""JSON of whatever a handler returns."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Set
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from math import isfinite
from pathlib import PurePath
from re import Pattern
from typing import TYPE_CHECKING, Any

import msgspec

from covet.core import encoder

if TYPE_CHECKING:
    from covet.jsonable import ENCODERS_BY_TYPE as ENCODERS_BY_TYPE
    from covet.jsonable import jsonable_encoder as jsonable_encoder

_AS_TEXT = (PurePath, IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)


def to_json(value: Any) -> Any:
    """A form that msgspec can encode of a value that it does not know. Raises TypeError."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        # Models have a serializer of their own, in native code.
        return msgspec.Raw(value.model_dump_json(by_alias=True))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, Pattern):
        return value.pattern
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (Set, deque, Iterator)):
        return list(value)
    from covet.jsonable import jsonable_encoder  # it knows pydantic's types, and takes longer

    try:
        return jsonable_encoder(value)
    except ValueError:
        raise TypeError(f"a value of type {type(value).__name__} has no form in JSON") from None


_encode_plain: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=to_json).encode


def _encode_general(value: Any) -> bytes:
    from covet.jsonable import fastapi_form  # few results need it

    return _encode_plain(fastapi_form(value))


encode: Callable[[Any], bytes] = encoder((_encode_plain, _encode_general))
"""JSON of a value in UTF-8: compact, NaN and infinities as null, else in the forms of FastAPI's jsonable_encoder."""


def spaced_json(value: Any) -> bytes:
    """JSON of anything, in the form that FastAPI gives the items of streams.

    With spaces after ":" and ",", ASCII only, NaN and infinities as null.

    Raises:
        ValueError, TypeError: a part of the value has no form in JSON.
    """
    text = _spaced_encoder()(value)
    if "NaN" in text or "Infinity" in text or '"_sa' in text:
        import json

        text = json.dumps(_clean(json.loads(text)))
    return text.encode()


@cache
def _spaced_encoder() -> Callable[[Any], str]:
    import json  # the standard library's writes this form; few applications need it

    from covet.jsonable import jsonable_encoder

    plain = json.JSONEncoder(default=jsonable_encoder).encode

    def encoded(value: Any) -> str:
        try:
            return plain(value)
        except TypeError:  # a key that is no text
            return plain(jsonable_encoder(value))

    return encoded


def _clean(value: Any) -> Any:
    """Without numbers that JSON has not and keys that are SQLAlchemy's own."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items() if not key.startswith("_sa")}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def __getattr__(name: str) -> object:
    """Loads what FastAPI has in this module and few applications need."""
    if name not in ("ENCODERS_BY_TYPE", "jsonable_encoder"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from covet import jsonable

    value: object = getattr(jsonable, name)
    return value
