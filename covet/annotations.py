"""What kind of value an annotation stands for, which decides where the value comes from."""

import sys
import types
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

UNIONS = (Union, types.UnionType)
SEQUENCES = (Sequence, list, tuple, set, frozenset, deque)
TEXTS = (str, bytes)

FRAMEWORKS = ("covet", "starlette", "fastapi")
SPECIAL = {
    "Request": "request",
    "WebSocket": "websocket",
    "HTTPConnection": "connection",
    "Response": "response",
    "BackgroundTasks": "background",
    "SecurityScopes": "scopes",
}
"""Classes whose parameters get what belongs to the request, by name: ours, and those of the frameworks we replace."""


def is_kind(annotation: object, *kinds: Any) -> bool:
    """Whether an annotation is a class derived from one of some classes."""
    return isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, kinds)


def special_kind(annotation: object) -> str | None:
    """What of the request a parameter of this type gets: a value of SPECIAL, or None."""
    if not isinstance(annotation, type) or get_origin(annotation) is not None:
        return None
    for kind in annotation.__mro__:
        if kind.__name__ in SPECIAL and kind.__module__.partition(".")[0] in FRAMEWORKS:
            return SPECIAL[kind.__name__]
    return None


def is_upload(annotation: object) -> bool:
    """Whether an annotation is UploadFile."""
    return isinstance(annotation, type) and any(kind.__name__ == "UploadFile" for kind in annotation.__mro__)


def bare(annotation: Any) -> Any:
    """An annotation without `Annotated` and names given to it by `type`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def may_be_tuple(annotation: Any) -> bool:
    """Whether a value of a type may be a tuple."""
    annotation = bare(annotation)
    if get_origin(annotation) in UNIONS:
        return any(map(may_be_tuple, get_args(annotation)))
    return is_kind(get_origin(annotation) or annotation, tuple)


def mentions(annotation: Any, name: Any) -> bool:
    """Whether a name that `type` gives stands anywhere in an annotation."""
    if annotation is name or getattr(annotation, "__forward_arg__", None) == name.__name__:
        return True
    if type(annotation).__name__ == "TypeAliasType":
        return False
    return any(mentions(argument, name) for argument in get_args(annotation))


def members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone."""
    annotation = bare(annotation)
    return get_args(annotation) if get_origin(annotation) in UNIONS else (annotation,)


def without_none(annotation: Any) -> Any:
    """T for `T | None`, else the annotation."""
    found = [member for member in members(annotation) if member is not type(None)]
    return bare(found[0]) if len(found) == 1 else bare(annotation)


def model_type(annotation: Any) -> Any:
    """The pydantic model of `Model` or `Model | None`; None if it is something else."""
    kind = without_none(annotation)
    return kind if is_model(kind) else None


def is_model(annotation: object) -> bool:
    """Whether an annotation is a pydantic model."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and is_kind(annotation, pydantic.BaseModel)


def is_struct(annotation: object) -> bool:
    """Whether an annotation is a msgspec Struct, or a generic one with its arguments."""
    import msgspec

    return is_kind(get_origin(annotation) or annotation, msgspec.Struct)


def is_record(annotation: object) -> bool:
    """Whether an annotation is a dataclass or a TypedDict, which msgspec and pydantic both know."""
    return isinstance(annotation, type) and (is_dataclass(annotation) or is_typed_dict(annotation))


def is_typed_dict(annotation: object) -> bool:
    """Whether an annotation is a TypedDict."""
    return isinstance(annotation, type) and issubclass(annotation, dict) and hasattr(annotation, "__total__")


def has_struct(annotation: Any) -> bool:
    """Whether there is a msgspec Struct anywhere in an annotation, or in the fields of a dataclass or a TypedDict."""
    return _has_struct(annotation, set())


def _has_struct(annotation: Any, known: set[Any]) -> bool:
    annotation = bare(annotation)
    if is_struct(annotation) or any(_has_struct(argument, known) for argument in get_args(annotation)):
        return True
    kind: Any = get_origin(annotation) or annotation
    if not is_record(kind) or kind in known or hasattr(kind, "__pydantic_validator__"):
        return False
    known.add(kind)
    try:
        hints = get_type_hints(kind, include_extras=True)
    except Exception:  # something is defined later
        return False
    return any(_has_struct(hint, known) for hint in hints.values())


def is_sequence(annotation: Any) -> bool:
    """Whether a value is a list or the like, or can be."""
    return any(_is_sequence(member) or _is_sequence(get_origin(member)) for member in map(bare, members(annotation)))


def _is_sequence(annotation: object) -> bool:
    return is_kind(annotation, *SEQUENCES) and not is_kind(annotation, *TEXTS)


def is_scalar(annotation: Any) -> bool:
    """Whether a value is written as one text, so that it can come from the path or the query."""
    return annotation is Ellipsis or not any(_is_complex(bare(member)) for member in members(annotation))


def _is_complex(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in UNIONS:
        return not is_scalar(annotation)
    return (
        is_model(annotation)
        or is_struct(annotation)
        or is_upload(annotation)
        or _is_mapping(annotation)
        or _is_mapping(origin)
        or _is_sequence(annotation)
        or _is_sequence(origin)
        or is_dataclass(annotation)
        or is_dataclass(origin)
        or hasattr(origin, "__pydantic_core_schema__")
        or hasattr(origin, "__get_pydantic_core_schema__")
    )


def _is_mapping(annotation: object) -> bool:
    return is_kind(annotation, Mapping)


def is_scalar_sequence(annotation: Any) -> bool:
    """Whether a value is a list or the like of scalars, or can be; other members must be scalars."""
    found = False
    for member in map(bare, members(annotation)):
        if is_sequence(member):
            if not all(is_scalar(argument) for argument in get_args(member)):
                return False
            found = True
        elif not is_scalar(member):
            return False
    return found


def holds_upload(annotation: Any) -> bool:
    """Whether a value is an uploaded file, or a list of them, or can be."""
    return any(is_upload(member) or _is_sequence_of(member, is_upload) for member in map(bare, members(annotation)))


def is_bytes(annotation: Any) -> bool:
    """Whether a value is bytes, or can be."""
    return any(is_kind(member, bytes) for member in map(bare, members(annotation)))


def is_bytes_sequence(annotation: Any) -> bool:
    """Whether a value is a list of bytes or the like, or can be."""
    return any(_is_sequence_of(member, is_bytes) for member in map(bare, members(annotation)))


def _is_sequence_of(annotation: Any, is_item: Any) -> bool:
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return is_sequence(annotation) and bool(arguments) and all(is_item(bare(argument)) for argument in arguments)


def sequence_of(annotation: Any, items: Sequence[Any]) -> Any:
    """Items as the kind of sequence that an annotation names."""
    for member in map(bare, members(annotation)):
        origin = get_origin(member) or member
        if is_kind(origin, set, frozenset, tuple, deque):
            return origin(items)
    return list(items)


def is_simple(annotation: Any) -> bool:
    """Whether a type is made of nothing but what JSON itself has."""
    annotation = bare(annotation)
    if annotation in (str, int, float, bool, None, types.NoneType):
        return True
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in UNIONS or origin is list:
        return all(is_simple(argument) for argument in arguments)
    return origin is dict and arguments[0] is str and is_simple(arguments[1])
