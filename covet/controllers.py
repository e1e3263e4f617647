"""Handlers that belong together, as the methods of a class."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar, Unpack

from covet.apiroute import RouteOptions
from covet.dependant import signature_of
from covet.params import Depends
from covet.routers import APIRouter

Method = TypeVar("Method", bound=Callable[..., Any])

MARK = "__covet_routes__"


def route(path: str, methods: Sequence[str] = ("GET",), **options: Unpack[RouteOptions]) -> Callable[[Method], Method]:
    """Marks a method of a Controller as a handler; see `CovetPy.add_api_route` for the options.

    Args:
        path: the path after the controller's prefix.
        methods: the methods that it answers.
        options: see RouteOptions.
    """

    def mark(method: Method) -> Method:
        marks = getattr(method, MARK, ())
        setattr(method, MARK, (*marks, (path, tuple(methods), options)))
        return method

    return mark


def get(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[Method], Method]:
    """`route` for GET."""
    return route(path, ("GET",), **options)


def post(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[Method], Method]:
    """`route` for POST."""
    return route(path, ("POST",), **options)


def put(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[Method], Method]:
    """`route` for PUT."""
    return route(path, ("PUT",), **options)


def patch(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[Method], Method]:
    """`route` for PATCH."""
    return route(path, ("PATCH",), **options)


def delete(path: str = "", **options: Unpack[RouteOptions]) -> Callable[[Method], Method]:
    """`route` for DELETE."""
    return route(path, ("DELETE",), **options)


class Controller:
    """A class whose marked methods are handlers; `app.include_router(Items)` includes them.

    A class whose `__init__` takes nothing is made once. One with parameters is a dependency: it is made for each
    request, with what its parameters want from it.

    Attributes:
        prefix: what the paths begin with, such as "/items".
        tags: tags of all its routes, in the OpenAPI document.
        dependencies: dependencies of all its routes, whose results nobody wants.
        router_options: further arguments of the APIRouter.
    """

    prefix: ClassVar[str] = ""
    tags: ClassVar[Sequence[str]] = ()
    dependencies: ClassVar[Sequence[Any]] = ()
    router_options: ClassVar[dict[str, Any]] = {}

    @classmethod
    def router(cls) -> APIRouter:
        """The routes of the class, in the order in which they stand in it."""
        found = APIRouter(
            prefix=cls.prefix, tags=list(cls.tags), dependencies=list(cls.dependencies), **cls.router_options
        )
        shared = None if inspect.signature(cls).parameters else cls()
        for name, method in _marked(cls):
            handler = getattr(shared, name) if shared is not None else _with_instance(cls, method)
            for path, methods, options in getattr(method, MARK):
                found.add_api_route(path, handler, methods=methods, **options)
        return found


def _marked(cls: type[Controller]) -> list[tuple[str, Callable[..., Any]]]:
    """The marked methods by name; those of classes above come first, unless they are overridden."""
    names: dict[str, None] = {}
    for kind in reversed(cls.__mro__):
        names.update(dict.fromkeys(kind.__dict__))
    return [(name, method) for name in names if hasattr(method := getattr(cls, name), MARK)]


def _with_instance(cls: type[Controller], method: Callable[..., Any]) -> Callable[..., Any]:
    """The method as a function whose `self` is a dependency."""
    signature = signature_of(method)
    own, *others = signature.parameters.values()
    instance = own.replace(kind=own.KEYWORD_ONLY, default=Depends(cls), annotation=cls)
    keywords = [other.replace(kind=other.KEYWORD_ONLY) for other in others]

    call: Any
    if inspect.iscoroutinefunction(method):

        async def in_task(**values: Any) -> Any:
            return await method(**values)

        call = in_task
    else:

        def directly(**values: Any) -> Any:
            return method(**values)

        call = directly
    call.__wrapped__ = method
    call.__name__, call.__qualname__, call.__doc__ = method.__name__, method.__qualname__, method.__doc__
    call.__module__ = method.__module__
    call.__signature__ = signature.replace(parameters=[instance, *keywords])
    made: Callable[..., Any] = call
    return made
