"""The whole document."""

from collections.abc import Mapping, Sequence
from typing import Any

from covet.apiroute import APIRoute
from covet.encoders import jsonable_encoder
from covet.openapi.operations import Operation, Writer
from covet.openapi.schemas import Schemas
from covet.routing import Route


def get_openapi(
    *,
    title: str,
    version: str,
    openapi_version: str = "3.1.0",
    summary: str | None = None,
    description: str | None = None,
    routes: Sequence[Route],
    webhooks: Sequence[Route] | None = None,
    tags: Sequence[Mapping[str, Any]] | None = None,
    servers: Sequence[Mapping[str, Any]] | None = None,
    terms_of_service: str | None = None,
    contact: Mapping[str, Any] | None = None,
    license_info: Mapping[str, Any] | None = None,
    separate_input_output_schemas: bool = True,
    external_docs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The OpenAPI document of some routes.

    Args:
        title, version, summary, description, terms_of_service, contact, license_info: what the document's info says.
        openapi_version: the version of OpenAPI that it names.
        routes: the routes; those without a handler that can be described are left out.
        webhooks: routes that stand for requests which the application makes.
        tags: tags with their descriptions, in order.
        servers: where the application can be found.
        separate_input_output_schemas: types have one schema for requests and one for responses where these differ.
        external_docs: where there is more to read.

    Returns:
        The document: see the OpenAPI Specification 3.1.
    """
    operations = [Operation(route) for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
    hooks = [Operation(route) for route in webhooks or () if isinstance(route, APIRoute) and route.include_in_schema]
    fields = [field for operation in (*operations, *hooks) for field in operation.fields]
    schemas = Schemas(fields, separate=separate_input_output_schemas)
    writer = Writer(schemas, openapi_version)
    info = {
        "title": title,
        "summary": summary,
        "description": description,
        "termsOfService": terms_of_service,
        "contact": _with_url(contact),
        "license": _with_url(license_info),
        "version": version,
    }
    document: dict[str, Any] = {
        "openapi": openapi_version,
        "info": {name: value for name, value in info.items() if value},
    }
    if servers:
        document["servers"] = list(servers)
    document["paths"] = _paths(writer, operations)
    hooked = _paths(writer, hooks)
    if hooked:
        document["webhooks"] = hooked
    definitions = {**schemas.definitions, **writer.definitions}
    components: dict[str, Any] = {}
    if definitions:
        components["schemas"] = {name: definitions[name] for name in sorted(definitions)}
    if writer.security_schemes:
        components["securitySchemes"] = writer.security_schemes
    if components:
        document["components"] = components
    if tags:
        document["tags"] = [_with_documentation(tag) for tag in tags]
    if external_docs:
        document["externalDocs"] = _with_url(external_docs)
    encoded: dict[str, Any] = jsonable_encoder(document, by_alias=True, exclude_none=True)
    return encoded


def _paths(writer: Writer, operations: Sequence[Operation]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.route.path_format, {}).update(writer.path(operation))
    return paths


def _with_url(described: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The same with its URL in normal form, as FastAPI has it."""
    if not described or not isinstance(described.get("url"), str):
        return described
    from pydantic import AnyUrl, TypeAdapter, ValidationError

    try:
        return {**described, "url": str(TypeAdapter(AnyUrl).validate_python(described["url"]))}
    except ValidationError:
        return described


def _with_documentation(tag: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**tag, "externalDocs": _with_url(tag["externalDocs"])} if tag.get("externalDocs") else tag
