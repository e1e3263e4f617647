"""FastAPI's own declarations, as ours: a part of an application, or a package that it uses, may still import them.

They say who may do what, so none may be overlooked.
"""

import inspect
import sys
from typing import Annotated, Any, get_args, get_origin

from covet import params
from covet.params import FIELD_OPTIONS, UNSET, Depends, FieldDeclaration, Security

OPTIONS = FIELD_OPTIONS - {"annotation", "default_factory"}
OWN = ("include_in_schema", "openapi_examples", "convert_underscores", "embed", "media_type")
"""Options of FastAPI's declarations that pydantic's do not have."""


def as_ours(declared: Any) -> Any:
    """A declaration of FastAPI's as one of ours; anything else as it is.

    Args:
        declared: a parameter's default, or what its `Annotated` has beside the type.
    """
    theirs = sys.modules.get("fastapi.params")
    if theirs is None:
        return declared
    if isinstance(declared, theirs.Depends):
        return _dependency(declared, isinstance(declared, theirs.Security))
    if isinstance(declared, (theirs.Param, theirs.Body)):
        return _field(declared)
    return declared


def parameter_as_ours(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter whose declarations are ours."""
    if "fastapi.params" not in sys.modules:
        return parameter
    return parameter.replace(annotation=annotation_as_ours(parameter.annotation), default=as_ours(parameter.default))


def annotation_as_ours(annotation: Any) -> Any:
    """An annotation in whose `Annotated` the declarations are ours."""
    if "fastapi.params" not in sys.modules or get_origin(annotation) is not Annotated:
        return annotation
    kind, *extras = get_args(annotation)
    return Annotated[(kind, *map(as_ours, extras))]


def _dependency(theirs: Any, secured: bool) -> Depends:
    options = {
        "dependency": theirs.dependency,
        "use_cache": theirs.use_cache,
        "scope": getattr(theirs, "scope", None),
        "max_concurrency": getattr(theirs, "max_concurrency", None),
    }
    return Security(**options, scopes=list(theirs.scopes or ())) if secured else Depends(**options)


def _field(theirs: Any) -> FieldDeclaration:
    name = next(kind.__name__ for kind in type(theirs).__mro__ if kind.__module__ == "fastapi.params")
    options = {option: getattr(theirs, option, None) for option in OPTIONS}
    for constraint in theirs.metadata:
        names = getattr(constraint, "__dataclass_fields__", None) or vars(constraint)
        options |= {option: getattr(constraint, option) for option in names if option in OPTIONS}
    options |= {option: getattr(theirs, option) for option in OWN if hasattr(theirs, option)}
    required = type(theirs.default).__name__ == "PydanticUndefinedType" or theirs.default is ...
    if theirs.default_factory is not None:
        options["default_factory"] = theirs.default_factory
    found: FieldDeclaration = getattr(params, name)(
        UNSET if required else theirs.default,
        alias=theirs.alias,
        validation_alias=theirs.validation_alias,
        **options,
    )
    return found
