"""What a request's fields say of the file that it asks for (RFC 9110, sections 13 and 14)."""

import time

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Range = tuple[int, int]
"""Where a range begins, and where what follows it begins."""


def http_date(seconds: float) -> str:
    """A time as header fields have it (RFC 9110, section 5.6.7)."""
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(seconds)
    return f"{DAYS[weekday]}, {day:02} {MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def not_modified(if_none_match: str | None, if_modified_since: str | None, etag: str, last_modified: str) -> bool:
    """Whether a request's conditions say that the client has a resource as it is (RFC 9110, section 13.2.2).

    Args:
        if_none_match: the field of the request.
        if_modified_since: the field of the request; it counts only without the other one.
        etag: the resource's.
        last_modified: the resource's.
    """
    if if_none_match:
        if if_none_match.strip() == "*":
            return True
        return etag.removeprefix("W/") in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    if if_modified_since is None:
        return False
    if if_modified_since == last_modified:
        return True
    from email.utils import parsedate

    since, changed = parsedate(if_modified_since), parsedate(last_modified)
    return since is not None and changed is not None and since >= changed


def ranges_of(field: str, size: int, most: int) -> list[Range]:
    """The ranges that a Range field asks for, in order if there are several; those that overlap are made one.

    Args:
        field: the field's value.
        size: the file's.
        most: how many there may be; with more, none is returned.

    Raises:
        ValueError: the field is malformed.
        LookupError: a range is not in the file.
    """
    unit, equals, text = field.partition("=")
    if not equals:
        raise ValueError("Malformed range header.")
    if unit.strip().lower() != "bytes":
        raise ValueError("Only support bytes range")
    if text.count(",") >= most:
        return []
    ranges = [found for part in text.split(",") if (found := _range_of(part.strip(), size))]
    if not ranges:
        raise ValueError("Range header: range must be requested")
    if any(not 0 <= start < size for start, _ in ranges):
        raise LookupError(size)
    if any(start >= end for start, end in ranges):
        raise ValueError("Range header: start must be less than end")
    if len(ranges) == 1:
        return ranges
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _range_of(text: str, size: int) -> Range | None:
    """One range; None for what is none, which is passed over."""
    first, dash, last = (each.strip() for each in text.partition("-"))
    if not dash or not (first or last):
        return None
    try:
        start = int(first) if first else max(size - int(last), 0)
        return start, int(last) + 1 if first and last and int(last) < size else size
    except ValueError:
        return None
