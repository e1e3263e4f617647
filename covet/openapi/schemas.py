"""JSON Schemas of fields: one for each field, and the definitions that they refer to."""

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from covet.annotations import bare, is_kind, is_struct
from covet.bodies import form_models
from covet.modelfield import ModelField, fields_of_model
from covet.params import UNSET, FieldDeclaration

REF_PREFIX = "#/components/schemas/"
REF_TEMPLATE = REF_PREFIX + "{model}"


class _Generator(GenerateJsonSchema):
    """pydantic's schemas, but for bytes, which OpenAPI 3.1 describes by their media type."""

    def bytes_schema(self, schema: Any) -> JsonSchemaValue:
        found: dict[str, Any] = {"type": "string", "contentMediaType": "application/octet-stream"}
        mode = self._config.ser_json_bytes if self.mode == "serialization" else self._config.val_json_bytes
        if mode == "base64":
            found["contentEncoding"] = "base64"
        self.update_with_validations(found, schema, self.ValidationsMapping.bytes)
        return found


class Schemas:
    """The schemas of all fields of a document.

    Args:
        fields: the fields.
        separate: types have one schema for requests and one for responses where these differ.
    """

    def __init__(self, fields: Sequence[ModelField], *, separate: bool = True) -> None:
        self._separate = separate
        self.definitions: dict[str, dict[str, Any]] = {}
        self._found: dict[int, dict[str, Any]] = {}
        members = [member for field in fields for member in getattr(field.annotation, MEMBERS, ())]
        structs = [field for field in [*fields, *members] if field.uses_structs]
        outgoing = {field.mode for field in structs} == {"serialization"}
        customs = {
            kind: ModelField(getattr(kind, "__name__", ""), kind, mode="serialization" if outgoing else "validation")
            for field in structs
            for kind in field.customs
        }
        self._generate([*(field for field in fields if not field.uses_structs), *customs.values()])
        self._generate_structs(structs, customs)
        for field in members:
            _put_in(self.definitions, _placeholder(field), self._found[id(field)])

    def _mode(self, field: ModelField) -> Any:
        return field.mode if self._separate or _has_computed(field) else "validation"

    def _generate(self, fields: Sequence[ModelField]) -> None:
        # All models that are mentioned get a definition, those too that stand inside of others.
        known = {field.annotation for field in fields}
        flat = [
            ModelField(model.__name__, model, mode=mode)
            for mode in ("validation", "serialization")
            for model in _models(field.annotation for field in fields if field.mode == mode)
            if model not in known
        ]
        every = [*fields, *flat]
        generator = _Generator(ref_template=REF_TEMPLATE)
        inputs: Any = [(index, self._mode(field), field.adapter.core_schema) for index, field in enumerate(every)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mapping, definitions = generator.generate_definitions(inputs)
        for index, field in enumerate(every):
            self._found[id(field)] = mapping[(index, self._mode(field))]
        for name, definition in definitions.items():
            if "description" in definition:
                definition["description"] = definition["description"].partition("\f")[0]
            self.definitions[str(name)] = definition

    def _generate_structs(self, fields: Sequence[ModelField], customs: Mapping[Any, ModelField]) -> None:
        if not fields:
            return
        import msgspec

        found, definitions = msgspec.json.schema_components(
            [field.whole for field in fields],
            ref_template=REF_PREFIX + "{name}",
            schema_hook=lambda kind: self._found[id(customs[kind])],
        )
        self.definitions.update(definitions)
        for field, schema in zip(fields, found, strict=True):
            self._found[id(field)] = schema

    def of(self, field: ModelField, alias: str | None = None) -> dict[str, Any]:
        """The schema of a field.

        Args:
            field: one of the fields.
            alias: what its title is made of.
        """
        schema = copy.copy(self._found[id(field)])
        if "$ref" not in schema:
            name = alias or _name(field)
            schema["title"] = field.param.title or name.title().replace("_", " ")
        return schema


def _name(field: ModelField) -> str:
    if field.mode == "serialization":
        return field.serialization_alias
    validation = field.param.validation_alias
    return validation if isinstance(validation, str) else field.alias


def _has_computed(field: ModelField) -> bool:
    schema: Any = field.adapter.core_schema
    return bool(schema.get("schema", {}).get("computed_fields")) or _computes(field.annotation, set())


def _computes(annotation: Any, known: set[Any]) -> bool:
    annotation = bare(annotation)
    if is_kind(annotation, BaseModel):
        if annotation in known:
            return False
        known.add(annotation)
        return bool(annotation.model_computed_fields) or any(
            _computes(info.annotation, known) for info in annotation.model_fields.values()
        )
    return any(_computes(argument, known) for argument in get_args(annotation))


def _models(annotations: Iterable[Any]) -> list[Any]:
    """The pydantic models and enums in annotations, each once."""
    found: dict[Any, None] = {}

    def look(annotation: Any) -> None:
        annotation = bare(annotation)
        if is_kind(annotation, BaseModel, Enum):
            if annotation in found:
                return
            found[annotation] = None
            if is_kind(annotation, BaseModel):
                for info in annotation.model_fields.values():
                    look(info.annotation)
        elif not is_struct(annotation):
            for argument in get_args(annotation):
                look(argument)

    for annotation in annotations:
        look(annotation)
    return list(found)


def flat_fields(fields: Iterable[ModelField]) -> list[ModelField]:
    """Fields of parameters, with the fields of models in place of the models."""
    found: list[ModelField] = []
    for field in fields:
        found += fields_of_model(field.model) if field.model is not None else [field]
    return found


def body_model(name: str, fields: Sequence[ModelField]) -> ModelField:
    """One field for several members of a body.

    Args:
        name: the operation's id.
        fields: the members; of two with the same name the later counts, unless there are models of forms.
    """
    if any(map(form_models, fields)):
        from covet.openapi.forms import form_model

        model: Any = form_model(f"Body_{name}", fields)
    else:
        model = _plain_body(f"Body_{name}", fields)
    required = any(field.required for field in fields)
    declaration = FieldDeclaration(alias="body")
    return ModelField("body", model, param=declaration, default=UNSET if required else None)


def _plain_body(name: str, fields: Sequence[ModelField]) -> Any:
    from pydantic import create_model

    members: dict[str, Any] = {}
    for field in fields:
        own = field.alias if field.param.alias is None and field.alias != field.name else None
        names = {} if own is None else {"alias": own, "validation_alias": own, "serialization_alias": own}
        kind = _by_msgspec(field) if field.uses_structs else field.declared
        members[field.name] = (kind, field.field_info(**names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = create_model(name, **members)
    setattr(made, MEMBERS, [field for field in fields if field.uses_structs])
    return made


MEMBERS = "__covet_members__"
"""The attribute of a model for a body in which its members are that msgspec describes."""


def _placeholder(field: ModelField) -> str:
    return f"covet-{id(field)}"


def _by_msgspec(field: ModelField) -> Any:
    """What stands for a member in pydantic's schema until msgspec's is known."""
    from pydantic import GetPydanticSchema
    from pydantic_core.core_schema import any_schema

    mark = {"$comment": _placeholder(field)}
    arguments = (
        Any,
        GetPydanticSchema(
            lambda kind, handler: any_schema(), get_pydantic_json_schema=lambda schema, handler: {**mark}
        ),
    )
    return Annotated[arguments]


def _put_in(schema: Any, mark: str, found: dict[str, Any]) -> None:
    """Puts a schema wherever its placeholder is."""
    if isinstance(schema, dict):
        if schema.get("$comment") == mark:
            del schema["$comment"]
            schema.update({**found, **schema} if "$ref" not in found else found)
            return
        for inner in schema.values():
            _put_in(inner, mark, found)
    elif isinstance(schema, list):
        for inner in schema:
            _put_in(inner, mark, found)
