"""Checks of the values that settings and options may have."""

import re
from collections.abc import Sequence
from typing import Any

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", re.IGNORECASE)
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 1 << 30


class ConfigError(ValueError):
    """A setting has a value that cannot be used; the text names the setting."""


def parse_size(text: str) -> int:
    """Bytes of a size such as "64KB" or "1.5 GiB"; units are powers of 1,024. Raises ValueError."""
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size")
    return int(float(found[1]) * UNITS[found[2].lower()])


def parse_duration(text: str) -> float:
    """Seconds of a duration such as "90", "250ms", "6h" or "1h30m". Raises ValueError."""
    rest = text.strip()
    seconds = 0.0
    pieces = 0
    while found := DURATION.match(rest):
        if found[2] is None and (pieces or found.end() < len(rest)):
            break  # a number without a unit stands alone
        seconds += float(found[1]) * SECONDS[(found[2] or "s").lower()]
        pieces += 1
        rest = rest[found.end() :]
    if rest or not pieces:
        raise ValueError(f"{text!r} is not a duration")
    return seconds


def check_choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the allowed texts. Raises ConfigError."""
    if value not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return str(value)


def check_switch(name: str, value: Any) -> bool:
    """True or False. Raises ConfigError."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, not {value!r}")
    return value


def check_whole(name: str, value: Any, least: int, most: int) -> int:
    """A whole number within limits. Raises ConfigError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} must be a whole number, not {value!r}")
    if not least <= value <= most:
        raise ConfigError(f"{name} must be from {least} to {most}, not {value}")
    return value


def check_size(name: str, value: Any, least: int, most: int) -> int:
    """A size in bytes, of a number or a text such as "64KB". Raises ConfigError."""
    if isinstance(value, str):
        try:
            value = parse_size(value)
        except ValueError:
            raise ConfigError(f'{name} must be a size in bytes or such as "64KB", not {value!r}') from None
    return check_whole(name, value, least, most)


def check_duration(name: str, value: Any) -> float:
    """Seconds, of a number or a text such as "6h". Raises ConfigError."""
    if isinstance(value, str):
        try:
            value = parse_duration(value)
        except ValueError:
            raise ConfigError(f'{name} must be a number of seconds or such as "6h", not {value!r}') from None
    return check_seconds(name, value)


def check_seconds(name: str, value: Any) -> float:
    """A number of seconds. Raises ConfigError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name} must be a number of seconds, not {value!r}")
    if not 0 <= value <= LONGEST:  # false for NaN too
        raise ConfigError(f"{name} must be from 0 to {LONGEST} seconds, not {value}")
    return float(value)


def milliseconds(name: str, value: Any) -> int:
    """Whole milliseconds of a number of seconds, at least 1 unless it is 0; 0 for None. Raises ConfigError."""
    if value is None:
        return 0
    seconds = check_seconds(name, value)
    return max(1, round(seconds * 1000)) if seconds else 0
