"""Dataclasses, TypedDicts and Structs whose fields are parameters: a pydantic model stands in the place of each."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from covet.annotations import is_record, is_struct, is_typed_dict, members, without_none
from covet.exceptions import FieldTypeError
from covet.metas import for_pydantic

_models: dict[Any, Any] = {}
_annotations: dict[Any, Any] = {}


def is_spread(annotation: Any) -> bool:
    """Whether a type is one whose fields can be parameters, pydantic's models apart."""
    kind = get_origin(annotation) or annotation
    return is_struct(kind) or is_record(kind)


def spread(annotation: Any) -> Any:
    """The annotation with a pydantic model in the place of a dataclass, a TypedDict or a Struct; else as it is.

    Its values are what the annotation says, made of the model's.

    Raises:
        FieldTypeError: pydantic has no schema for a field.
    """
    kind = without_none(annotation)
    if not is_spread(kind):
        return annotation
    optional = type(None) in members(annotation)
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    key = (kind, optional)
    if key not in _annotations:
        from pydantic import AfterValidator

        model = _model_of(kind)
        whole: Any = Annotated[model, AfterValidator(_maker(kind))]
        _annotations[key] = whole | None if optional else whole
    found = _annotations[key]
    return Annotated[(found, *extras)] if extras else found


def _model_of(kind: Any) -> Any:
    """The model with the fields of a type."""
    if kind not in _models:
        from pydantic import create_model
        from pydantic.errors import PydanticUserError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # names that BaseModel has as well: they are only the fields of others
                _models[kind] = create_model(
                    _name(kind),
                    __config__=_config(kind),
                    __doc__=_doc(kind),
                    __module__=(get_origin(kind) or kind).__module__,
                    **_fields(kind),
                )
        except (PydanticUserError, NameError) as error:
            reason = str(error).partition("\n")[0]
            raise FieldTypeError(f"the fields of {kind!r} cannot be parameters ({reason})") from None
    return _models[kind]


def _name(kind: Any) -> str:
    origin = get_origin(kind) or kind
    return "_".join([origin.__name__, *(getattr(each, "__name__", str(each)) for each in get_args(kind))])


def _doc(kind: Any) -> str | None:
    doc = (get_origin(kind) or kind).__doc__
    return None if doc is None or doc.startswith(f"{_name(kind)}(") else doc  # dataclasses have their signature there


def _config(kind: Any) -> Any:
    if is_struct(kind):
        strict = (get_origin(kind) or kind).__struct_config__.forbid_unknown_fields
        return {"extra": "forbid"} if strict else None
    return getattr(get_origin(kind) or kind, "__pydantic_config__", None)


def _fields(kind: Any) -> dict[str, Any]:
    """What `create_model` is told of the fields."""
    from pydantic.fields import Field, FieldInfo

    if is_struct(kind):
        return _of_struct(kind)
    origin: Any = get_origin(kind) or kind
    made = getattr(origin, "__pydantic_fields__", None)
    if made is not None:
        return {name: (info.annotation, info) for name, info in made.items() if info.init is not False}
    hints = {name: for_pydantic(hint) for name, hint in get_type_hints(origin, include_extras=True).items()}
    if is_typed_dict(origin):
        return {
            name: (_stated(hint), ... if name in origin.__required_keys__ else Field(default_factory=lambda: None))
            for name, hint in hints.items()
        }
    found: dict[str, Any] = {}
    for field in dataclasses.fields(origin):
        if not field.init:
            continue
        default: Any = ...
        if isinstance(field.default, FieldInfo) or field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = Field(default_factory=field.default_factory)
        found[field.name] = (hints[field.name], default)
    return found


def _stated(hint: Any) -> Any:
    """A TypedDict's field without Required and NotRequired."""
    while getattr(get_origin(hint), "_name", "") in ("Required", "NotRequired", "ReadOnly"):
        hint = get_args(hint)[0]
    return hint


def _of_struct(kind: Any) -> dict[str, Any]:
    import msgspec
    from pydantic import Field

    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        options: dict[str, Any] = {}
        if field.encode_name != field.name:
            options["alias"] = field.encode_name
        if field.default is not msgspec.NODEFAULT:
            options["default"] = field.default
        elif field.default_factory is not msgspec.NODEFAULT:
            options["default_factory"] = field.default_factory
        found[field.name] = (for_pydantic(field.type), Field(**options))
    return found


def _maker(kind: Any) -> Callable[[Any], Any]:
    make: Any = get_origin(kind) or kind
    own_defaults = not dataclasses.is_dataclass(make)  # a dataclass may have pydantic's Field for one
    names = {name: _constructor_name(name, info) for name, info in getattr(make, "__pydantic_fields__", {}).items()}

    def made(model: Any) -> Any:
        fields = type(model).model_fields
        given = [name for name in fields if name in model.model_fields_set] if own_defaults else fields
        return make(**{names.get(name, name): getattr(model, name) for name in given})

    return made


def _constructor_name(name: str, info: Any) -> str:
    """What a pydantic dataclass is made with: it takes a field by its alias."""
    alias = info.validation_alias
    choice = getattr(alias, "choices", [alias])[0]
    return choice if isinstance(choice, str) else name
