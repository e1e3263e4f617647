"""The values of parameters outside of the body, and of forms: by name, from what a request has under it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from covet.modelfield import Errors, Loc, ModelField, fields_of_model
from covet.params import UNSET

Values = dict[str, Any]


def take(
    fields: Sequence[ModelField], received: Mapping[str, Any], source: str, values: Values, errors: Errors
) -> None:
    """Adds the fields' values to `values`, and what is wrong with them to `errors`.

    Args:
        fields: fields of one source.
        received: what the request has in it.
        source: "path", "query", "header" or "cookie".
        values: by the parameters' names.
        errors: as pydantic has them.
    """
    for field in fields:
        found = len(errors)
        if field.model is not None:
            value = _model(field, received, source, errors)
        else:
            alias = field.aliases[0]
            if len(field.aliases) > 1:
                alias = next((name for name in field.aliases if name in received), alias)
            value = field.validate(pick(field, received, alias), (source, alias), errors)
        if len(errors) == found:
            values[field.name] = value


def pick(field: ModelField, received: Mapping[str, Any], alias: str) -> Any:
    """What is received under a name, a list if the field is one; UNSET if there is nothing."""
    many = getattr(received, "getlist", None) if field.is_sequence else None
    if many is not None:
        return many(alias) or UNSET
    value = received.get(alias)
    if value is None or (field.holds_items and len(value) == 0):
        return UNSET
    return value


def _model(field: ModelField, received: Mapping[str, Any], source: str, errors: Errors) -> Any:
    """A pydantic model of everything that a source has."""
    converts = source == "header" and getattr(field.param, "convert_underscores", True)
    taken: Values = {}
    done: set[str] = set()
    own: set[str] = set()
    spelt: dict[str, str] = {}
    for part in fields_of_model(field.model):
        names = [(alias, spelling(part, alias, converts)) for alias in part.aliases]
        own.update(name.lower() if source == "header" else name for _, name in names)
        alias, name = next((pair for pair in names if pair[1] in received), names[0])
        value = pick(part, received, name)
        if value is not UNSET:
            taken[alias] = value
        if source == "header":
            done.add(name.lower())
            done.update(alias.lower() for alias, name in names if alias != name)
            if alias != name:
                spelt[part.name] = name
        else:
            done.add(name)
    taken.update(extras(received, done))
    value = taken
    config = field.model.model_config
    optional = field.annotation is not field.model
    if optional and own.isdisjoint(received) and not (config.get("extra") in ("allow", "forbid") and taken):
        value = UNSET
    at = len(errors)
    result = field.validate(value, (source,), errors)
    if spelt and config.get("loc_by_alias", True):
        for error in errors[at:]:
            loc = error["loc"]
            if len(loc) > 1 and loc[1] in spelt:
                error["loc"] = (loc[0], spelt[loc[1]], *loc[2:])
    return result


def spelling(part: ModelField, alias: str, converts: bool) -> str:
    """How a header field is spelt for a model's field."""
    return alias.replace("_", "-") if converts and alias == part.name else alias


def extras(received: Mapping[str, Any], done: set[str]) -> Iterator[tuple[str, Any]]:
    """What is received under other names; repeated ones as lists."""
    items = getattr(received, "multi_items", received.items)()
    grouped: dict[str, list[Any]] = {}
    for key, value in items:
        if key not in done:
            grouped.setdefault(key, []).append(value)
    for key, values in grouped.items():
        yield key, values[0] if len(values) == 1 else values


def prepare(fields: Sequence[ModelField]) -> None:
    """Makes the validators of fields. Raises TypeError for types that have none."""
    for field in fields:
        field.prepare()


__all__ = ["Errors", "Loc", "Values", "extras", "pick", "prepare", "spelling", "take"]
