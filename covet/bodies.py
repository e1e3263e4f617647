"""The body of a request: read once, before anything else, and then divided among the parameters that want it."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from covet.annotations import is_bytes, is_bytes_sequence, is_upload, members, sequence_of
from covet.exceptions import HTTPException, RequestValidationError
from covet.formunions import union_models
from covet.modelfield import Errors, ModelField, fields_of_model, missing
from covet.params import UNSET, File, Form
from covet.values import Values, extras

FormLimits = Mapping[str, Any]


class BodyPlan:
    """How a route reads its body.

    Args:
        fields: the body parameters of the handler and all its dependencies.
        strict_content_type: a body without a JSON content type is not read as JSON.
        form_limits: limits of forms; see `Request.form`.
    """

    def __init__(
        self, fields: Sequence[ModelField], *, strict_content_type: bool = True, form_limits: FormLimits | None = None
    ) -> None:
        self.fields = fields
        self.embed = _embeds(fields)
        self.is_form = any(isinstance(field.param, Form) for field in fields)
        self._strict = strict_content_type
        self._limits = dict(form_limits or {})

    async def read(self, request: Any) -> Any:
        """The body: a form, a value of JSON, or bytes; UNSET if there is none.

        Raises:
            RequestValidationError: it is not the JSON that it should be.
            HTTPException: it cannot be read.
        """
        try:
            if self.is_form:
                return await request.form(**self._limits)
            body = await request.body()
            if not body:
                return UNSET
            content_type = request.headers.get("content-type")
            if is_json_type(content_type) if content_type else not self._strict:
                return await request.json()
            return body
        except json.JSONDecodeError as error:
            raise RequestValidationError([json_error(error)], body=error.doc) from error
        except HTTPException:
            raise
        except Exception as error:
            raise HTTPException(400, "There was an error parsing the body") from error


def is_json_type(content_type: str) -> bool:
    """Whether a content type is application/json or some application/*+json."""
    kind = content_type.partition(";")[0].strip().lower()
    main, _, sub = kind.partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def json_error(error: json.JSONDecodeError) -> dict[str, Any]:
    """The error of a body that is not JSON."""
    return {
        "type": "json_invalid",
        "loc": ("body", error.pos),
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": error.msg},
    }


def _embeds(fields: Sequence[ModelField]) -> bool:
    """Whether the parameters are members of the body's object."""
    if not fields:
        return False
    if len({field.name for field in fields}) > 1:
        return True
    first = fields[0]
    if form_models(first) and any(field.declared is not first.declared for field in fields):
        return True  # dependencies use one name for different models
    if getattr(first.param, "embed", None):
        return True
    return isinstance(first.param, Form) and not form_models(first)


def form_models(field: ModelField) -> list[Any]:
    """The pydantic models of which a form is one as a whole."""
    if not isinstance(field.param, Form) or field.param.embed or field.is_json:
        return []
    return [field.model] if field.model is not None else union_models(field.annotation)


async def take_body(fields: Sequence[ModelField], plan: BodyPlan, body: Any, values: Values, errors: Errors) -> None:
    """Adds the fields' values to `values`, and what is wrong with them to `errors`.

    Args:
        fields: the body parameters of one dependant.
        plan: how the route reads its body.
        body: what `plan.read` gave.
        values: by the parameters' names.
        errors: as pydantic has them.
    """
    form = plan.is_form and body is not UNSET
    if len(fields) == 1 and not plan.embed and not form_models(fields[0]):
        at = len(errors)
        value = fields[0].validate(body, ("body",), errors)
        if len(errors) == at:
            values[fields[0].name] = value
        return
    picked = await _picked(fields, body) if form else {}
    for field in fields:
        await _take_member(field, body, picked if form else None, values, errors)


async def _take_member(
    field: ModelField, body: Any, picked: Mapping[str, tuple[str, Any]] | None, values: Values, errors: Errors
) -> None:
    loc: tuple[str | int, ...] = ("body", field.aliases[0])
    value: Any = UNSET
    if picked is not None and form_models(field):
        value, loc = await _form_model(field, body), ("body",)
    elif picked is not None:
        alias, value = picked.get(field.name, (field.aliases[0], UNSET))
        loc = ("body", alias)
    elif body is not UNSET and not isinstance(body, bytes):
        if not isinstance(body, dict):
            errors.append(missing(loc))
            return
        alias = next((name for name in field.aliases if name in body), field.aliases[0])
        loc, value = ("body", alias), body.get(alias, UNSET)
    at = len(errors)
    result = field.validate(value, loc, errors)
    if len(errors) == at:
        values[field.name] = result


# ---- forms -----------------------------------------------------------------------


async def _picked(fields: Sequence[ModelField], form: Any) -> dict[str, tuple[str, Any]]:
    """The alias and the value of each field that the form has."""
    found = {}
    async for alias, value, field in _form_items([f for f in fields if not form_models(f)], form):
        if field is not None:
            found[field.name] = (alias, value)
    return found


async def _form_model(field: ModelField, form: Any) -> Any:
    models = form_models(field)
    if type(None) in members(field.annotation) and not any(_has_some(form, model) for model in models):
        return UNSET
    # Of several models each picks its own.
    parts = fields_of_model(models[0]) if len(models) == 1 else []
    return {alias: value async for alias, value, _ in _form_items(parts, form)}


def _has_some(form: Any, model: Any) -> bool:
    """Whether a form has anything for a model."""
    names = {alias for part in fields_of_model(model) for alias in part.aliases}
    return not names.isdisjoint(form) or (model.model_config.get("extra") in ("allow", "forbid") and bool(form))


async def _form_items(fields: Sequence[ModelField], form: Any) -> AsyncIterator[tuple[str, Any, ModelField | None]]:
    """What a form has; uploaded files as bytes where that is wanted."""
    for alias, value, field in form_items(fields, form):
        yield alias, await _as_bytes(field, value) if field and isinstance(field.param, File) else value, field


def form_items(fields: Sequence[ModelField], form: Any) -> Iterator[tuple[str, Any, ModelField | None]]:
    """What a form has, for each field and under names that no field has."""
    done: set[str] = set()
    for field in fields:
        done.update(field.aliases)
        for alias in field.aliases:
            value = _form_value(field, form, alias)
            if value is not UNSET:
                yield alias, value, field
                break
    for key, value in extras(form, done):
        yield key, value, None


def _form_value(field: ModelField, form: Any, alias: str) -> Any:
    if field.is_sequence:
        return [item for item in form.getlist(alias) if not _is_empty_file(item)] or UNSET
    value = form.get(alias)
    return UNSET if value is None or (isinstance(value, str) and value == "") or _is_empty_file(value) else value


def _is_empty_file(value: Any) -> bool:
    """Whether it is what a browser sends where no file was chosen."""
    return is_upload(type(value)) and value.filename == "" and value.size == 0


async def _as_bytes(field: ModelField, value: Any) -> Any:
    """Uploaded files as bytes, where the parameter is bytes."""
    if is_bytes(field.annotation) and is_upload(type(value)):
        return await _contents(value)
    if is_bytes_sequence(field.annotation) and isinstance(value, list):
        items = [await _contents(item) if is_upload(type(item)) else item for item in value]
        return sequence_of(field.annotation, items)
    return value


async def _contents(file: Any) -> bytes:
    # Other parameters may have the same file.
    position = file.file.tell()
    try:
        data: bytes = await file.read()
        return data
    finally:
        await file.seek(position)
