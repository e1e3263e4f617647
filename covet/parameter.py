"""What a handler's parameters want from a request."""

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from covet.convert import (
    SCALARS,
    Convert,
    Invalid,
    constrained,
    enum_converter,
    literal_converter,
    to_str,
)
from covet.core import Exchange
from covet.exceptions import DeclarationError
from covet.fastapiparams import annotation_as_ours, as_ours
from covet.params import UNSET, Depends, FieldDeclaration, Path, Query
from covet.requests import Request

Errors = list[dict[str, Any]]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""Stands for a value that a request does not have."""


@dataclass(slots=True)
class Parameter:
    """One parameter of a handler.

    Attributes:
        name: the parameter's name, in the handler and in the request.
        source: "path", "query" or "request".
        index: a path parameter's place in the path.
        native: the type for which the exchange itself has a fast conversion.
        convert: the conversion of one text.
        many: a list of all values of the name.
        default: MISSING if the parameter is required.
    """

    name: str
    source: Literal["path", "query", "request"]
    index: int = 0
    native: type | None = None
    convert: Convert = to_str
    many: bool = False
    default: Any = MISSING

    def extract(self, x: Exchange, errors: Errors) -> Any:
        """The parameter's value; what is wrong is added to `errors`."""
        if self.source == "path":
            return self._one(x.path_str(self.index), ("path", self.name), errors)
        if self.many:
            return self._all([value for name, value in x.query_items() if name == self.name], errors)
        text = x.query_str(self.name, MISSING)
        if text is MISSING:
            return self._absent(errors)
        return self._one(text, ("query", self.name), errors)

    def _one(self, text: str, loc: tuple[str | int, ...], errors: Errors) -> Any:
        try:
            return self.convert(text)
        except Invalid as invalid:
            error: dict[str, Any] = {"type": invalid.kind, "loc": loc, "msg": invalid.message, "input": text}
            if invalid.context is not None:
                error["ctx"] = invalid.context
            errors.append(error)
            return MISSING

    def _all(self, texts: list[str], errors: Errors) -> Any:
        if not texts:
            return self._absent(errors)
        return [self._one(text, ("query", self.name, i), errors) for i, text in enumerate(texts)]

    def _absent(self, errors: Errors) -> Any:
        if self.default is not MISSING:
            return copy(self.default) if self.many else self.default
        errors.append({"type": "missing", "loc": ("query", self.name), "msg": "Field required", "input": None})
        return MISSING


def plain_parameters(handler: Callable[..., Any], path_names: Sequence[str], route: str) -> list[Parameter] | None:
    """The handler's parameters if all of them are plain: scalars of the path and the query, and the Request.

    Args:
        handler: the function, or an object that can be called.
        path_names: the names in the route's path.
        route: how the route is called in errors.

    Raises:
        DeclarationError: a parameter can never come from a request.
    """
    parameters = []
    for declared in inspect.signature(handler).parameters.values():
        where = f"{route}: parameter {declared.name!r}"
        if declared.kind in (declared.VAR_POSITIONAL, declared.VAR_KEYWORD):
            return None  # they come from the query, as in FastAPI, and go on by name
        declared = declared.replace(default=as_ours(declared.default))
        if isinstance(declared.default, Depends):
            return None
        annotation = annotation_as_ours(_resolved(declared.annotation, handler, declared.name, where))
        plain = _plain(declared, annotation, declared.name in path_names)
        if plain is None:
            return None
        parameters.append(_parameter(plain, annotation, path_names, where))
    return parameters


def _plain(declared: inspect.Parameter, annotation: Any, in_path: bool) -> inspect.Parameter | None:
    """The parameter without a declaration that adds nothing; None if it takes more than a conversion."""
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    declarations = [extra for extra in extras if isinstance(extra, (FieldDeclaration, Depends))]
    if any(getattr(declaration, "default", UNSET) is not UNSET for declaration in declarations):
        return None
    if in_path and declarations and declared.default is not declared.empty:
        return None
    if isinstance(declared.default, (FieldDeclaration, Depends)):
        declarations.append(declared.default)
        default = getattr(declared.default, "default", UNSET)
        declared = declared.replace(default=inspect.Parameter.empty if default is UNSET else default)
    if len(declarations) > 1 or not all(_adds_nothing(declaration, in_path) for declaration in declarations):
        return None
    if not all(isinstance(extra, (msgspec.Meta, FieldDeclaration, str)) for extra in extras):
        return None
    if _has_unknown_extras(get_args(annotation)[0] if extras else annotation):
        return None
    found, _ = _without_extras(annotation)
    if isinstance(found, type) and issubclass(found, Request):
        return declared if not declarations else None
    if get_origin(found) is list or found is list:
        # Without a declaration, a list is the body.
        found, _ = _without_extras(get_args(found)[0] if get_args(found) else str)
        return declared if declarations and _converter(found) is not None else None
    return declared if _converter(found) is not None else None


