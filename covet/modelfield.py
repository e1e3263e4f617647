"""One value with its type: validated and serialized by pydantic, or by msgspec if it is a Struct."""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Annotated, Any, ForwardRef, Literal, cast, get_args, get_origin

from covet.annotations import bare, has_struct, is_model, is_scalar, is_sequence, is_struct, is_upload, model_type
from covet.exceptions import FieldTypeError, PydanticV1NotSupportedError
from covet.metas import for_pydantic
from covet.params import UNSET, Cookie, FieldDeclaration, File, Form, Header, Path, Query

KNOWN_MODULES = frozenset({"builtins", "datetime", "decimal", "uuid", "ipaddress", "pathlib", "typing"})

Loc = tuple[str | int, ...]
Errors = list[dict[str, Any]]
Mode = Literal["validation", "serialization"]


def missing(loc: Loc) -> dict[str, Any]:
    """The error of a value that must be there and is not."""
    return {"type": "missing", "loc": loc, "msg": "Field required", "input": None}


class ModelField:
    """A value of a request or a response.

    Args:
        name: the parameter's name.
        annotation: its type, with or without `Annotated`.
        param: how it is declared.
        default: its value if the request has none; UNSET if it is required.
        alias: its name in the request; the parameter's if it is None.
        mode: whether values come in or go out.
        config: pydantic's configuration for the type.

    Raises:
        FieldTypeError: pydantic knows no schema for the type.
    """

    def __init__(
        self,
        name: str,
        annotation: Any,
        *,
        param: FieldDeclaration | None = None,
        default: Any = UNSET,
        alias: str | None = None,
        mode: Mode = "validation",
        config: Any = None,
    ) -> None:
        self.name = name
        self.param = FieldDeclaration() if param is None else param
        if isinstance(param, (Query, Header, Cookie, Form)) and not isinstance(param, File):
            annotation = self._spread(annotation)
        self.uses_structs = has_struct(annotation)
        self.mode = mode
        self.config = config
        self.annotation, self._metadata = _split(annotation)
        self._declared = _undeclared(annotation)
        self._for_pydantic: Any = None
        self.default = default
        self.alias = alias or self.param.alias or name
        self._default_factory = self.param.options.get("default_factory")
        self.required = default is UNSET and self._default_factory is None
        self.is_json = any(type(item).__name__ == "Json" for item in self._metadata)
        self.holds_items = is_sequence(self.annotation)
        self.is_sequence = self.holds_items and not self.is_json
        self.model: Any = None if self.is_json else model_type(self.annotation)
        self._validate_default = bool(self.param.options.get("validate_default"))
        self._adapter: Any = None
        self._validator: Any = None
        self._customs: list[Any] | None = None
        self.aliases = self._aliases()

    @staticmethod
    def _spread(annotation: Any) -> Any:
        """The type, with a model in the place of a dataclass, a TypedDict or a Struct whose fields are parameters."""
        if is_scalar(annotation) or any(type(item).__name__ == "Json" for item in _split(annotation)[1]):
            return annotation
        from covet.spread import spread

        return spread(annotation)

    # ---- names ------------------------------------------------------------------

    def _aliases(self) -> list[str]:
        """The names in the request, the preferred one first."""
        validation = self.param.validation_alias
        name = validation if isinstance(validation, str) else self.alias
        choices = getattr(validation, "choices", None)
        if choices and all(isinstance(choice, str) for choice in choices) and not isinstance(self.param, Path):
            names = list(choices)
        else:
            names = [name]
        config = self.config or {}
        if config.get("validate_by_alias") is False:
            return [self.name]
        by_name = config.get("validate_by_name", config.get("populate_by_name", False))
        return [*names, self.name] if by_name and self.name not in names else names

    @property
    def request_names(self) -> list[str]:
        """The names as the request spells them: header fields have hyphens."""
        if not isinstance(self.param, Header) or not self.param.convert_underscores:
            return self.aliases
        return [alias.replace("_", "-") if alias == self.name else alias for alias in self.aliases]

    @property
    def serialization_alias(self) -> str:
        """The name in responses."""
        return self.param.options.get("serialization_alias") or self.alias

    # ---- pydantic ---------------------------------------------------------------

    @property
    def adapter(self) -> Any:
        """pydantic's TypeAdapter for the type with its constraints and its default."""
        if self._adapter is None:
            self._adapter = self._make_adapter()
        return self._adapter

    @property
    def validator(self) -> Any:
        """pydantic's validator for values that a request has."""
        if self._validator is None:
            self._validator = self._shared_adapter().validator
        return self._validator

    def _shared_adapter(self) -> Any:
        """Fields of one type without constraints share what pydantic makes of it."""
        if self.is_constrained or self.config:
            return self.adapter
        key = id(self._declared)
        found = _adapters.get(key)
        if found is None:
            # The annotation is kept too, so that nothing else gets its id.
            found = _adapters[key] = (self._make_adapter(), self._declared)
        return found[0]

    def _make_adapter(self) -> Any:
        from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter

        if _has_v1(self.annotation):
            raise PydanticV1NotSupportedError(
                f"pydantic.v1 models are not supported. Please update the model {self.annotation!r}."
            )
        arguments = (self.declared, self.field_info())
        with warnings.catch_warnings():
            # Aliases and defaults are ours to apply; pydantic warns that a bare type does not use them.
            warnings.simplefilter("ignore")
            try:
                return TypeAdapter(cast(Any, Annotated[arguments]), config=self.config)
            except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation) as error:
                raise FieldTypeError(
                    f"Invalid args for response field! Hint: check that {self.annotation!r} is a valid Pydantic field "
                    "type; is it a Request or a Depends that is misspelt? For results, the path operation decorator "
                    f"parameter response_model=None leaves them unchecked. ({error})"
                ) from None
            except PydanticUserError as error:
                if error.code != "typed-dict-version":
                    raise
                raise FieldTypeError(
                    f"{self.annotation!r} is or has a TypedDict of `typing`; before Python 3.12 pydantic takes that of "
                    "`typing_extensions` only"
                ) from None

    @property
    def is_odd(self) -> bool:
        """Whether pydantic may well have no schema for the type, so that it had better be asked at once."""
        return is_odd(self.annotation)

    def field_info(self, **changes: Any) -> Any:
        """What is declared, as pydantic's FieldInfo; `changes` are options of its own."""
        from pydantic import Field

        options = dict(self.param.options)
        if self.param.alias:
            options["alias"] = self.param.alias
        if self.param.validation_alias is not None:
            options["validation_alias"] = self.param.validation_alias
        if not self.required and self._default_factory is None:
            options["default"] = self.default
        return Field(**{**options, **changes})

    @property
    def is_constrained(self) -> bool:
        """Whether more is asked of a value than to be of the type."""
        says = {"alias", "title", "description", "examples", "deprecated", "serialization_alias", "default_factory"}
        return bool(self._metadata or self.param.options.keys() - says)

    def prepare(self) -> None:
        """Makes what validation needs; without this, the first validation does."""
        if not self.uses_structs:
            self.validator  # noqa: B018 - making it is what is wanted
        else:
            self.customs  # noqa: B018 - so is to know whether msgspec can do it

    # ---- values -----------------------------------------------------------------

    def get_default(self) -> Any:
        """The value if the request has none; UNSET if it is required."""
        if self._default_factory is not None:
            return self._default_factory()
        return copy.deepcopy(self.default)

    def validate(self, value: Any, loc: Loc, errors: Errors) -> Any:
        """The value as its type; what is wrong is added to `errors`.

        Args:
            value: UNSET if the request has none.
            loc: where in the request it is.
            errors: one dict for each error, as pydantic has them.
        """
        if value is UNSET:
            if self.required:
                errors.append(missing(loc))
                return None
            value = self.get_default()
            if not self._validate_default:
                return value
        if self.uses_structs:
            return self._convert(value, loc, errors)
        from pydantic_core import ValidationError

        try:
            return self.validator.validate_python(value, from_attributes=True)
        except ValidationError as error:
            errors.extend({**found, "loc": loc + found["loc"]} for found in error.errors(include_url=False))
            return None

    def _convert(self, value: Any, loc: Loc, errors: Errors) -> Any:
        """A Struct, or something that holds some, of what JSON has."""
        import msgspec

        from covet.structs import errors_of, from_pydantic

        from_attributes = self.mode == "serialization"
        try:
            return msgspec.convert(value, self.whole, from_attributes=from_attributes, dec_hook=from_pydantic)
        except msgspec.ValidationError as error:
            errors += errors_of(error, value, loc, self.whole)
            return None

    @property
    def customs(self) -> list[Any]:
        """What pydantic validates within what msgspec does. Raises FieldTypeError if neither can."""
        if self._customs is None:
            from covet.structs import customs

            self._customs = customs(self.whole)
        return self._customs

    @property
    def declared(self) -> Any:
        """The type with its constraints, as it was written: names that `type` gives are in the OpenAPI document."""
        if self.uses_structs:
            return self._declared
        if self._for_pydantic is None:
            self._for_pydantic = for_pydantic(self._declared)  # imports pydantic, so not earlier
        return self._for_pydantic

    @property
    def whole(self) -> Any:
        """The type with its constraints, but without names given to it by `type`."""
        arguments = (self.annotation, *self._metadata)
        return Annotated[arguments] if self._metadata else self.annotation

    def serialize(self, value: Any, *, mode: Literal["json", "python"] = "json", **options: Any) -> Any:
        """A validated value as plain Python objects; `options` are those of pydantic's dump_python."""
        if self.uses_structs:
            import msgspec

            from covet.structs import to_plain

            return msgspec.to_builtins(value, str_keys=True, enc_hook=to_plain)
        return self._shared_adapter().dump_python(value, mode=mode, **options)

    def serialize_json(self, value: Any, **options: Any) -> bytes:
        """A validated value as JSON; `options` are those of pydantic's dump_json."""
        if self.uses_structs:
            from covet.encoders import encode

            return encode(value)
        data: bytes = self._shared_adapter().dump_json(value, **options)
        return data

    def __repr__(self) -> str:
        return f"ModelField({self.name!r}, {self.annotation!r})"


