"""Small functions that FastAPI has in its module of this name, as far as applications import them."""

from typing import Any

from covet.apiroute import generate_unique_id
from covet.defaults import DefaultPlaceholder
from covet.dispatch import NO_BODY
from covet.routing import path_names


def is_body_allowed_for_status_code(status_code: int | str | None) -> bool:
    """Whether a response with a status may have a body; ranges such as "4XX" and "default" may."""
    text = str(status_code)
    return not text.isdecimal() or (int(text) >= 200 and int(text) not in NO_BODY)


def get_path_param_names(path: str) -> set[str]:
    """The names of a path's parameters, such as "item_id" in "/items/{item_id}"."""
    return set(path_names(path))


def get_value_or_default(first_item: Any, *extra_items: Any) -> Any:
    """The first value that somebody has chosen; the first one if all are placeholders of defaults."""
    items = (first_item, *extra_items)
    return next((item for item in items if not isinstance(item, DefaultPlaceholder)), first_item)


def deep_dict_update(main_dict: dict[Any, Any], update_dict: dict[Any, Any]) -> None:
    """Puts a dict into another one, dicts within dicts too; lists are put together."""
    from covet.openapi.operations import merge  # imports pydantic

    merge(main_dict, update_dict)


__all__ = [
    "deep_dict_update",
    "generate_unique_id",
    "get_path_param_names",
    "get_value_or_default",
    "is_body_allowed_for_status_code",
]
