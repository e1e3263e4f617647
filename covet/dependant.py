"""What a handler, and everything it depends on, wants from a request."""

import copy
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any, ForwardRef, get_args, get_origin

from covet.annotations import (
    bare,
    holds_upload,
    is_record,
    is_scalar,
    is_scalar_sequence,
    is_struct,
    members,
    mentions,
    model_type,
    special_kind,
)
from covet.exceptions import DeclarationError, DependencyScopeError, FieldTypeError
from covet.fastapiparams import as_ours, parameter_as_ours
from covet.formunions import by_branch
from covet.modelfield import ModelField
from covet.params import (
    UNSET,
    Body,
    Cookie,
    Depends,
    FieldDeclaration,
    File,
    Form,
    Header,
    Param,
    Path,
    Query,
    Scope,
    Security,
)

EMPTY = inspect.Parameter.empty
SOURCES = ("path", "query", "header", "cookie")


@dataclass(slots=True)
class Dependant:
    """Something that is called for a request, and what it is called with.

    Attributes:
        call: what is called.
        name: the parameter of the dependant above that gets the result; None if nobody wants it.
        path_params, query_params, header_params, cookie_params, body_params: its values.
        dependencies: its own dependencies, in order.
        special: the kinds of annotations.SPECIAL by the name of the parameter.
        own_scopes: what it was declared with by Security.
        parent_scopes: those of the dependants above.
        use_cache: one call serves everybody who wants the same.
        scope: as it was declared.
        depends: the declaration.
    """

    call: Callable[..., Any]
    name: str | None = None
    path_params: list[ModelField] = field(default_factory=list)
    query_params: list[ModelField] = field(default_factory=list)
    header_params: list[ModelField] = field(default_factory=list)
    cookie_params: list[ModelField] = field(default_factory=list)
    body_params: list[ModelField] = field(default_factory=list)
    dependencies: "list[Dependant]" = field(default_factory=list)
    special: dict[str, str] = field(default_factory=dict)
    own_scopes: tuple[str, ...] = ()
    parent_scopes: tuple[str, ...] = ()
    use_cache: bool = True
    scope: Scope | None = None
    depends: Depends | None = None

    @property
    def scopes(self) -> list[str]:
        """All scopes that are wanted of it, each once."""
        return list(dict.fromkeys((*self.parent_scopes, *self.own_scopes)))

    @property
    def kind(self) -> str:
        """How it is called: "async", "sync", "async generator" or "generator"."""
        return kind_of(self.call)

    @property
    def lasts(self) -> str:
        """The scope that counts: "function", "request" or "" for what does not yield."""
        return self.scope or ("request" if self.kind.endswith("generator") else "")

    @property
    def uses_scopes(self) -> bool:
        """Whether the result may depend on scopes."""
        return (
            bool(self.own_scopes)
            or "scopes" in self.special.values()
            or is_security_scheme(self.call)
            or any(dependency.uses_scopes for dependency in self.dependencies)
        )

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for those that one call can serve."""
        return (self.call, tuple(sorted(set(self.scopes))) if self.uses_scopes else (), self.lasts)

    def flat(self) -> "typing.Iterator[Dependant]":
        """This one and all below, from above to below."""
        yield self
        for dependency in self.dependencies:
            yield from dependency.flat()


def is_security_scheme(call: Any) -> bool:
    """Whether something is one of `covet.security`'s schemes."""
    target = inspect.unwrap(_without_partial(call))
    return any(kind.__name__ == "SecurityBase" for kind in type(target).__mro__)


def _without_partial(call: Any) -> Any:
    while isinstance(call, partial):
        call = call.func
    return call


KIND_FLAGS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
KINDS = {
    0: "sync",
    inspect.CO_COROUTINE: "async",
    inspect.CO_GENERATOR: "generator",
    inspect.CO_ASYNC_GENERATOR: "async generator",
}


