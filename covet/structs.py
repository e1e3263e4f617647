"""What msgspec validates: Structs and all that holds some, with its errors in the shape of pydantic's."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from covet.exceptions import FieldTypeError

PATH = re.compile(r"^(.*?)(?: - at `(\$.*)`)?$", re.DOTALL)
STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
MISSING = re.compile(r"Object missing required field `(.+)`")
TYPES = (
    (re.compile(r"Expected `int`"), "int_type"),
    (re.compile(r"Expected `float`"), "float_type"),
    (re.compile(r"Expected `str`"), "string_type"),
    (re.compile(r"Expected `bool`"), "bool_type"),
    (re.compile(r"Expected `array`"), "list_type"),
    (re.compile(r"Expected `object`"), "model_type"),
    (re.compile(r"Invalid enum value"), "enum"),
    (re.compile(r"Object contains unknown field"), "extra_forbidden"),
)

BOUND = re.compile(r"Expected `(?:int|float|decimal)` (>=|>|<=|<) (\S+)$")
BOUNDS = {
    ">": ("greater_than", "gt", "greater than"),
    ">=": ("greater_than_equal", "ge", "greater than or equal to"),
    "<": ("less_than", "lt", "less than"),
    "<=": ("less_than_equal", "le", "less than or equal to"),
}
MULTIPLE = re.compile(r"Expected `(?:int|float)` that's a multiple of (\S+)$")
LENGTH = re.compile(r"Expected `(str|bytes|array|object)` of length (>=|<=) (\d+)$")
LENGTHS = {
    ("str", ">="): ("string_too_short", "String", "character"),
    ("str", "<="): ("string_too_long", "String", "character"),
    ("bytes", ">="): ("bytes_too_short", "Data", "byte"),
    ("bytes", "<="): ("bytes_too_long", "Data", "byte"),
}
SHAPE = re.compile(r"Expected `str` matching regex '(.*)'$", re.DOTALL)

Found = dict[str, Any]


# ---- types ---------------------------------------------------------------------------


def customs(annotation: Any) -> list[Any]:
    """The types in an annotation that msgspec leaves to pydantic, such as models, each once.

    Raises:
        FieldTypeError: msgspec or pydantic cannot validate a part of it; the message is one line.
    """
    import msgspec.inspect

    try:
        info = msgspec.inspect.type_info(annotation)
    except TypeError as error:
        raise FieldTypeError(
            f"msgspec, which validates Structs and what holds some, cannot validate {annotation!r} ({_line(error)})"
        ) from None
    except NameError:
        return []  # something is defined later
    found: dict[Any, None] = {}
    for kind, where in _customs(info, "", set()):
        if kind not in found:
            found[kind] = None
            _adapter(kind, where)
    return list(found)


def _customs(info: Any, where: str, known: set[int]) -> Iterator[tuple[Any, str]]:
    """The classes that msgspec does not know, and the fields where they stand."""
    if id(info) in known:
        return
    known.add(id(info))
    if type(info).__name__ == "CustomType":
        yield info.cls, where
        return
    for field in getattr(info, "fields", ()):
        owner = getattr(getattr(info, "cls", None), "__name__", "")
        yield from _customs(field.type, f"{owner}.{field.name}" if owner else field.name, known)
    for name in ("item_type", "key_type", "value_type", "type"):
        inner = getattr(info, name, None)
        if inner is not None:
            yield from _customs(inner, where, known)
    for name in ("types", "item_types"):
        for inner in getattr(info, name, ()):
            yield from _customs(inner, where, known)


def _adapter(kind: Any, where: str) -> Any:
    from pydantic.errors import PydanticUserError

    try:
        return _adapters(kind)
    except PydanticUserError as error:
        place = f"field {where}: " if where else ""
        raise FieldTypeError(f"{place}neither msgspec nor pydantic can validate {kind!r} ({_line(error)})") from None


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(". ")[0].rstrip(".")


@cache
def _adapters(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


# ---- values --------------------------------------------------------------------------


def from_pydantic(kind: Any, value: Any) -> Any:
    """What msgspec does not know, by pydantic: `dec_hook`. Raises pydantic's ValidationError."""
    return value if isinstance(kind, type) and isinstance(value, kind) else _adapters(kind).validate_python(value)


def to_plain(value: Any) -> Any:
    """What msgspec does not know, as plain Python objects: `enc_hook` of `msgspec.to_builtins`."""
    from covet.jsonable import jsonable_encoder

    return jsonable_encoder(value)


# ---- errors --------------------------------------------------------------------------


