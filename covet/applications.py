"""CovetPy where FastAPI has its FastAPI."""

from covet.app import CovetPy
from covet.app import CovetPy as FastAPI

__all__ = ["CovetPy", "FastAPI"]