def is_odd(annotation: Any) -> bool:
    """Whether pydantic may well have no schema for a type, so that it had better be asked at once."""
    if type(annotation).__name__ == "TypeAliasType" or get_origin(annotation) is Annotated:
        annotation = bare(annotation)
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return (
            annotation.__module__ not in KNOWN_MODULES
            and not issubclass(annotation, Enum)
            and not (is_model(annotation) or is_struct(annotation) or is_upload(annotation) or is_dataclass(annotation))
        )
    if get_origin(annotation) is Literal:
        return False
    return isinstance(annotation, ForwardRef) or any(map(is_odd, get_args(annotation)))


def _has_v1(annotation: Any) -> bool:
    """Whether there is a model of pydantic.v1 anywhere in a type."""
    kinds = getattr(annotation, "__mro__", ())
    return any(kind.__module__ == "pydantic.v1.main" for kind in kinds) or any(map(_has_v1, get_args(annotation)))


def _split(annotation: Any) -> tuple[Any, list[Any]]:
    """The type, and what `Annotated` adds to it for pydantic."""
    metadata: list[Any] = []
    while True:
        if type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        if get_origin(annotation) is not Annotated:
            return annotation, metadata
        annotation, *extras = get_args(annotation)
        metadata[:0] = [extra for extra in extras if not _is_declaration(extra)]


