"""Values as JSON's own types, as FastAPI's jsonable_encoder makes them."""

import dataclasses
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePath
from re import Pattern
from types import GeneratorType
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from covet.exceptions import PydanticV1NotSupportedError

Encoder = Callable[[Any], Any]
IncEx = Set[int] | Set[str] | Mapping[int, Any] | Mapping[str, Any]

SEQUENCES = (list, set, frozenset, GeneratorType, tuple, deque)


def _of_decimal(value: Decimal) -> int | float:
    exponent = value.as_tuple().exponent
    return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value)


def _of_bytes(value: bytes) -> str:
    return value.decode()


def _of_date(value: date | time) -> str:
    return value.isoformat()


ENCODERS_BY_TYPE: dict[type[Any], Encoder] = {
    bytes: _of_bytes,
    datetime: _of_date,
    date: _of_date,
    time: _of_date,
    timedelta: timedelta.total_seconds,
    Decimal: _of_decimal,
    Pattern: lambda value: value.pattern,
    UUID: str,
    **dict.fromkeys((IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network), str),
}
"""What becomes of values of other types than JSON's; a base class counts for those derived from it."""

LEFT_TO_MSGSPEC = frozenset((str, int, float, bool, type(None), UUID))
"""Types whose values msgspec writes as FastAPI does."""
WRITTEN_OTHERWISE = (bytes, date, time, timedelta, Decimal)
"""Types whose values msgspec knows, and writes in another way."""

AS_TEXT = {
    "pydantic.networks": ("AnyUrl", "NameEmail", "_BaseMultiHostUrl"),
    "pydantic.types": ("SecretBytes", "SecretStr"),
    "pydantic_core._pydantic_core": ("Url", "MultiHostUrl"),
    "pydantic.color": ("Color",),
    "pydantic_extra_types.color": ("Color",),
}
"""Classes whose values become text, where their modules have been imported."""


class Options(NamedTuple):
    """What goes on to the values within a value."""

    by_alias: bool
    exclude_unset: bool
    exclude_defaults: bool
    exclude_none: bool
    custom: Mapping[Any, Encoder]
    sqlalchemy_safe: bool


def jsonable_encoder(
    obj: Any,
    include: IncEx | None = None,
    exclude: IncEx | None = None,
    by_alias: bool = True,
    exclude_unset: bool = False,
    exclude_defaults: bool = False,
    exclude_none: bool = False,
    custom_encoder: Mapping[Any, Encoder] | None = None,
    sqlalchemy_safe: bool = True,
) -> Any:
    """A value as dicts, lists, text, numbers, booleans and None, which any JSON encoder knows.

    Args:
        obj: a pydantic model, msgspec Struct, dataclass, enum, date, Decimal, UUID, path, collection of such, or
            any object with attributes.
        include: the only fields, or keys, to be taken; for pydantic models it may be nested.
        exclude: fields, or keys, to be left out.
        by_alias: name the fields of models by their aliases.
        exclude_unset: leave out fields of models that were not set.
        exclude_defaults: leave out fields of models that have their defaults.
        exclude_none: leave out fields and keys whose value is None.
        custom_encoder: functions by class, which come before anything else.
        sqlalchemy_safe: leave out keys that begin with "_sa".

    Raises:
        ValueError: a value has no such form.
    """
    options = Options(by_alias, exclude_unset, exclude_defaults, exclude_none, custom_encoder or {}, sqlalchemy_safe)
    return _encoded(obj, include, exclude, options)


