"""Compresses response bodies with gzip."""

from collections.abc import Sequence
from typing import Any

from covet.middleware.base import AsgiApp
from covet.middleware.compression import DEFAULT_EXCLUDED_CONTENT_TYPES as DEFAULT_EXCLUDED_CONTENT_TYPES
from covet.middleware.compression import CompressionMiddleware


class GZipMiddleware(CompressionMiddleware):
    """Compresses the bodies of responses for clients that accept gzip; see CompressionMiddleware for other encodings.

    Args:
        app: the application inside.
        minimum_size: bodies at hand with fewer bytes are sent as they are.
        compresslevel: from 0 to 9.
        thread_minimum_size: bodies, and pieces, of at least as many bytes are compressed in a thread.
        exclude_content_types: types that are not compressed; "audio/*" is all of audio.
    """

    def __init__(
        self,
        app: AsgiApp,
        minimum_size: int = 500,
        compresslevel: int = 9,
        thread_minimum_size: int = 128 * 1024,
        *,
        exclude_content_types: Sequence[str] = DEFAULT_EXCLUDED_CONTENT_TYPES,
    ) -> None:
        super().__init__(
            app,
            minimum_size,
            algorithms=("gzip",),
            gzip_level=compresslevel,
            thread_minimum_size=thread_minimum_size,
            exclude_content_types=exclude_content_types,
        )

    def for_engine(self) -> dict[str, Any] | None:
        return self._for_engine() if type(self) is GZipMiddleware else None