def kind_of(call: Any) -> str:
    """How something is called: "async", "sync", "async generator" or "generator"."""
    if type(call) is types.FunctionType and not hasattr(call, "__wrapped__") and not call.__dict__:
        return KINDS[call.__code__.co_flags & KIND_FLAGS]
    plain = _without_partial(call)
    candidates = [plain, inspect.unwrap(plain)]
    if not inspect.isclass(candidates[1]):
        for candidate in candidates[:2]:
            method = getattr(candidate, "__call__", None)  # noqa: B004 - the method itself is wanted
            if method is not None:
                candidates += [_without_partial(method), inspect.unwrap(_without_partial(method))]
    for test, kind in (
        (inspect.isasyncgenfunction, "async generator"),
        (inspect.isgeneratorfunction, "generator"),
        (inspect.iscoroutinefunction, "async"),
    ):
        if any(test(candidate) for candidate in candidates):
            return kind
    return "sync"


# ---- signatures ------------------------------------------------------------------


def signature_of(call: Callable[..., Any]) -> inspect.Signature:
    """The signature of something, with its annotations evaluated as far as that is possible."""
    try:
        return inspect.signature(call, eval_str=True)
    except Exception:  # a name is only imported for type checkers, or is assigned later
        signature = inspect.signature(call)
    function = inspect.unwrap(_without_partial(call))
    if not hasattr(function, "__globals__"):
        function = function.__init__ if inspect.isclass(function) else getattr(type(function), "__call__", function)  # noqa: B004
    spaces = (getattr(function, "__globals__", {}), _nonlocals(function))
    parameters = [p.replace(annotation=evaluated(p.annotation, *spaces)) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=evaluated(signature.return_annotation, *spaces))


def evaluated(annotation: Any, names: Mapping[str, Any], local: Mapping[str, Any]) -> Any:
    """An annotation, evaluated if it is text; a ForwardRef if that is not possible."""
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, dict(names), dict(local), include_extras=True)["it"]
    except Exception:
        return ForwardRef(annotation)


def _nonlocals(function: Any) -> dict[str, Any]:
    found = {}
    for name, cell in zip(
        getattr(getattr(function, "__code__", None), "co_freevars", ()),
        getattr(function, "__closure__", None) or (),
        strict=False,
    ):
        with suppress(ValueError):  # it is assigned later
            found[name] = cell.cell_contents
    return found


# ---- analysis --------------------------------------------------------------------


def get_dependant(
    path_names: Sequence[str],
    call: Callable[..., Any],
    *,
    name: str | None = None,
    declared: Depends | None = None,
    parent_scopes: tuple[str, ...] = (),
    scope: Scope | None = None,
) -> Dependant:
    """Finds out what something wants from a request.

    Args:
        path_names: the names in the route's path.
        call: what is called.
        name: the parameter that gets the result.
        declared: the Depends that asks for it.
        parent_scopes: the scopes of the dependants above.
        scope: the scope of a handler.

    Raises:
        DeclarationError: a parameter cannot come from a request, or is declared twice.
        FieldTypeError: pydantic has no schema for a parameter's type.
        DependencyScopeError: a dependency would be gone before what depends on it.
    """
    own: tuple[str, ...] = tuple(declared.scopes or ()) if isinstance(declared, Security) else ()
    dependant = Dependant(
        call,
        name,
        own_scopes=own,
        parent_scopes=parent_scopes,
        use_cache=declared is None or declared.use_cache,
        scope=declared.scope if declared else scope,
        depends=declared,
    )
    for parameter in signature_of(call).parameters.values():
        _analyze(dependant, parameter_as_ours(parameter), path_names)
    return dependant


def _named(call: Any) -> str:
    return getattr(call, "__qualname__", None) or type(call).__qualname__


