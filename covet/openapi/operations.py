"""One path of the document: its operations, with their parameters, bodies and responses."""

import copy
import inspect
import warnings
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from covet.apiroute import APIRoute
from covet.bodies import BodyPlan
from covet.dependant import Dependant, is_security_scheme
from covet.dispatch import NO_BODY
from covet.encoders import jsonable_encoder
from covet.modelfield import ModelField
from covet.openapi.forms import form_model, may_be_absent
from covet.openapi.schemas import REF_PREFIX, Schemas, body_model, flat_fields
from covet.params import UNSET, Body, File, Form, Header
from covet.routing import PARAMETER
from covet.values import spelling

WITH_BODY = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"})
RANGES = {
    "1XX": "Information", "2XX": "Success", "3XX": "Redirection", "4XX": "Client Error", "5XX": "Server Error",
    "DEFAULT": "Default Response",
}  # fmt: skip
SOURCES = ("path", "query", "header", "cookie")
VALIDATION_ERROR = {
    "title": "ValidationError",
    "type": "object",
    "properties": {
        "loc": {"title": "Location", "type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "msg": {"title": "Message", "type": "string"},
        "type": {"title": "Error Type", "type": "string"},
        "input": {"title": "Input"},
        "ctx": {"title": "Context", "type": "object"},
    },
    "required": ["loc", "msg", "type"],
}
HTTP_VALIDATION_ERROR = {
    "title": "HTTPValidationError",
    "type": "object",
    "properties": {
        "detail": {"title": "Detail", "type": "array", "items": {"$ref": REF_PREFIX + "ValidationError"}},
    },
}
EVENT = {
    "type": "object",
    "properties": {
        "data": {"type": "string"},
        "event": {"type": "string"},
        "id": {"type": "string"},
        "retry": {"type": "integer", "minimum": 0},
    },
}
"""A server-sent event (OpenAPI 3.2, "Server-Sent Events")."""


class Operation:
    """What the document says of a route, whatever the method.

    Args:
        route: the route.
    """

    def __init__(self, route: APIRoute) -> None:
        self.route = route
        self.parameters: dict[str, list[ModelField]] = {source: [] for source in SOURCES}
        self.security: list[tuple[Any, list[str]]] = []
        self._collect(route.dependant, [], set(), root=True)
        self.body, self.media_type = self._find_body()
        self.callbacks = [Operation(callback) for callback in route.callbacks or () if isinstance(callback, APIRoute)]

    def _collect(self, dependant: Dependant, above: Sequence[str], seen: set[Any], *, root: bool) -> None:
        key = dependant.key
        if key in seen:
            return
        seen.add(key)
        for source in SOURCES:
            self.parameters[source] += getattr(dependant, f"{source}_params")
        scopes = list(dict.fromkeys((*above, *dependant.scopes)))
        if not root and is_security_scheme(dependant.call):
            self.security.append((inspect.unwrap(_impartial(dependant.call)), scopes))
        for dependency in dependant.dependencies:
            self._collect(dependency, scopes, seen, root=False)

    def _find_body(self) -> tuple[ModelField | None, str]:
        fields = [field for found in self.route.dependant.flat() for field in found.body_params]
        if not fields:
            return None, ""
        params = [field.param for field in fields if isinstance(field.param, Body)]
        if not BodyPlan(fields).embed:
            return self._whole_body(fields[0]), params[0].media_type
        if any(isinstance(param, File) for param in params):
            media_type = File.default_media_type
        elif forms := [param for param in params if isinstance(param, Form)]:
            found = {param.media_type for param in forms}
            several = File.default_media_type in found or len(found) > 1
            media_type = (
                File.default_media_type if several and File.default_media_type in found else forms[0].media_type
            )
        else:
            found = {param.media_type for param in params}
            media_type = found.pop() if len(found) == 1 else Body.default_media_type
        return body_model(self.route.unique_id, fields), media_type

    def _whole_body(self, field: ModelField) -> ModelField:
        if not may_be_absent(field):
            return field
        model = form_model(f"Body_{self.route.unique_id}", [field])
        return ModelField(field.name, model, param=field.param, default=field.default)

    @property
    def fields(self) -> list[ModelField]:
        """All fields whose schemas the document needs."""
        route = self.route
        if not route.include_in_schema:
            return []
        every = (self.body, route.response_field, route.stream_item_field, *route.response_fields.values())
        found = [field for field in every if field is not None]
        for callback in self.callbacks:
            found += callback.fields
        return [*found, *flat_fields(field for source in SOURCES for field in self.parameters[source])]


def _impartial(call: Any) -> Any:
    while hasattr(call, "func") and hasattr(call, "keywords"):
        call = call.func
    return call


class Writer:
    """Writes the operations of routes.

    Args:
        schemas: the schemas of all their fields.
        openapi_version: what the document is to be.
    """

    def __init__(self, schemas: Schemas, openapi_version: str = "3.1.0") -> None:
        self._schemas = schemas
        # Only OpenAPI 3.2 has a word for the items of a stream.
        self._item_key = "x-itemSchema" if openapi_version < "3.2" else "itemSchema"
        self._ids: set[str] = set()
        self.security_schemes: dict[str, Any] = {}
        self.definitions: dict[str, Any] = {}

    def path(self, operation: Operation) -> dict[str, Any]:
        """The operations of a route by method."""
        route = operation.route
        if not route.include_in_schema:
            return {}
        return {method.lower(): self._operation(operation, method) for method in route.methods}

    def _operation(self, operation: Operation, method: str) -> dict[str, Any]:
        route = operation.route
        found = self._metadata(route, method)
        if security := self._security(operation):
            found["security"] = security
        if parameters := self._parameters(operation):
            found["parameters"] = parameters
        if operation.body is not None and method in WITH_BODY:
            found["requestBody"] = self._request_body(operation.body, operation.media_type)
        if operation.callbacks or route.callbacks:
            found["callbacks"] = {
                callback.route.name: {callback.route.path: self.path(callback)} for callback in operation.callbacks
            }
        found["responses"] = self._responses(route)
        needs = operation.body is not None or any(operation.parameters.values())
        if needs and not any(status in found["responses"] for status in ("422", "4XX", "default")):
            found["responses"]["422"] = self._validation_error()
        if route.openapi_extra:
            merge(found, route.openapi_extra)
        return found

    def _metadata(self, route: APIRoute, method: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if route.tags:
            found["tags"] = route.tags
        found["summary"] = route.summary or route.name.replace("_", " ").title()
        if route.description:
            found["description"] = route.description
        number = route.operation_id or route.unique_id
        if route.operation_id is None and len(route.methods) > 1:
            # Each of a route's operations has an id of its own.
            stem, _, last = number.rpartition("_")
            number = f"{stem}_{method.lower()}" if last.upper() in route.methods else f"{number}_{method.lower()}"
        if number in self._ids:
            where = getattr(route.endpoint, "__globals__", {}).get("__file__")
            name = getattr(route.endpoint, "__name__", "<unnamed_endpoint>")
            message = f"Duplicate Operation ID {number} for function {name}{f' at {where}' if where else ''}"
            warnings.warn(message, stacklevel=1)
        self._ids.add(number)
        found["operationId"] = number
        if route.deprecated:
            found["deprecated"] = route.deprecated
        return found

    def _security(self, operation: Operation) -> list[dict[str, list[str]]]:
        wanted: dict[str, list[str]] = {}
        for scheme, scopes in operation.security:
            self.security_schemes[scheme.scheme_name] = _of_scheme(scheme.model)
            known = wanted.setdefault(scheme.scheme_name, [])
            known += [scope for scope in scopes if scope not in known]
        return [{name: scopes} for name, scopes in wanted.items()]

    def _parameters(self, operation: Operation) -> list[dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        hidden: set[str] = set()
        required: dict[tuple[str, str], dict[str, Any]] = {}
        for source in SOURCES:
            for parent in operation.parameters[source]:
                if not parent.param.include_in_schema:
                    hidden.add(parent.aliases[0])
                    continue
                optional = parent.model is not None and parent.annotation is not parent.model and not parent.required
                for field in flat_fields([parent]):
                    parameter = self._parameter(field, parent, source, optional=optional)
                    key = (source, parameter["name"])
                    found[key] = parameter
                    if parameter["required"]:
                        required[key] = parameter
        for name in PARAMETER.findall(operation.route.path):
            # Whoever calls must give those too that no function asks for.
            if name[0] not in hidden:
                found.setdefault(("path", name[0]), _unasked(name[0]))
        return list({**found, **required}.values())

    def _parameter(self, field: ModelField, parent: ModelField, source: str, *, optional: bool) -> dict[str, Any]:
        alias = field.aliases[0]
        converts = source == "header" and parent.model is not None
        converts = converts and (not isinstance(parent.param, Header) or parent.param.convert_underscores)
        param = field.param
        found: dict[str, Any] = {
            "name": spelling(field, alias, converts),
            "in": source,
            "required": field.required and not optional,
            "schema": self._schemas.of(field, alias),
        }
        if param.description:
            found["description"] = param.description
        if param.openapi_examples:
            found["examples"] = jsonable_encoder(param.openapi_examples)
        elif param.example is not UNSET:
            found["example"] = jsonable_encoder(param.example)
        if param.deprecated:
            found["deprecated"] = True
        return found

    def _request_body(self, field: ModelField, media_type: str) -> dict[str, Any]:
        content: dict[str, Any] = {"schema": self._schemas.of(field)}
        if field.param.openapi_examples:
            content["examples"] = jsonable_encoder(field.param.openapi_examples)
        elif field.param.example is not UNSET:
            content["example"] = jsonable_encoder(field.param.example)
        found: dict[str, Any] = {"required": True} if field.required else {}
        found["content"] = {media_type: content}
        return found

    # ---- responses --------------------------------------------------------------

    def _responses(self, route: APIRoute) -> dict[str, Any]:
        status = str(_status_of(route))
        own: dict[str, Any] = {"description": route.response_description}
        if route.declared_status not in NO_BODY:
            content = self._content(route)
            if content is not None:
                own["content"] = content
        found: dict[str, Any] = {status: own}
        for key, response in route.responses.items():
            self._add(found, route, key, response)
        return found

    def _content(self, route: APIRoute) -> dict[str, Any] | None:
        item = route.stream_item_field
        if route.is_generator and route.default_class:
            return {"application/jsonl": {self._item_key: {} if item is None else self._schemas.of(item)}}
        if route.is_generator and any(kind.__name__ == "EventSourceResponse" for kind in route.response_class.__mro__):
            event: dict[str, Any] = copy.deepcopy(EVENT)
            if item is not None:
                event["required"] = ["data"]
                event["properties"]["data"] = {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": self._schemas.of(item),
                }
            return {"text/event-stream": {self._item_key: event}}
        media_type = route.response_class.media_type
        if not media_type:
            return None
        schema: dict[str, Any] = {"type": "string"}
        if any(kind.__name__ == "JSONResponse" for kind in route.response_class.__mro__):  # Starlette's as well
            schema = {} if route.response_field is None else self._schemas.of(route.response_field)
        return {media_type: {"schema": schema}}

    def _add(self, found: dict[str, Any], route: APIRoute, key: int | str, response: Mapping[str, Any]) -> None:
        """Adds what `responses` says of a status."""
        more: dict[str, Any] = copy.deepcopy(dict(response))
        more.pop("model", None)
        name = str(key).upper()
        own = found.setdefault("default" if name == "DEFAULT" else name, {})
        field = route.response_fields.get(key)
        if field is not None:
            media_type = route.response_class.media_type or "application/json"
            schema = more.setdefault("content", {}).setdefault(media_type, {}).setdefault("schema", {})
            merge(schema, self._schemas.of(field))
        words = RANGES.get(name) or (HTTPStatus(int(key)).phrase if int(key) in _STATUSES else None)
        described = more.get("description") or own.get("description") or words or "Additional Response"
        merge(own, more)
        own["description"] = described

    def _validation_error(self) -> dict[str, Any]:
        self.definitions["ValidationError"] = VALIDATION_ERROR
        self.definitions["HTTPValidationError"] = HTTP_VALIDATION_ERROR
        schema = {"$ref": REF_PREFIX + "HTTPValidationError"}
        return {"description": "Validation Error", "content": {"application/json": {"schema": schema}}}


def _unasked(name: str) -> dict[str, Any]:
    schema = {"type": "string", "title": name.title().replace("_", " ")}
    return {"name": name, "in": "path", "required": True, "schema": schema}


_STATUSES = frozenset(int(status) for status in HTTPStatus)


def _status_of(route: APIRoute) -> int:
    if route.declared_status is not None:
        return route.declared_status
    parameter = inspect.signature(route.response_class.__init__).parameters.get("status_code")
    return parameter.default if parameter is not None and isinstance(parameter.default, int) else 200


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Puts a mapping into another one, members of members too; lists are put together."""
    for key, value in more.items():
        if isinstance(into.get(key), dict) and isinstance(value, Mapping):
            merge(into[key], value)
        elif isinstance(into.get(key), list) and isinstance(value, list):
            into[key] = into[key] + value
        else:
            into[key] = value


def _of_scheme(model: Any) -> Any:
    """What the document says of a security scheme; FastAPI's own are pydantic models."""
    if hasattr(model, "model_dump"):
        return model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return model.openapi()
