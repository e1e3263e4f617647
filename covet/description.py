"""What the OpenAPI document says of an application."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covet.routers import APIRouter


class Described:
    """An application's OpenAPI document, of what the application's attributes say."""

    title: str
    version: str
    summary: str | None
    description: str
    terms_of_service: str | None
    contact: Mapping[str, Any] | None
    license_info: Mapping[str, Any] | None
    openapi_tags: Sequence[Mapping[str, Any]] | None
    openapi_external_docs: Mapping[str, Any] | None
    servers: list[Mapping[str, Any]]
    separate_input_output_schemas: bool
    router: "APIRouter"
    webhooks: "APIRouter"
    openapi_schema: dict[str, Any] | None
    _described: int
    _documented: bool

    openapi_version = "3.1.0"

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; it is kept in `openapi_schema` until there are more routes."""
        count = len(self.router.routes)
        if self.openapi_schema is None or self._described != count:
            from covet.openapi.utils import get_openapi

            self._described = count
            self.openapi_schema = get_openapi(
                title=self.title,
                version=self.version,
                openapi_version=self.openapi_version,
                summary=self.summary,
                description=self.description,
                routes=self.router.routes,
                webhooks=self.webhooks.routes,
                tags=self.openapi_tags,
                servers=self.servers,
                terms_of_service=self.terms_of_service,
                contact=self.contact,
                license_info=self.license_info,
                separate_input_output_schemas=self.separate_input_output_schemas,
                external_docs=self.openapi_external_docs,
            )
        return self.openapi_schema

    def add_document(self) -> None:
        """Adds the routes of the OpenAPI document and its pages, behind all others; once, before it is served."""
        if not self._documented:
            self._documented = True
            from covet.openapi.routes import document_routes

            app: Any = self
            for route in document_routes(app):
                self.router._register(route)