def _has_unknown_extras(annotation: Any) -> bool:
    """Whether an `Annotated` somewhere in a type says what only pydantic understands."""
    if isinstance(annotation, typing.NewType):
        return _has_unknown_extras(annotation.__supertype__)
    kinds, extras = get_args(annotation), tuple[Any, ...]()
    if get_origin(annotation) is Annotated:
        kinds, extras = kinds[:1], kinds[1:]
    return not all(isinstance(extra, (msgspec.Meta, str)) for extra in extras) or any(map(_has_unknown_extras, kinds))


def _adds_nothing(declaration: Any, in_path: bool) -> bool:
    if type(declaration) is not (Path if in_path else Query):
        return False
    known = declaration.options.keys() - {"title", "description", "examples", "deprecated", "json_schema_extra"}
    return not known and declaration.validation_alias is None


def _resolved(annotation: Any, handler: Callable[..., Any], name: str, where: str) -> Any:
    """The annotation, evaluated if it is text."""
    if annotation is inspect.Parameter.empty:
        return str
    function = inspect.unwrap(getattr(handler, "func", handler))
    if not hasattr(function, "__globals__"):
        function = function.__call__
    holder = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return typing.get_type_hints(holder, function.__globals__, _nonlocals(function), include_extras=True)[name]
    except NameError as error:
        raise DeclarationError(f"{where}: the annotation {annotation!r} cannot be resolved: {error}") from None


def _nonlocals(function: Any) -> dict[str, Any]:
    """The variables of enclosing functions that a function uses, as far as they have values by now."""
    if not hasattr(function, "__code__"):
        return {}
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        with suppress(ValueError):  # it is assigned later
            found[name] = cell.cell_contents
    return found


def _parameter(declared: inspect.Parameter, annotation: Any, path_names: Sequence[str], where: str) -> Parameter:
    bare, metas = _without_extras(annotation)
    if isinstance(bare, type) and issubclass(bare, Request):
        return Parameter(declared.name, "request")
    in_path = declared.name in path_names
    parameter = Parameter(declared.name, "path" if in_path else "query")
    if get_origin(bare) is list or bare is list:
        if in_path:
            raise DeclarationError(f"{where}: a list cannot come from the path")
        parameter.many = True
        bare, inner = _without_extras(get_args(bare)[0] if get_args(bare) else str)
        metas = [*inner, *(meta for meta in metas if _check_list_meta(meta, where))]
    convert = _converter(bare)
    if convert is None:
        raise DeclarationError(f"{where}: a value of type {_named(annotation)} cannot come from the {parameter.source}")
    parameter.convert = convert
    for meta in metas:
        parameter.convert = constrained(parameter.convert, meta)
    if bare in (str, int, float, bool) and parameter.convert is convert and not parameter.many:
        parameter.native = bare
    if in_path:
        parameter.index = path_names.index(declared.name)
    elif declared.default is not inspect.Parameter.empty:
        parameter.default = declared.default
    return parameter


def _without_extras(annotation: Any) -> tuple[Any, list[msgspec.Meta]]:
    """The type without `Annotated` and `| None`, and the constraints that it had."""
    metas: list[msgspec.Meta] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *extras = get_args(annotation)
            metas.extend(extra for extra in extras if isinstance(extra, msgspec.Meta))
        elif get_origin(annotation) in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not types.NoneType]
            if len(members) != 1:
                return annotation, metas
            annotation = members[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return annotation, metas


def _check_list_meta(meta: msgspec.Meta, where: str) -> bool:
    if meta.min_length is not None or meta.max_length is not None:
        raise DeclarationError(f"{where}: the length of a list cannot be constrained")
    return True


def _converter(kind: Any) -> Convert | None:
    if kind is Any:
        return to_str
    if get_origin(kind) is Literal:
        return literal_converter(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return enum_converter(kind)
    try:
        return SCALARS.get(kind)
    except TypeError:  # unhashable
        return None


def _named(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
