"""FastAPI's own declarations, as ours: a part of an application, or a package that it uses, may still import them.

They say who may do what, so none may be overlooked. FastAPI itself is not imported: its classes are known by name.
"""

import inspect
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from weakref import WeakKeyDictionary

from covet import params
from covet.annotations import is_upload
from covet.params import FIELD_OPTIONS, UNSET, Concurrency, Depends, FieldDeclaration, Security

OPTIONS = FIELD_OPTIONS - {"annotation", "default_factory"}
OWN = ("include_in_schema", "openapi_examples", "convert_underscores", "embed", "media_type")
"""Options of FastAPI's declarations that pydantic's do not have."""

_limits: WeakKeyDictionary[Any, Concurrency] = WeakKeyDictionary()
"""Ours for each of FastAPI's limits, which counts for all places that have the same declaration."""


def as_ours(declared: Any) -> Any:
    """A declaration of FastAPI's as one of ours; anything else as it is.

    Args:
        declared: a parameter's default, or what its `Annotated` has beside the type.
    """
    names = [kind.__name__ for kind in type(declared).__mro__ if kind.__module__ == "fastapi.params"]
    if "Depends" in names:
        return _dependency(declared, "Security" in names)
    return _field(declared, names[0]) if "Param" in names or "Body" in names else declared


def parameter_as_ours(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter whose declarations are ours."""
    annotation, default = annotation_as_ours(parameter.annotation), as_ours(parameter.default)
    if annotation is parameter.annotation and default is parameter.default:
        return parameter
    return parameter.replace(annotation=annotation, default=default)


def annotation_as_ours(annotation: Any) -> Any:
    """An annotation in which the declarations are ours, and UploadFile is."""
    named = annotation
    while type(named).__name__ == "TypeAliasType":
        named = named.__value__
    if get_origin(named) is not Annotated:
        return _uploads_as_ours(annotation)
    kind, *extras = get_args(named)
    found = (_uploads_as_ours(kind), *map(as_ours, extras))
    if all(one is other for one, other in zip(found, (kind, *extras), strict=True)):
        return annotation
    return Annotated[found]


def _uploads_as_ours(annotation: Any) -> Any:
    """A type in which every UploadFile is ours, as those of requests are."""
    from covet.uploads import UploadFile

    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return UploadFile if is_upload(annotation) and not issubclass(annotation, UploadFile) else annotation
    found = tuple(_uploads_as_ours(argument) for argument in arguments)
    if all(one is other for one, other in zip(found, arguments, strict=True)):
        return annotation
    if origin is Annotated:
        return Annotated[(found[0], *annotation.__metadata__)]
    return Union[found] if origin in (Union, UnionType) else origin[found]  # noqa: UP007 - of any number


def _dependency(theirs: Any, secured: bool) -> Depends:
    options = {
        "dependency": theirs.dependency,
        "use_cache": theirs.use_cache,
        "scope": getattr(theirs, "scope", None),
        "max_concurrency": getattr(theirs, "max_concurrency", None),
    }
    found = Security(**options, scopes=list(theirs.scopes or ())) if secured else Depends(**options)
    limit = getattr(theirs, "_concurrency", None)
    if found.concurrency is not None and limit is not None:
        object.__setattr__(found, "concurrency", _limits.setdefault(limit, found.concurrency))
    return found


def _field(theirs: Any, name: str) -> FieldDeclaration:
    options = {option: getattr(theirs, option, None) for option in OPTIONS}
    for constraint in theirs.metadata:
        names = getattr(constraint, "__dataclass_fields__", None) or vars(constraint)
        options |= {option: getattr(constraint, option) for option in names if option in OPTIONS}
    options |= {option: getattr(theirs, option) for option in OWN if hasattr(theirs, option)}
    if theirs.default_factory is not None:
        options["default_factory"] = theirs.default_factory
    found: FieldDeclaration = getattr(params, name)(
        UNSET if _is_undefined(theirs.default) or theirs.default is ... else theirs.default,
        alias=theirs.alias,
        validation_alias=theirs.validation_alias,
        **options,
    )
    example = getattr(theirs, "example", None)
    if example is not None and not _is_undefined(example):
        found.example = example  # not as an argument, as FastAPI has warned already
    return found


def _is_undefined(value: object) -> bool:
    """Whether it is pydantic's word for what was not given, or FastAPI's."""
    return type(value).__name__ in ("PydanticUndefinedType", "DefaultPlaceholder")
