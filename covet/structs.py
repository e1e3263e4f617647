"""msgspec's errors in the shape of pydantic's."""

import re
from typing import Any

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


def error_of(error: Exception, value: Any, loc: tuple[str | int, ...]) -> dict[str, Any]:
    """The error of a value that is no such Struct.

    Args:
        error: msgspec's ValidationError.
        value: what was to be converted.
        loc: where in the request the value is.
    """
    found = PATH.match(str(error))
    message, path = (found[1], found[2] or "") if found else (str(error), "")
    where: list[str | int] = []
    for name, index in STEP.findall(path[1:]):
        step: str | int = name or (int(index) if index.isdigit() else index)
        where.append(step)
        value = _member(value, step)
    absent = MISSING.match(message)
    if absent:
        return {"type": "missing", "loc": (*loc, *where, absent[1]), "msg": "Field required", "input": value}
    kind = next((kind for pattern, kind in TYPES if pattern.match(message)), "value_error")
    return {"type": kind, "loc": (*loc, *where), "msg": message.replace("`", "'"), "input": value}


def _member(value: Any, step: str | int) -> Any:
    """What a path's step leads to, as far as the path tells it."""
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None