def errors_of(error: Exception, value: Any, loc: tuple[str | int, ...], annotation: Any) -> list[Found]:
    """The errors of a value that is no such Struct: msgspec tells the first one, pydantic all of a model within.

    Args:
        error: msgspec's ValidationError.
        value: what was to be converted.
        loc: where in the request the value is.
        annotation: what it was to be.
    """
    found = PATH.match(str(error))
    message, path = (found[1], found[2] or "") if found else (str(error), "")
    where: list[str | int] = []
    for name, index in STEP.findall(path[1:]):
        step: str | int = name or (int(index) if index.isdigit() else index)
        where.append(step)
        value = _member(value, step)
    place = (*loc, *where)
    cause: Any = error.__cause__
    if type(cause).__name__ == "ValidationError" and hasattr(cause, "errors"):
        return [{**each, "loc": (*place, *each["loc"])} for each in cause.errors(include_url=False)]
    absent = MISSING.match(message)
    if absent:
        return [{"type": "missing", "loc": (*place, absent[1]), "msg": "Field required", "input": value}]
    constraint = _constraint(message, value)
    if constraint is not None:
        kind, text, context = _declared(constraint, annotation, where)
        return [{"type": kind, "loc": place, "msg": text, "input": value, "ctx": context}]
    kind = next((kind for pattern, kind in TYPES if pattern.match(message)), "value_error")
    return [{"type": kind, "loc": place, "msg": message.replace("`", "'"), "input": value}]


def _constraint(message: str, value: Any) -> tuple[str, str, Found] | None:
    """The type, the words and the context that pydantic has for a constraint that is not met."""
    if found := BOUND.match(message):
        kind, name, words = BOUNDS[found[1]]
        return kind, f"Input should be {words} {_shown(found[2])}", {name: _number(found[2])}
    if found := MULTIPLE.match(message):
        return "multiple_of", f"Input should be a multiple of {_shown(found[1])}", {"multiple_of": _number(found[1])}
    if found := SHAPE.match(message):
        return "string_pattern_mismatch", f"String should match pattern '{found[1]}'", {"pattern": found[1]}
    if found := LENGTH.match(message):
        least, length = found[2] == ">=", int(found[3])
        limit = {"min_length" if least else "max_length": length}
        many, most = "" if length == 1 else "s", "at least" if least else "at most"
        if (found[1], found[2]) in LENGTHS:
            kind, what, unit = LENGTHS[found[1], found[2]]
            return kind, f"{what} should have {most} {length} {unit}{many}", limit
        what, size = "Dictionary" if found[1] == "object" else "List", len(value) if hasattr(value, "__len__") else None
        words = f"{what} should have {most} {length} item{many} after validation, not {size}"
        context = {"field_type": what, **limit, "actual_length": size}
        return "too_short" if least else "too_long", words, context
    return None


def _declared(constraint: tuple[str, str, Found], annotation: Any, where: list[str | int]) -> tuple[str, str, Found]:
    """The constraint as it was declared: for whole numbers msgspec tells "> 1" as ">= 2"."""
    kind, _, context = constraint
    for own, sign, beyond in (("ge", ">", -1), ("le", "<", 1)):
        bound = context.get(own)
        if isinstance(bound, int) and _has_constraint(annotation, where, BOUNDS[sign][1], bound + beyond):
            kind, name, words = BOUNDS[sign]
            return kind, f"Input should be {words} {bound + beyond}", {name: bound + beyond}
    return constraint


def _has_constraint(annotation: Any, where: list[str | int], name: str, bound: int) -> bool:
    """Whether the type at a path has a constraint."""
    import msgspec.inspect

    found = [msgspec.inspect.type_info(annotation)]
    for step in [*where, None]:
        found = [each for info in found for each in (getattr(info, "types", None) or (info,))]
        if step is not None:
            found = [inner for info in found for inner in _inside(info, step)]
    return any(getattr(info, name, None) == bound for info in found)


def _inside(info: Any, step: str | int) -> list[Any]:
    """The types that a step of a path may lead to."""
    fields = [field.type for field in getattr(info, "fields", ()) if getattr(field, "encode_name", field.name) == step]
    several = getattr(info, "item_types", ())
    if isinstance(step, int) and step < len(several):
        return [several[step]]
    return fields or [inner for name in ("item_type", "value_type") if (inner := getattr(info, name, None)) is not None]


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _shown(text: str) -> str:
    return text.removesuffix(".0")


def _member(value: Any, step: str | int) -> Any:
    """What a path's step leads to, as far as the path tells it."""
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None
