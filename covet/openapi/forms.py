"""Bodies of forms that have models in them: the fields of all models and of all other parameters side by side."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetPydanticSchema, create_model

from covet.annotations import members
from covet.bodies import form_models
from covet.modelfield import ModelField, fields_of_model


def may_be_absent(field: ModelField) -> bool:
    """Whether a parameter is a model of form fields that may all be missing."""
    return bool(form_models(field)) and type(None) in members(field.annotation)


def form_model(name: str, fields: Sequence[ModelField]) -> type[BaseModel]:
    """A model whose schema is that of a whole form.

    Args:
        name: the model's name.
        fields: the form's parameters, at least one of which is a model.
    """
    parts: dict[str, Any] = {}
    for index, field in enumerate(fields):
        key = _key(index)
        by_name = not form_models(field) or may_be_absent(field) or len(form_models(field)) > 1
        title = field.param.title or (field.name.replace("_", " ").title() if by_name else None)
        info = field.field_info(title=title, alias=key, validation_alias=key, serialization_alias=key)
        parts[key] = (_annotation(field), info)
    return create_model(name, __config__=ConfigDict(json_schema_extra=partial(_compose, fields)), **parts)


def _key(index: int) -> str:
    return f"field_{index}"


def _annotation(field: ModelField) -> Any:
    """The type, with a schema that names the fields as the form does if it is one model."""
    if len(form_models(field)) != 1:
        return field.declared
    model = field.model
    arguments = (model, GetPydanticSchema(get_pydantic_json_schema=partial(_renamed, model)))
    named: Any = Annotated[arguments]
    return named if field.annotation is model else named | None


def _renamed(model: Any, core_schema: Any, handler: Any) -> dict[str, Any]:
    """A model's schema with the names by which its fields are found in a form."""
    schema: dict[str, Any] = handler(core_schema)
    found = handler.resolve_ref_schema(schema)
    renamed: dict[str, list[str]] = {}
    for field in fields_of_model(model):
        choices = getattr(field.param.validation_alias, "choices", None)
        shown = choices[0] if choices else field.param.validation_alias or field.alias
        if not isinstance(shown, str) or shown not in found.get("properties", {}):
            continue
        several = len(field.aliases) > 1 and shown in found.get("required", ())
        if several or field.aliases[0] != shown:
            renamed[shown] = field.aliases
    return _with_names(found, renamed) if renamed else schema


def _with_names(schema: dict[str, Any], renamed: dict[str, list[str]]) -> dict[str, Any]:
    # The model's own definition is everybody's; only this form has these names.
    schema = deepcopy(schema)
    schema["properties"] = {renamed.get(name, [name])[0]: value for name, value in schema["properties"].items()}
    wanted = [renamed.get(name, [name]) for name in schema.get("required", ())]
    schema["required"] = [names[0] for names in wanted if len(names) == 1]
    choices = [{"anyOf": _each_required(names)} for names in wanted if len(names) > 1]
    if choices:
        schema["allOf"] = [*schema.get("allOf", ()), *choices]
    return schema


def _each_required(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"required": [name]} for name in names]


def _compose(fields: Sequence[ModelField], schema: dict[str, Any]) -> None:
    """Puts the fields of models beside the others instead of below the models' names."""
    parts = schema.pop("properties")
    schema.pop("required", None)
    properties: dict[str, Any] = {}
    conditions: list[dict[str, Any]] = []
    required: dict[str, None] = {}
    for index, field in enumerate(fields):
        part = parts[_key(index)]
        if form_models(field):
            conditions += _conditions(field, part)
            continue
        alias = field.aliases[0]
        if alias in properties:
            conditions.append({"properties": {alias: part}})
        else:
            properties[alias] = part
        if field.required:
            required[alias] = None
    if properties:
        schema["properties"] = properties
    if required:
        schema["required"] = list(required)
    schema["allOf"] = conditions


def _conditions(field: ModelField, part: dict[str, Any]) -> list[dict[str, Any]]:
    """What a form must satisfy for the sake of a parameter that is a model."""
    part.pop("default", None)
    if not may_be_absent(field):
        return [part]
    # A model is missing if none of its fields is there; a form cannot say null.
    part["anyOf"] = [choice for choice in part["anyOf"] if choice.get("type") != "null"]
    absent = _absence(form_models(field))
    return [{"not": absent}, part] if field.required else [{"anyOf": [absent, part]}]


def _absence(models: Sequence[Any]) -> dict[str, Any]:
    """The schema of forms that have nothing of some models."""
    if any(model.model_config.get("extra") in ("allow", "forbid") for model in models):
        return {"maxProperties": 0}
    names = {alias for model in models for field in fields_of_model(model) for alias in field.aliases}
    return {"not": {"anyOf": _each_required(sorted(names))}} if names else {}


__all__ = ["form_model", "may_be_absent"]
