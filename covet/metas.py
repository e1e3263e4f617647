"""Constraints that are written as `msgspec.Meta` or as declarations within a type, for what pydantic validates."""

import operator
import types
from functools import reduce
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from covet.params import FieldDeclaration

CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
TEXTS = ("title", "description", "examples")


def for_pydantic(annotation: Any) -> Any:
    """The annotation with pydantic's Field in the place of each Meta and declaration, however deep it stands."""
    arguments = get_args(annotation)
    if not arguments:
        return annotation
    origin: Any = get_origin(annotation)
    if origin is Annotated:
        kind, *extras = arguments
        found = (for_pydantic(kind), *map(_extra, extras))
        return annotation if _same(found, arguments) else Annotated[found]
    found = tuple(map(for_pydantic, arguments))
    if _same(found, arguments):
        return annotation
    return reduce(operator.or_, found) if origin in (Union, types.UnionType) else origin[found]


def _same(some: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    return all(one is other for one, other in zip(some, others, strict=True))


def _extra(extra: Any) -> Any:
    if isinstance(extra, msgspec.Meta):
        return _field(extra)
    if isinstance(extra, FieldDeclaration):
        from pydantic import Field

        return Field(**extra.options)
    return extra


def _field(meta: msgspec.Meta) -> Any:
    from pydantic import Field

    options = {name: value for name in (*CONSTRAINTS, *TEXTS) if (value := getattr(meta, name)) is not None}
    return Field(**options, json_schema_extra=meta.extra_json_schema)