def fastapi_form(value: Any) -> Any:
    """A value in which msgspec finds nothing that it would write in another way than FastAPI.

    That is dates, times, bytes and Decimals; pydantic's models, Structs and whatever is unknown are left as they are.

    Args:
        value: anything.

    Raises:
        UnicodeDecodeError: bytes are no UTF-8.
    """
    kind = type(value)
    if kind in LEFT_TO_MSGSPEC:
        return value
    if isinstance(value, dict):
        return {key if type(key) is str else _key(key): fastapi_form(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return fastapi_form(value.value)
    if isinstance(value, SEQUENCES):
        return [fastapi_form(item) for item in value]
    if isinstance(value, WRITTEN_OTHERWISE):
        return next(ENCODERS_BY_TYPE[base] for base in kind.__mro__ if base in ENCODERS_BY_TYPE)(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and not isinstance(value, msgspec.Struct):
        return fastapi_form(dataclasses.asdict(value))
    return value


def _key(key: Any) -> Any:
    """A key of a dict that is no plain text."""
    found = fastapi_form(key)
    return json.dumps(found) if found is None or isinstance(found, bool) else found


def _encoded(obj: Any, include: IncEx | None, exclude: IncEx | None, options: Options) -> Any:
    encoder = _custom(obj, options.custom) if options.custom else None
    if encoder is not None:
        return encoder(obj)
    kind = type(obj)
    if kind is str or kind is int or obj is None or kind is bool or kind is float:
        return obj
    fields = _fields(obj, include, exclude, options)
    if fields is not None:
        return fields
    if isinstance(obj, Enum):
        return obj.value
    if isinstance(obj, PurePath):
        return str(obj)
    if isinstance(obj, (str, int, float)):
        return obj
    if isinstance(obj, dict):
        return _dict(obj, include, exclude, options)
    if isinstance(obj, SEQUENCES):
        return [_encoded(item, include, exclude, options) for item in obj]
    return _other(obj, include, exclude, options)


def _custom(obj: Any, encoders: Mapping[Any, Encoder]) -> Encoder | None:
    if type(obj) in encoders:
        return encoders[type(obj)]
    return next((encoder for kind, encoder in encoders.items() if isinstance(obj, kind)), None)


def _fields(obj: Any, include: IncEx | None, exclude: IncEx | None, options: Options) -> Any:
    """The fields of a model, Struct or dataclass; None of anything else."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(obj, pydantic.BaseModel):
        dumped = obj.model_dump(
            mode="json",
            include=_as_pydantic_has_it(include),
            exclude=_as_pydantic_has_it(exclude),
            by_alias=options.by_alias,
            exclude_unset=options.exclude_unset,
            exclude_defaults=options.exclude_defaults,
            exclude_none=options.exclude_none,
        )
        # As in FastAPI, what a model has said by itself is not for the custom encoders.
        return _encoded(dumped, None, None, options._replace(by_alias=True, exclude_unset=False, custom={}))
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        return _encoded(dataclasses.asdict(obj), include, exclude, options)
    if isinstance(obj, msgspec.Struct):
        return _encoded(_struct(obj, options), include, exclude, options)
    return None


def _as_pydantic_has_it(fields: Any) -> Any:
    return fields if fields is None or isinstance(fields, (set, dict)) else set(fields)


def _struct(obj: msgspec.Struct, options: Options) -> dict[str, Any]:
    names = obj.__struct_encode_fields__ if options.by_alias else obj.__struct_fields__
    values = [getattr(obj, name) for name in obj.__struct_fields__]
    left_out = options.exclude_defaults or obj.__struct_config__.omit_defaults
    fields = msgspec.structs.fields(obj) if left_out else ()
    defaults = {
        name
        for name, value, field in zip(names, values, fields, strict=False)
        if (field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default) == value
    }
    tag = {obj.__struct_config__.tag_field: obj.__struct_config__.tag} if obj.__struct_config__.tag is not None else {}
    pairs = zip(names, values, strict=True)
    return tag | {name: value for name, value in pairs if name not in defaults and value is not msgspec.UNSET}


def _dict(obj: Mapping[Any, Any], include: IncEx | None, exclude: IncEx | None, options: Options) -> dict[Any, Any]:
    result = {}
    for key, value in obj.items():
        hidden = options.sqlalchemy_safe and isinstance(key, str) and key.startswith("_sa")
        if hidden or (value is None and options.exclude_none):
            continue
        if (include is not None and key not in include) or (exclude is not None and key in exclude):
            continue
        result[_encoded(key, None, None, options)] = _encoded(value, None, None, options)
    return result


def _other(obj: Any, include: IncEx | None, exclude: IncEx | None, options: Options) -> Any:
    for kind in type(obj).__mro__:
        if kind in ENCODERS_BY_TYPE:
            return ENCODERS_BY_TYPE[kind](obj)
        if kind.__module__ == "pydantic.v1.main":
            raise PydanticV1NotSupportedError(f"pydantic.v1 models are not supported. Please update the model {obj!r}.")
        if kind.__name__ in AS_TEXT.get(kind.__module__, ()):
            return str(obj)
    for kind, encoder in ENCODERS_BY_TYPE.items():
        if isinstance(obj, kind):  # a class that only says so, as the UUIDs of asyncpg
            return encoder(obj)
    if type(obj).__name__ == "PydanticUndefinedType":
        return None
    uploads = sys.modules.get("covet.uploads")
    if uploads is not None and isinstance(obj, uploads.UploadFile):
        # Without its file: how the server keeps it is nothing that clients should see.
        return {"filename": obj.filename, "size": obj.size, "headers": dict(obj.headers)}
    try:
        data = dict(obj)
    except Exception as error:
        try:
            data = vars(obj)
        except Exception as second:
            raise ValueError([error, second]) from second
    return _encoded(data, include, exclude, options)
