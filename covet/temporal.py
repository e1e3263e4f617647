"""Dates, times and durations from text, by the rules and with the error texts of pydantic.

Pydantic parses them with the crate `speedate`; the functions here accept and
refuse the same texts.
"""

import math
import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import NoReturn

NUMBER = re.compile(r"[+-]?\d+|[+-]?(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECONDS_FROM = 20_000_000_000
"""A number beyond it is in milliseconds, below it in seconds."""
FARTHEST = float(1 << 63)
LATEST = 253_402_300_799
EARLIEST = -62_167_219_200
MAX_DAYS = 999_999_999
MAX_HOURS = 999_999_999
SECOND_OF = {"H": 3600, "M": 60, "S": 1}
DAYS_OF = {"Y": 365, "M": 30, "W": 7, "D": 1}


class BadTime(ValueError):
    """The text is no date, time or duration; the argument says why, in pydantic's words."""


def _digit(text: str, at: int, part: str) -> int:
    if at < len(text) and "0" <= text[at] <= "9":
        return ord(text[at]) - 48
    raise BadTime(f"invalid character in {part}")


def _two(text: str, at: int, part: str) -> int:
    return _digit(text, at, part) * 10 + _digit(text, at + 1, part)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _date_part(text: str) -> tuple[int, int, int]:
    if len(text.encode()) < 10:
        raise BadTime("input is too short")
    year = _two(text, 0, "year") * 100 + _two(text, 2, "year")
    if text[4] != "-":
        raise BadTime("invalid date separator, expected `-`")
    month = _two(text, 5, "month")
    if text[7] != "-":
        raise BadTime("invalid date separator, expected `-`")
    day = _two(text, 8, "day")
    if not 1 <= month <= 12:
        raise BadTime("month value is outside expected range of 1-12")
    days = 29 if month == 2 and _leap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    if not 1 <= day <= days:
        raise BadTime("day value is outside expected range")
    return year, month, day


def _clock(text: str, at: int) -> tuple[int, int, int, int, int]:
    """Hour, minute, second, microsecond, and where they end."""
    if len(text.encode()) - at < 5:
        raise BadTime("input is too short")
    hour = _two(text, at, "hour")
    if text[at + 2] != ":":
        raise BadTime("invalid time separator, expected `:`")
    minute = _two(text, at + 3, "minute")
    if hour > 23:
        raise BadTime("hour value is outside expected range of 0-23")
    if minute > 59:
        raise BadTime("minute value is outside expected range of 0-59")
    at += 5
    if text[at : at + 1] != ":":
        return hour, minute, 0, 0, at
    second = _two(text, at + 1, "second")
    if second > 59:
        raise BadTime("second value is outside expected range of 0-59")
    at += 3
    if text[at : at + 1] not in (".", ","):
        return hour, minute, second, 0, at
    end = at = at + 1
    while end < len(text) and "0" <= text[end] <= "9":
        end += 1
    if end == at:
        raise BadTime("second fraction digits missing after `.`")
    return hour, minute, second, int(text[at:end][:6].ljust(6, "0")), end


def _zone(text: str, at: int) -> tzinfo | None:
    """The time zone at the end of a text."""
    if at == len(text):
        return None
    sign, end = text[at], at + 1
    zone = UTC
    if sign not in "Zz":
        # U+2212 is the minus that typographers use.
        factor = {"+": 1, "-": -1, "\u2212": -1}.get(sign)
        if factor is None:
            raise BadTime("invalid timezone sign")
        hour = _zone_two(text, end, end + 1, "hour")
        end += 3 if text[end + 2 : end + 3] == ":" else 2
        minute = _zone_two(text, end, end + 1, "minute")
        end += 2
        if minute > 59:
            raise BadTime("timezone minute value is outside expected range of 0-59")
        if hour > 23:
            raise BadTime("timezone offset must be less than 24 hours")
        zone = timezone(factor * timedelta(hours=hour, minutes=minute))
    if end != len(text):
        raise BadTime("unexpected extra characters at the end of the input")
    return zone


def _zone_two(text: str, first: int, second: int, part: str) -> int:
    digits = text[first : second + 1]
    if len(digits) != 2 or not (digits.isascii() and digits.isdigit()):
        raise BadTime(f"invalid timezone {part}")
    return int(digits)


def parse_time(text: str) -> time:
    """A time of day, with or without a zone. Raises BadTime."""
    hour, minute, second, microsecond, end = _clock(text, 0)
    return time(hour, minute, second, microsecond, _zone(text, end))


def _rounded(number: float) -> int:
    """The nearest whole number; a half is rounded up, as pydantic does it, not to the even one."""
    whole = math.floor(number)
    return whole + (number - whole >= 0.5)


def _from_number(text: str) -> datetime:
    if "." in text:
        number = max(-FARTHEST, min(float(text), FARTHEST))  # infinity has no whole seconds
        seconds = math.floor(number)
        microseconds = _rounded((number - seconds) * 1_000_000)
        if abs(number) > MILLISECONDS_FROM:
            milliseconds = math.floor(number)
            seconds, rest = divmod(milliseconds, 1000)
            microseconds = rest * 1000 + _rounded((number - milliseconds) * 1000)
    else:
        # Python refuses to convert thousands of digits; no time has that many.
        seconds, microseconds = int(text) if len(text) < 1000 else 1 << 63, 0
        if not -(1 << 63) <= seconds < 1 << 63:
            raise BadTime("")
        if abs(seconds) > MILLISECONDS_FROM:
            seconds, rest = divmod(seconds, 1000)
            microseconds = rest * 1000
    if seconds > LATEST:
        raise BadTime("dates after 9999 are not supported as unix timestamps")
    if seconds < EARLIEST:
        raise BadTime("dates before 0000 are not supported as unix timestamps")
    try:
        return EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
    except OverflowError:
        raise BadTime("year 0 is out of range") from None


def _datetime(text: str) -> datetime:
    try:
        year, month, day = _date_part(text)
        if text[10:11] not in ("T", "t", "_", " "):
            raise BadTime("invalid datetime separator, expected `T`, `t`, `_` or space")
        hour, minute, second, microsecond, end = _clock(text, 11)
        zone = _zone(text, end)
    except BadTime as error:
        if NUMBER.fullmatch(text):
            return _from_number(text)
        raise error
    return _built(datetime, year, month, day, hour, minute, second, microsecond, zone)


def _built(kind: type[datetime], *parts: object) -> datetime:
    try:
        return kind(*parts)  # type: ignore[arg-type]
    except ValueError as error:
        _impossible(error)


class Impossible(BadTime):
    """The text has the right form, but Python cannot hold the value."""


def _impossible(error: ValueError) -> NoReturn:
    # Python's text for a year of 0 differs between versions.
    text = str(error)
    raise Impossible("year 0 is out of range" if text.startswith("year 0") else text) from None


def _plain_date(text: str) -> date:
    year, month, day = _date_part(text)
    if len(text.encode()) > 10:
        raise BadTime("unexpected extra characters at the end of the input")
    try:
        return date(year, month, day)
    except ValueError as error:
        _impossible(error)


def parse_datetime(text: str) -> datetime:
    """A date with a time, a date alone, or a Unix time. Raises BadTime."""
    try:
        return _datetime(text)
    except Impossible:
        raise
    except BadTime as error:
        if NUMBER.fullmatch(text) and error.args[0] and "." not in text:
            raise
        day = _plain_date(text)
        return datetime(day.year, day.month, day.day)


class Inexact(BadTime):
    """A date was asked for, and a time of day is given."""


def parse_date(text: str) -> date:
    """A date, or a datetime at midnight. Raises BadTime, and Inexact for another time of day."""
    try:
        return _plain_date(text)
    except Impossible:
        raise
    except BadTime as error:
        try:
            moment = _datetime(text)
        except BadTime as second:
            raise (second if second.args[0] else error) from None  # a number of too many digits is no time at all
    if moment.time() != time():
        raise Inexact("")
    return moment.date()


def parse_timedelta(text: str) -> timedelta:
    """A duration: ISO 8601, "1 day, 02:03:04" or "02:03:04". Raises BadTime."""
    if not text:
        raise BadTime("input is too short")
    start = 1 if text[0] in "+-" else 0
    if text[start : start + 1] == "P":
        days, seconds, microseconds = _iso_duration(text, start + 1)
    elif "d" in text or "D" in text or len(text.encode()) - start < 5:
        days, seconds, microseconds = _days_and_clock(text, start)
    else:
        days, seconds, microseconds = _long_clock(text, start, MAX_HOURS)
    extra, microseconds = divmod(microseconds, 1_000_000)
    more, seconds = divmod(seconds + extra, 86_400)
    days += more
    if days > MAX_DAYS:
        raise BadTime("durations may not exceed 999,999,999 days")
    try:
        value = timedelta(days, seconds, microseconds)
        return -value if text[0] == "-" else value
    except OverflowError:
        raise BadTime("durations may not exceed 999,999,999 days") from None


def _number(text: str, at: int) -> tuple[int, int]:
    end = at
    while end < len(text) and "0" <= text[end] <= "9":
        end += 1
    if end == at:
        raise BadTime("invalid digit in duration")
    if end - at > 18 or int(text[at:end]) >= 1 << 32:
        raise BadTime("a numeric value in the duration is too large")
    return int(text[at:end]), end


def _iso_duration(text: str, at: int) -> tuple[int, int, int]:
    days = seconds = microseconds = 0
    in_time = had_fraction = False
    while at < len(text):
        if text[at] == "T":
            if in_time:
                raise BadTime("`t` character repeated in duration")
            in_time = True
            at += 1
            continue
        value, at = _number(text, at)
        fraction = 0.0
        if had_fraction:
            raise BadTime("quantity fraction invalid in duration")
        if text[at : at + 1] in (".", ","):
            start = at = at + 1
            while at < len(text) and "0" <= text[at] <= "9":
                at += 1
            fraction, had_fraction = float(f"0.{text[start:at]}"), True
        unit = (SECOND_OF if in_time else DAYS_OF).get(text[at : at + 1])
        if unit is None:
            raise BadTime(f"quantity invalid in {'time' if in_time else 'date'} part of duration")
        at += 1
        part = fraction * unit
        if in_time:
            seconds += value * unit + int(part)
        else:
            days += value * unit + int(part)
            part = (part - int(part)) * 86_400
            seconds += int(part)
        microseconds += round((part - int(part)) * 1_000_000)
    if at < 3:
        raise BadTime("input is too short")
    return days, seconds, microseconds


def _days_and_clock(text: str, at: int) -> tuple[int, int, int]:
    wrong = BadTime('"day" identifier in duration not correctly formatted')
    if at == len(text):
        raise BadTime("input is too short")
    days, at = _number(text, at)
    if text[at : at + 1] == " ":
        at += 1
    if text[at : at + 1] not in ("d", "D"):
        raise wrong
    at += 1
    if text[at : at + 1] in ("a", "A"):
        if text[at + 1 : at + 2] not in ("y", "Y"):
            raise wrong
        at += 3 if text[at + 2 : at + 3] in ("s", "S") else 2
    if text[at : at + 1] == ",":
        at += 1
    if text[at : at + 1] == " ":
        at += 1
    if at == len(text):
        return days, 0, 0
    more, seconds, microseconds = _long_clock(text, at, 23)
    return days + more, seconds, microseconds


def _long_clock(text: str, at: int, most: int) -> tuple[int, int, int]:
    """A clock of up to `most` hours."""
    if len(text.encode()) - at < 5:
        raise BadTime("input is too short")
    hours, colon, rest = text[at:].partition(":")
    if (hours and not (hours.isascii() and hours.isdigit())) or not colon:
        raise BadTime("invalid character in hour")
    if len(hours) > 18 or int(hours or "0") > most:
        raise BadTime("durations may not exceed 999,999,999 hours")
    clock = f"00:{rest}"
    _, minute, second, microsecond, end = _clock(clock, 0)
    if end != len(clock):
        raise BadTime("unexpected extra characters at the end of the input")
    days, hour = divmod(int(hours or "0"), 24)
    return days, hour * 3600 + minute * 60 + second, microsecond
