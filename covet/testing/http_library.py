"""The HTTP client library that test clients are made of: httpx2 where it is installed, else httpx."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx as httpx

NEEDED = 'The test clients need httpx, which is not installed. Install it with: pip install "covetpy[test]"'


def load() -> Any:
    """The library. Raises ImportError with what to do."""
    for name in ("httpx2", "httpx"):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise ImportError(NEEDED)


if not TYPE_CHECKING:
    httpx = load()