def _undeclared(annotation: Any) -> Any:
    """The annotation without declarations of ours."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *extras = get_args(annotation)
    arguments = (kind, *(extra for extra in extras if not _is_declaration(extra)))
    return Annotated[arguments] if len(arguments) > 1 else kind


def _is_declaration(extra: object) -> bool:
    from covet.params import Depends

    return isinstance(extra, (FieldDeclaration, Depends))


_adapters: dict[int, tuple[Any, Any]] = {}
_model_fields: dict[Any, list[ModelField]] = {}


def fields_of_model(model: Any) -> list[ModelField]:
    """A pydantic model's fields, as fields of a request."""
    found = _model_fields.get(model)
    if found is None:
        found = _model_fields[model] = [_field_of(model, name, info) for name, info in model.model_fields.items()]
    return found


def _field_of(model: Any, name: str, info: Any) -> ModelField:
    from pydantic_core import PydanticUndefined

    declaration = FieldDeclaration(
        alias=info.alias if isinstance(info.alias, str) else None,
        validation_alias=info.validation_alias,
        title=info.title,
        description=info.description,
        deprecated=info.deprecated,
        examples=info.examples,
        serialization_alias=info.serialization_alias,
        json_schema_extra=info.json_schema_extra,
    )
    default = UNSET if info.default is PydanticUndefined else info.default
    if info.default_factory is not None:
        declaration.options["default_factory"] = info.default_factory
    kind = info.annotation
    config: Mapping[str, Any] | None = None if is_model(kind) or kind is dict else model.model_config
    annotation = Annotated[(kind, *info.metadata)] if info.metadata else kind
    return ModelField(name, annotation, param=declaration, default=default, config=config)
