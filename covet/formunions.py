"""Forms that are one of several models: each model takes what the form has in its own way."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Union, get_args, get_origin

from covet.annotations import UNIONS, bare, is_model
from covet.modelfield import fields_of_model


def union_models(annotation: Any) -> list[Any]:
    """The models of a union of two or more, None apart; nothing if the annotation is something else."""
    if get_origin(annotation) not in UNIONS:
        return []
    found = [bare(member) for member in get_args(annotation) if member is not type(None)]
    return found if len(found) > 1 and all(map(is_model, found)) else []


def by_branch(annotation: Any) -> Any:
    """An annotation whose models each get the form's values as they want them: one value, or a list.

    Args:
        annotation: a parameter's type with what `Annotated` adds to it.
    """
    extras: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        extras = tuple(more)
    if not union_models(annotation):
        return annotation if not extras else Annotated[(annotation, *extras)]
    union: Any = Union[tuple(_branch(member) for member in get_args(annotation))]  # noqa: UP007 - of a tuple
    return Annotated[(union, *extras)] if extras else union


def _branch(member: Any) -> Any:
    if member is type(None):
        return member
    from pydantic import BeforeValidator, Tag

    extras = get_args(member)[1:] if get_origin(member) is Annotated else ()
    model = bare(member)
    # Errors name the model, not the function that is put before it.
    tag = next((extra for extra in reversed(extras) if isinstance(extra, Tag)), Tag(model.__name__))
    before: Callable[[Any], Any] = partial(_as_model_wants, model)
    return Annotated[member, BeforeValidator(before), tag]


def _as_model_wants(model: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    from covet.bodies import form_items
    from covet.datastructures import FormData

    pairs = [(key, item) for key, items in value.items() for item in (items if isinstance(items, list) else [items])]
    found = {alias: item for alias, item, _ in form_items(fields_of_model(model), FormData(pairs))}
    # No form has these, but a validator that runs earlier may put them there.
    return found | {key: item for key, item in value.items() if item is None or item == []}
