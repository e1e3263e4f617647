"""Values from the text of a parameter: what pydantic accepts, refused in pydantic's words."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

from covet import temporal

Convert = Callable[[str], Any]

SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
INT = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
FLOAT = re.compile(r"[+-]?(?:inf|infinity|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.ASCII | re.IGNORECASE)
PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MAX_DIGITS = 4300
BOOLS = {
    **dict.fromkeys(("0", "off", "f", "false", "n", "no"), False),
    **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
}
GROUPS = (8, 4, 4, 4, 12)


class Invalid(Exception):
    """Text that is no value of the type wanted: the error's type, message and context."""

    def __init__(self, kind: str, message: str, context: dict[str, Any] | None = None) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message
        self.context = context


def to_str(text: str) -> str:
    """The text itself."""
    return text


def to_bytes(text: str) -> bytes:
    """The text in UTF-8."""
    return text.encode()


def to_int(text: str) -> int:
    """A whole number; "+5", " 5 ", "1_000" and "5.0" are accepted, and a few stranger texts, as in pydantic."""
    stripped = text.strip(SPACE)
    sign = stripped[:1] if stripped[:1] in ("+", "-") else ""
    unsigned = stripped[len(sign) :]
    number = _without_decimals(_without_leading_zeros(unsigned))
    if "__" not in number and number[:1] != "_" and number[-1:] != "_":
        number = number.replace("_", "")
    two_signs = (sign == "-" and number[:1] == "-") or (sign == "+" and unsigned[:1] == "-")
    if two_signs or INT.fullmatch(number) is None:
        raise Invalid("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
    if len(number.lstrip("-")) > MAX_DIGITS:
        raise Invalid("int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size")
    return -int(number) if sign == "-" else int(number)


def _without_leading_zeros(text: str) -> str:
    """The number from its first digit that counts."""
    if text[:1] != "0":
        return text
    # Underscores among the zeros are skipped, and a minus after them is taken for the number's sign.
    rest = text.lstrip("0_")
    if not rest:
        return text[-1]
    return text[len(text) - len(rest) - 1 :] if rest[0] == "." else rest


def _without_decimals(text: str) -> str:
    whole, _, decimals = text.partition(".")
    return whole if decimals and not decimals.strip("0") else text


def to_float(text: str) -> float:
    """A number; infinities and NaN are accepted."""
    number = text.strip(SPACE)
    if "_" in text and number == text and text[0] != "_" and text[-1] != "_" and "__" not in text:
        number = text.replace("_", "")
    if FLOAT.fullmatch(number) is None:
        raise Invalid("float_parsing", "Input should be a valid number, unable to parse string as a number")
    return float(number)


def to_bool(text: str) -> bool:
    """One of the words for true and false, in any case."""
    value = BOOLS.get(text.lower()) if text.isascii() else None
    if value is None:
        raise Invalid("bool_parsing", "Input should be a valid boolean, unable to interpret input")
    return value


def to_decimal(text: str) -> Decimal:
    """A finite decimal number."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Invalid("decimal_parsing", "Input should be a valid decimal") from None
    if not value.is_finite():
        raise Invalid("finite_number", "Input should be a finite number")
    return value


def to_uuid(text: str) -> UUID:
    """A UUID, with hyphens or 32 digits, or with hyphens and in braces or as a URN."""
    plain = text
    if len(text) == 38 and text[0] == "{" and text[-1] == "}":
        plain = text[1:-1]
    elif len(text) == 45 and text.startswith("urn:uuid:"):
        plain = text[9:]
    if _is_uuid(plain) and (len(plain) == 36 or plain is text):
        return UUID(plain)
    error = _uuid_error(text)
    raise Invalid("uuid_parsing", f"Input should be a valid UUID, {error}", {"error": error})


def _is_uuid(text: str) -> bool:
    groups = text.split("-") if len(text) == 36 else [text]
    lengths = tuple(map(len, groups))
    return lengths in (GROUPS, (32,)) and all(c in "0123456789abcdefABCDEF" for group in groups for c in group)


def _uuid_error(text: str) -> str:
    """What is wrong, in the words of the crate `uuid`, which counts in bytes."""
    length = len(text.encode())
    inner, simple = text, True
    if length > 45:
        return f"invalid length: found {length}"
    if len(text) > 1 and text[0] == "{" and text[-1] == "}":
        inner, simple = text[1:-1], False
    elif text.startswith("urn:uuid:"):
        inner, simple = text[9:], False
    for index, character in enumerate(inner):
        # The crate looks at the lowest byte of a character only.
        if chr(ord(character) & 0xFF) not in "-0123456789abcdefABCDEF":
            return f"invalid character: found `{character}` at {len(inner[:index].encode())}"
    groups = [len(group) for group in inner.split("-")]
    if len(groups) == 1 and simple:
        return f"invalid length: found {length}"
    if len(groups) != 5:
        return f"invalid group count: expected 5, found {len(groups)}"
    for group in range(4):
        if groups[group] != GROUPS[group]:
            return f"invalid group length in group {group}: expected {GROUPS[group]}, found {groups[group]}"
    return f"invalid group length in group 4: expected 12, found {length - 24}"


def to_date(text: str) -> date:
    """A date; a datetime or a Unix time at midnight will do."""
    if PLAIN_DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # the way below says what is wrong
    try:
        return temporal.parse_date(text)
    except temporal.Inexact:
        message = "Datetimes provided to dates should have zero time - e.g. be exact dates"
        raise Invalid("date_from_datetime_inexact", message) from None
    except temporal.Impossible as error:
        raise _timely("date_parsing", "a valid date in the format YYYY-MM-DD", error) from None
    except temporal.BadTime as error:
        raise _timely("date_from_datetime_parsing", "a valid date or datetime", error) from None


def to_datetime(text: str) -> datetime:
    """A date with or without a time, or a Unix time in seconds or milliseconds."""
    try:
        return temporal.parse_datetime(text)
    except temporal.Impossible as error:
        raise _timely("datetime_parsing", "a valid datetime", error) from None
    except temporal.BadTime as error:
        raise _timely("datetime_from_date_parsing", "a valid datetime or date", error) from None


def to_time(text: str) -> time:
    """A time of day, with or without a zone."""
    try:
        return temporal.parse_time(text)
    except temporal.BadTime as error:
        raise _timely("time_parsing", "in a valid time format", error) from None


def to_timedelta(text: str) -> timedelta:
    """A duration, in ISO 8601 or as days and a clock."""
    try:
        return temporal.parse_timedelta(text)
    except temporal.BadTime as error:
        raise _timely("time_delta_parsing", "a valid timedelta", error) from None


def _timely(kind: str, wanted: str, error: temporal.BadTime) -> Invalid:
    reason = str(error)
    return Invalid(kind, f"Input should be {wanted}, {reason}", {"error": reason})


SCALARS: dict[Any, Convert] = {
    str: to_str,
    bytes: to_bytes,
    int: to_int,
    float: to_float,
    bool: to_bool,
    Decimal: to_decimal,
    UUID: to_uuid,
    date: to_date,
    datetime: to_datetime,
    time: to_time,
    timedelta: to_timedelta,
}


def _expected(values: Sequence[Any]) -> str:
    texts = [repr(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def enum_converter(kind: type[Enum]) -> Convert:
    """Converts to the member that has the text, or the number it stands for, as its value."""
    members = list(kind)
    by_text = {member.value: member for member in members if isinstance(member.value, str)}
    number = to_int if issubclass(kind, int) else to_float if issubclass(kind, float) else None
    expected = _expected([member.value for member in members]) if members else ""
    context = {"expected": expected}

    def convert(text: str) -> Enum:
        member = by_text.get(text)
        if member is not None:
            return member
        try:
            return kind(number(text) if number else text)
        except (ValueError, Invalid):
            raise Invalid("enum", f"Input should be {expected}", context) from None

    return convert


def literal_converter(values: Sequence[Any]) -> Convert:
    """Converts to one of the values that are text; the others cannot come from a parameter."""
    texts = {value for value in values if type(value) is str}
    expected = _expected(values)
    context = {"expected": expected}

    def convert(text: str) -> str:
        if text in texts:
            return text
        raise Invalid("literal_error", f"Input should be {expected}", context)

    return convert


def constrained(convert: Convert, meta: Any) -> Convert:
    """Checks the constraints of a `msgspec.Meta` after the conversion."""
    checks = [check for name, check in CHECKS.items() if getattr(meta, name) is not None]
    if not checks:
        return convert

    def checked(text: str) -> Any:
        value = convert(text)
        for check in checks:
            check(value, meta)
        return value

    return checked


def _bound(name: str, kind: str, words: str, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], None]:
    def check(value: Any, meta: Any) -> None:
        limit = getattr(meta, name)
        if not holds(value, limit):
            raise Invalid(kind, f"Input should be {words} {limit}", {name: limit})

    return check


def _length(name: str, kind: str, words: str, holds: Callable[[int, int], bool]) -> Callable[[Any, Any], None]:
    def check(value: Any, meta: Any) -> None:
        limit = getattr(meta, name)
        if not holds(len(value), limit):
            unit = "character" if limit == 1 else "characters"
            raise Invalid(kind, f"String should have {words} {limit} {unit}", {name: limit})

    return check


def _pattern(value: str, meta: Any) -> None:
    if re.search(meta.pattern, value) is None:
        message = f"String should match pattern '{meta.pattern}'"
        raise Invalid("string_pattern_mismatch", message, {"pattern": meta.pattern})


CHECKS: dict[str, Callable[[Any, Any], None]] = {
    "multiple_of": _bound("multiple_of", "multiple_of", "a multiple of", lambda v, n: v % n == 0),
    "le": _bound("le", "less_than_equal", "less than or equal to", lambda v, n: bool(v <= n)),
    "lt": _bound("lt", "less_than", "less than", lambda v, n: bool(v < n)),
    "ge": _bound("ge", "greater_than_equal", "greater than or equal to", lambda v, n: bool(v >= n)),
    "gt": _bound("gt", "greater_than", "greater than", lambda v, n: bool(v > n)),
    "max_length": _length("max_length", "string_too_long", "at most", lambda n, limit: n <= limit),
    "min_length": _length("min_length", "string_too_short", "at least", lambda n, limit: n >= limit),
    "pattern": _pattern,
}
