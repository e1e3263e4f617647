"""JSON of whatever a handler returns."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Set
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import PurePath
from re import Pattern
from typing import Any

import msgspec

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
    raise TypeError(f"a value of type {type(value).__name__} has no form in JSON")


encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=to_json, decimal_format="number").encode
"""JSON of a value in UTF-8: compact, NaN and infinities as null."""