def _analyze(dependant: Dependant, parameter: inspect.Parameter, path_names: Sequence[str]) -> None:
    name = parameter.name
    where = "" if dependant.depends is None else f"{_named(dependant.call)}: "
    annotation = Any if parameter.annotation is EMPTY else _unnamed(parameter.annotation)
    in_path = name in path_names
    kind, param, depends = _declaration(name, annotation, parameter.default, where, in_path=in_path)
    if depends is not None:
        _add_dependency(dependant, name, depends, kind, path_names)
        return
    special = special_kind(kind)
    if special is not None:
        if param is not None:
            raise DeclarationError(f"{where}parameter {name!r}: a {kind.__name__} needs no further declaration")
        dependant.special[name] = special
        return
    if param is not None and in_path and not isinstance(param, Path):
        raise DeclarationError(f"{where}Cannot use `{type(param).__name__}` for path param {name!r}")
    default = UNSET if parameter.default is EMPTY else parameter.default
    if isinstance(parameter.default, FieldDeclaration):
        default = parameter.default.default
    if param is None:
        param = _inferred(kind, in_path)
        param.adopt(_extras(annotation))
    if isinstance(param, Path):
        default = UNSET
    if isinstance(param, Form) and not param.embed:
        annotation = by_branch(annotation)
    try:
        found = ModelField(name, annotation, param=param, default=default, alias=_alias(name, param, path_names))
    except FieldTypeError as error:
        raise type(error)(f"{where}parameter {name!r}: {error}") from None
    _add_field(dependant, found, where)


def _unnamed(annotation: Any) -> Any:
    """What a name that `type` gives stands for, unless that mentions the name again."""
    if type(annotation).__name__ != "TypeAliasType" or mentions(annotation.__value__, annotation):
        return annotation
    return annotation.__value__


def _declaration(
    name: str, annotation: Any, default: Any, where: str, *, in_path: bool
) -> tuple[Any, FieldDeclaration | None, Depends | None]:
    """The type, and how the parameter is declared: in `Annotated` or as its default."""
    kind, extras = bare(annotation), _extras(annotation)
    declared: list[Any] = [extra for extra in extras if isinstance(extra, (FieldDeclaration, Depends))][-1:]
    if isinstance(default, (FieldDeclaration, Depends)):
        if declared:
            raise DeclarationError(f"{where}{_said_twice(declared[0], default)} together for {name!r}")
        declared = [default]
    elif declared and isinstance(declared[0], FieldDeclaration):
        if any(map(_has_default, extras)):
            raise DeclarationError(
                f"{where}`{type(declared[0]).__name__}` default value cannot be set in `Annotated` for {name!r}. "
                "Set the default value with `=` instead."
            )
        if in_path and default is not EMPTY:
            raise DeclarationError(f"{where}Path parameters cannot have default values: {name!r}")
    if not declared:
        return kind, None, None
    if isinstance(declared[0], Depends):
        return kind, None, declared[0]
    param: FieldDeclaration = copy.copy(declared[0])
    if param is not default:
        # As pydantic has it, constraints of all declarations count.
        others = (extra.options for extra in extras if isinstance(extra, FieldDeclaration))
        param.options = {name: value for options in (*others, param.options) for name, value in options.items()}
        param.adopt(extras)
    return kind, param, None


def _said_twice(declared: Any, default: Any) -> str:
    if isinstance(declared, Depends) and isinstance(default, Depends):
        return "Cannot specify `Depends` in `Annotated` and default value"
    if isinstance(default, Depends):
        return "Cannot specify a FastAPI annotation in `Annotated` and `Depends` as a default value"
    return "Cannot specify FastAPI annotations in `Annotated` and default value"


def _has_default(extra: Any) -> bool:
    """Whether a declaration, or pydantic's, says what the value is if the request has none."""
    if isinstance(extra, FieldDeclaration):
        return extra.default is not UNSET
    is_field = type(extra).__name__ == "FieldInfo"
    return is_field and extra.default is not ... and type(extra.default).__name__ != "PydanticUndefinedType"


