"""The functions that declare parameters: their results stand as defaults or in `Annotated`."""

import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Annotated, Any, Literal, TypedDict, TypeVar, Unpack, overload

from covet import params

T = TypeVar("T")


class FieldOptions(TypedDict, total=False):
    """What every declaration takes: constraints are those of pydantic's Field."""

    default_factory: Callable[[], Any] | None
    alias: str | None
    alias_priority: int | None
    validation_alias: Any
    serialization_alias: str | None
    title: str | None
    description: str | None
    gt: float | None
    ge: float | None
    lt: float | None
    le: float | None
    min_length: int | None
    max_length: int | None
    pattern: str | re.Pattern[str] | None
    regex: str | re.Pattern[str] | None
    discriminator: Any
    strict: bool | None
    validate_default: bool | None
    union_mode: Literal["smart", "left_to_right"] | None
    fail_fast: bool | None
    multiple_of: float | None
    allow_inf_nan: bool | None
    max_digits: int | None
    decimal_places: int | None
    examples: list[Any] | None
    example: Any
    openapi_examples: Mapping[str, Any] | None
    deprecated: Any
    include_in_schema: bool
    json_schema_extra: Mapping[str, Any] | Callable[[dict[str, Any]], None] | None


def Path(default: Any = ..., **options: Unpack[FieldOptions]) -> Any:
    """Declares a parameter of the path.

    Args:
        default: only `...`: a path parameter is always required.
        options: constraints and documentation; see FieldOptions.
    """
    return params.Path(default, **options)


def Query(default: Any = params.UNSET, **options: Unpack[FieldOptions]) -> Any:
    """Declares a parameter of the query, or a model of all of them.

    Args:
        default: the value if the query has none; without it the parameter is required.
        options: constraints and documentation; see FieldOptions.
    """
    return params.Query(default, **options)


def Header(default: Any = params.UNSET, *, convert_underscores: bool = True, **options: Unpack[FieldOptions]) -> Any:
    """Declares a header field, or a model of several.

    Args:
        default: the value if the request has no such field; without it the field is required.
        convert_underscores: the name in the request has hyphens where the parameter's has underscores.
        options: constraints and documentation; see FieldOptions.
    """
    return params.Header(default, convert_underscores=convert_underscores, **options)


def Cookie(default: Any = params.UNSET, **options: Unpack[FieldOptions]) -> Any:
    """Declares a cookie, or a model of several.

    Args:
        default: the value if the request has no such cookie; without it the cookie is required.
        options: constraints and documentation; see FieldOptions.
    """
    return params.Cookie(default, **options)


def Body(
    default: Any = params.UNSET,
    *,
    embed: bool | None = None,
    media_type: str = "application/json",
    **options: Unpack[FieldOptions],
) -> Any:
    """Declares the JSON body, or a member of it if there are several.

    Args:
        default: the value if there is none; without it the body is required.
        embed: the value is a member of the body's object even if it is the only one.
        media_type: the content type in the OpenAPI document.
        options: constraints and documentation; see FieldOptions.
    """
    return params.Body(default, embed=embed, media_type=media_type, **options)


def Form(
    default: Any = params.UNSET,
    *,
    media_type: str = "application/x-www-form-urlencoded",
    **options: Unpack[FieldOptions],
) -> Any:
    """Declares a field of a form, or a model of all of them.

    Args:
        default: the value if the form has no such field; without it the field is required.
        media_type: the content type in the OpenAPI document.
        options: constraints and documentation; see FieldOptions.
    """
    return params.Form(default, media_type=media_type, **options)


def File(
    default: Any = params.UNSET, *, media_type: str = "multipart/form-data", **options: Unpack[FieldOptions]
) -> Any:
    """Declares an uploaded file: an UploadFile, bytes, or a list of either.

    Args:
        default: the value if the form has no such file; without it the file is required.
        media_type: the content type in the OpenAPI document.
        options: constraints and documentation; see FieldOptions.
    """
    return params.File(default, media_type=media_type, **options)


@overload
def Depends(
    dependency: Callable[..., AsyncGenerator[T, Any] | AsyncIterator[T]],
    *,
    use_cache: bool = True,
    scope: params.Scope | None = None,
    max_concurrency: int | None = None,
) -> T: ...
@overload
def Depends(
    dependency: Callable[..., Generator[T, Any, Any] | Iterator[T]],
    *,
    use_cache: bool = True,
    scope: params.Scope | None = None,
    max_concurrency: int | None = None,
) -> T: ...
@overload
def Depends(
    dependency: Callable[..., Awaitable[T]],
    *,
    use_cache: bool = True,
    scope: params.Scope | None = None,
    max_concurrency: int | None = None,
) -> T: ...
@overload
def Depends(
    dependency: Callable[..., T],
    *,
    use_cache: bool = True,
    scope: params.Scope | None = None,
    max_concurrency: int | None = None,
) -> T: ...
@overload
def Depends(
    dependency: None = None,
    *,
    use_cache: bool = True,
    scope: params.Scope | None = None,
    max_concurrency: int | None = None,
) -> Any: ...
def Depends(
    dependency: Callable[..., Any] | None = None,
    *,
    use_cache: bool = True,
    scope: params.Scope | None = None,
    max_concurrency: int | None = None,
) -> Any:
    """Declares that a parameter's value is the result of calling something, whose own parameters are resolved alike.

    Type checkers see the type that the dependency gives.

    Args:
        dependency: a function, a class or an object that can be called, asynchronous or not; one that yields is
            continued afterwards. None stands for the parameter's own type.
        use_cache: call it once for each request, however often it is asked for.
        scope: when a dependency that yields is continued: "function" before the response is sent, "request" (which
            is usual) after it was sent.
        max_concurrency: how many may be under way at a time in this process; None is no limit.
    """
    return params.Depends(dependency, use_cache=use_cache, scope=scope, max_concurrency=max_concurrency)


@overload
def Security(
    dependency: Callable[..., AsyncGenerator[T, Any] | AsyncIterator[T]],
    *,
    scopes: Sequence[str] | None = None,
    use_cache: bool = True,
) -> T: ...
@overload
def Security(
    dependency: Callable[..., Generator[T, Any, Any] | Iterator[T]],
    *,
    scopes: Sequence[str] | None = None,
    use_cache: bool = True,
) -> T: ...
@overload
def Security(
    dependency: Callable[..., Awaitable[T]],
    *,
    scopes: Sequence[str] | None = None,
    use_cache: bool = True,
) -> T: ...
@overload
def Security(
    dependency: Callable[..., T],
    *,
    scopes: Sequence[str] | None = None,
    use_cache: bool = True,
) -> T: ...
@overload
def Security(
    dependency: None = None,
    *,
    scopes: Sequence[str] | None = None,
    use_cache: bool = True,
) -> Any: ...
def Security(
    dependency: Callable[..., Any] | None = None,
    *,
    scopes: Sequence[str] | None = None,
    use_cache: bool = True,
) -> Any:
    """Declares a dependency that wants scopes, which its SecurityScopes parameters show.

    Args:
        dependency: as for `Depends`.
        scopes: names of scopes, such as "items:read".
        use_cache: as for `Depends`.
    """
    return params.Security(dependency, scopes=scopes, use_cache=use_cache)


Inject = Annotated[T, params.Depends()]
"""`Inject[T]` is a T that is made by calling T, as `Annotated[T, Depends()]` is."""
