"""What a parameter's declaration says: where its value comes from, and what it must be."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import Any, ClassVar, Literal

from covet.deprecations import deprecated
from covet.exceptions import DeclarationError


class _Unset:
    """Stands for an option that was not given; `...` means the same."""

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Any = _Unset()

Scope = Literal["function", "request"]


class ParamTypes(Enum):
    """Where a parameter that is no body comes from."""

    query = "query"
    header = "header"
    path = "path"
    cookie = "cookie"


FIELD_OPTIONS = frozenset(
    {
        "alias_priority", "annotation", "decimal_places", "default_factory", "deprecated", "discriminator", "examples",
        "fail_fast", "ge", "gt", "json_schema_extra", "le", "lt", "max_digits", "max_length", "min_length",
        "multiple_of", "allow_inf_nan", "pattern", "serialization_alias", "strict", "title", "description",
        "union_mode", "validate_default",
    }
)  # fmt: skip
"""Options that pydantic's own Field has too."""


class FieldDeclaration:
    """A declared value of a request.

    Args:
        default: the value if the request has none; without it the parameter is required.
        alias: the name in the request, if it is not the parameter's.
        validation_alias: the same; pydantic's AliasChoices are several names.
        include_in_schema: show it in the OpenAPI document.
        openapi_examples: examples by name, as OpenAPI has them.
        example: one example (deprecated in favour of `examples`).
        regex: an old name of `pattern`.
        options: constraints and documentation: see `pydantic.Field`.

    Raises:
        TypeError: there is no such option.
    """

    def __init__(
        self,
        default: Any = UNSET,
        *,
        alias: str | None = None,
        validation_alias: Any = None,
        include_in_schema: bool = True,
        openapi_examples: Mapping[str, Any] | None = None,
        example: Any = UNSET,
        regex: str | re.Pattern[str] | None = None,
        **options: Any,
    ) -> None:
        unknown = options.keys() - FIELD_OPTIONS
        if unknown:
            raise TypeError(f"{type(self).__name__}() has no option {sorted(unknown)[0]!r}")
        self.default = UNSET if default is ... else default
        self.alias = alias
        self.validation_alias = validation_alias if validation_alias is not None else alias
        self.include_in_schema = include_in_schema
        self.openapi_examples = openapi_examples
        self.example = example
        if example is not UNSET:
            deprecated("`example` has been deprecated, please use `examples` instead")
        if regex is not None:
            deprecated("`regex` has been deprecated, please use `pattern` instead")
            options.setdefault("pattern", regex)
        self.options: dict[str, Any] = {
            name: value for name, value in options.items() if value is not None and value is not UNSET
        }
        self.options.pop("annotation", None)

    def adopt(self, extras: Sequence[Any]) -> None:
        """Takes over what pydantic's `Field` says in the same `Annotated`; of two that say the same the later counts.

        Args:
            extras: what the `Annotated` has beside the type.
        """
        passed = not any(isinstance(extra, FieldDeclaration) for extra in extras)
        for extra in extras:
            passed = passed or isinstance(extra, FieldDeclaration)
            if type(extra).__name__ == "FieldInfo":
                self._adopt(extra, over=passed)

    def _adopt(self, field: Any, *, over: bool) -> None:
        if over or (self.alias is None and self.validation_alias is None):
            self.alias = field.alias or self.alias
            if field.validation_alias is not None:
                self.validation_alias = field.validation_alias
            if field.serialization_alias is not None:
                self.options["serialization_alias"] = field.serialization_alias
        for name in ("title", "description", "deprecated", "examples", "default_factory"):
            value = getattr(field, name)
            if value is not None and (over or name not in self.options):
                self.options[name] = value

    @property
    def title(self) -> str | None:
        """The title in the OpenAPI document."""
        return self.options.get("title")

    @property
    def description(self) -> str | None:
        """The description in the OpenAPI document."""
        return self.options.get("description")

    @property
    def deprecated(self) -> Any:
        """Whether the OpenAPI document says that it should not be used any more."""
        return self.options.get("deprecated")

    @property
    def examples(self) -> list[Any] | None:
        """Examples in the OpenAPI document."""
        return self.options.get("examples")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'PydanticUndefined' if self.default is UNSET else self.default})"


class Param(FieldDeclaration):
    """A value outside of the body."""

    in_: ParamTypes = ParamTypes.query


class Path(Param):
    """A part of the path; always required."""

    in_ = ParamTypes.path

    def __init__(self, default: Any = UNSET, **options: Any) -> None:
        if default is not UNSET and default is not ...:
            raise DeclarationError("Path parameters cannot have a default value")
        super().__init__(**options)


class Query(Param):
    """A parameter of the query."""

    in_ = ParamTypes.query


class Header(Param):
    """A header field; `user_agent` stands for `user-agent` unless `convert_underscores` is False."""

    in_ = ParamTypes.header

    def __init__(self, default: Any = UNSET, *, convert_underscores: bool = True, **options: Any) -> None:
        super().__init__(default, **options)
        self.convert_underscores = convert_underscores


class Cookie(Param):
    """A cookie."""

    in_ = ParamTypes.cookie


class Body(FieldDeclaration):
    """The body, or one of its members.

    Args:
        default: as for every declaration.
        embed: the value is a member of the body's object even if it is the only one.
        media_type: the content type in the OpenAPI document.
        options: as for every declaration.
    """

    default_media_type: ClassVar[str] = "application/json"

    def __init__(
        self, default: Any = UNSET, *, embed: bool | None = None, media_type: str | None = None, **options: Any
    ) -> None:
        super().__init__(default, **options)
        self.embed = embed
        self.media_type = media_type or self.default_media_type


class Form(Body):
    """A field of a form."""

    default_media_type = "application/x-www-form-urlencoded"


class File(Form):
    """An uploaded file, as an UploadFile or its bytes."""

    default_media_type = "multipart/form-data"


class Concurrency:
    """How many calls of a dependency may be under way at a time, on each event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._semaphores: dict[Any, Any] = {}

    def semaphore(self) -> Any:
        """The running event loop's semaphore."""
        import asyncio

        loop = asyncio.get_running_loop()
        found = self._semaphores.get(loop)
        if found is None:
            self._semaphores = {known: s for known, s in self._semaphores.items() if not known.is_closed()}
            found = self._semaphores[loop] = asyncio.Semaphore(self.most)
        return found


@dataclass(frozen=True)
class Depends:
    """What `Depends()` gives: a parameter's value is the result of calling something.

    Attributes:
        dependency: what is called; None stands for the parameter's own type.
        use_cache: call it once for each request, however often it is asked for.
        scope: when a dependency that yields goes on: after the handler has returned ("function"), or after the
            response was sent ("request").
        max_concurrency: how many may be under way at a time in this process; None is no limit.
    """

    dependency: Callable[..., Any] | None = None
    use_cache: bool = True
    scope: Scope | None = None
    _: KW_ONLY
    max_concurrency: int | None = None
    # Part of the identity: Annotated must not take two limited declarations for one.
    concurrency: Concurrency | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.max_concurrency is None:
            return
        if type(self.max_concurrency) is not int or self.max_concurrency < 1:
            raise ValueError("max_concurrency must be a positive integer or None")
        if self.concurrency is None or self.concurrency.most != self.max_concurrency:
            object.__setattr__(self, "concurrency", Concurrency(self.max_concurrency))


@dataclass(frozen=True)
class Security(Depends):
    """A dependency that wants scopes.

    Attributes:
        scopes: the scopes; SecurityScopes has those of all dependants above.
    """

    scopes: Sequence[str] | None = None