def _extras(annotation: Any) -> Sequence[Any]:
    """What `Annotated` adds to a parameter's type."""
    while type(annotation).__name__ == "TypeAliasType":
        annotation = annotation.__value__
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _alias_in(param: FieldDeclaration, path_names: Sequence[str]) -> str | None:
    """The name in the path that a Path parameter stands for under another name."""
    if not isinstance(param, Path):
        return None
    choices = getattr(param.validation_alias, "choices", None) or [param.validation_alias]
    return next((choice for choice in choices if choice in path_names), None)


def _alias(name: str, param: FieldDeclaration, path_names: Sequence[str]) -> str:
    if isinstance(param, Path):
        return _alias_in(param, path_names) or name
    if param.alias:
        return param.alias
    return name.replace("_", "-") if isinstance(param, Header) and param.convert_underscores else name


def _inferred(kind: Any, in_path: bool) -> FieldDeclaration:
    """How a parameter without a declaration is meant."""
    if in_path:
        return Path()
    if holds_upload(kind):
        return File()
    return Query() if is_scalar(kind) else Body()


def _add_dependency(
    dependant: Dependant, name: str | None, depends: Depends, kind: Any, path_names: Sequence[str]
) -> None:
    if depends.dependency is None:
        depends = replace(depends, dependency=kind)
    call = depends.dependency
    if not callable(call):
        raise DeclarationError(f"parameter {name!r}: Depends({call!r}) is nothing that can be called")
    dependency = get_dependant(path_names, call, name=name, declared=depends, parent_scopes=tuple(dependant.scopes))
    if dependant.lasts == "request" and depends.scope == "function" and dependant.kind.endswith("generator"):
        raise DependencyScopeError(
            f'The dependency "{_named(dependant.call)}" has a scope of "request", it cannot depend on dependencies '
            'with scope "function".'
        )
    dependant.dependencies.append(dependency)


def add_unnamed(dependant: Dependant, declared: Sequence[Depends], path_names: Sequence[str]) -> None:
    """Puts dependencies whose results nobody wants before a handler's own: those of the route and its routers."""
    own, dependant.dependencies = dependant.dependencies, []
    for depends in declared:
        _add_dependency(dependant, None, as_ours(depends), None, path_names)
    dependant.dependencies += own


def _check_members(found: ModelField, where: str) -> None:
    """Raises DeclarationError if a parameter would have to be one of several dataclasses or the like."""
    by_name = isinstance(found.param, (Form, Header, Cookie)) and not isinstance(found.param, File)
    if by_name and not found.is_json and any(is_struct(each) or is_record(each) for each in members(found.annotation)):
        raise DeclarationError(
            f"{where}{type(found.param).__name__} parameter {found.name!r} must be one of the supported types, "
            f"not {found.annotation!r}"
        )


def _add_field(dependant: Dependant, found: ModelField, where: str) -> None:
    param, kind = found.param, found.annotation
    if isinstance(param, Path):
        if not is_scalar(kind):
            raise DeclarationError(
                f"{where}Path params must be of one of the supported types: {found.name!r} is {kind!r}"
            )
        dependant.path_params.append(found)
    elif isinstance(param, Body):
        _check_members(found, where)
        dependant.body_params.append(found)
    else:
        _check_members(found, where)
        if isinstance(param, Query) and not (
            is_scalar(kind) or is_scalar_sequence(kind) or model_type(kind) is not None or found.is_json
        ):
            raise DeclarationError(
                f"{where}Query parameter {found.name!r} must be one of the supported types, not {kind!r}"
            )
        place = {Query: dependant.query_params, Header: dependant.header_params, Cookie: dependant.cookie_params}
        next((fields for kind_, fields in place.items() if isinstance(param, kind_)), dependant.query_params).append(
            found
        )
    if found.is_odd or found.uses_structs:
        try:
            found.prepare()
        except FieldTypeError as error:
            raise type(error)(f"{where}parameter {found.name!r}: {error}") from None
    if not isinstance(param, (Param, Body)):
        raise DeclarationError(f"{where}parameter {found.name!r}: {type(param).__name__} says not where it comes from")
