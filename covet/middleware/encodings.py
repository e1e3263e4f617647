"""The encodings that bodies can be compressed with."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from covet.middleware.compression import ALGORITHMS, Encoder

Factory = Callable[[], Encoder]


class Gzip:
    """Compresses with gzip (RFC 1952)."""

    def __init__(self, level: int) -> None:
        self._work = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def piece(self, data: bytes) -> bytes:
        """See Encoder."""
        return self._work.compress(data) + self._work.flush(zlib.Z_SYNC_FLUSH)

    def end(self, data: bytes) -> bytes:
        """See Encoder."""
        return self._work.compress(data) + self._work.flush()


class Brotli:
    """Compresses with Brotli (RFC 7932)."""

    def __init__(self, module: Any, quality: int) -> None:
        self._work = module.Compressor(quality=quality)

    def piece(self, data: bytes) -> bytes:
        """See Encoder."""
        return bytes(self._work.process(data)) + bytes(self._work.flush())

    def end(self, data: bytes) -> bytes:
        """See Encoder."""
        return bytes(self._work.process(data)) + bytes(self._work.finish())


class Zstandard:
    """Compresses with Zstandard (RFC 8878)."""

    def __init__(self, module: Any, level: int) -> None:
        self._work = module.ZstdCompressor(level=level).compressobj()
        self._flush_block = module.COMPRESSOBJ_FLUSH_BLOCK

    def piece(self, data: bytes) -> bytes:
        """See Encoder."""
        return bytes(self._work.compress(data)) + bytes(self._work.flush(self._flush_block))

    def end(self, data: bytes) -> bytes:
        """See Encoder."""
        return bytes(self._work.compress(data)) + bytes(self._work.flush())


def encoders(algorithms: Sequence[str] | None, levels: Mapping[str, int]) -> dict[str, Factory]:
    """What makes an encoder, by the encoding's name, in the order of the algorithms.

    Args:
        algorithms: the names; None is all that are installed.
        levels: the levels, by name.

    Raises:
        ValueError: there is no such algorithm.
        ModuleNotFoundError: an algorithm that is named needs a package that is not installed.
    """
    made: dict[str, Factory] = {}
    for name in ALGORITHMS if algorithms is None else algorithms:
        if name not in FACTORIES:
            raise ValueError(f'algorithms may be "zstd", "br" and "gzip", not {name!r}')
        try:
            made[name] = FACTORIES[name](levels[name])
        except ModuleNotFoundError as error:
            if algorithms is not None:
                raise ModuleNotFoundError(
                    f"compression with {name} needs the package {error.name}: pip install {error.name}"
                ) from None
    return made


def _gzip(level: int) -> Factory:
    return partial(Gzip, level)


def _brotli(quality: int) -> Factory:
    return partial(Brotli, import_module("brotli"), quality)


def _zstandard(level: int) -> Factory:
    return partial(Zstandard, import_module("zstandard"), level)


FACTORIES: Mapping[str, Callable[[int], Factory]] = {"gzip": _gzip, "br": _brotli, "zstd": _zstandard}
