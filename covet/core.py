"""Binds the native worker module; `core.pyi` says what it gives."""

from covet._worker import lib

_names: dict[str, object] = {}
if lib.covet_bind(id(_names)) != 0:  # pragma: no cover - the reason was printed
    raise ImportError("covet's native worker module could not be bound")

BAD = _names["BAD"]
BodyBroken = _names["BodyBroken"]
BodyTooLarge = _names["BodyTooLarge"]
Exchange = _names["Exchange"]
Runner = _names["Runner"]
die_with_parent = _names["die_with_parent"]
pack_fields = _names["pack_fields"]
