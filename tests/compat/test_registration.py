"""What is told when something is registered: errors and warnings that users catch as FastAPI's."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from .frameworks import framework

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pydantic.v1 import BaseModel as OldModel

both = pytest.mark.parametrize("package", ["fastapi", "covet"])


class Unknown: ...


class Item(BaseModel):
    name: str


class Old(OldModel):
    name: str


def client_of(app: Any, package: str) -> Any:
    return import_module(f"{package}.testclient").TestClient(app, raise_server_exceptions=False)


def dependency() -> None: ...


def path_with_default(f: Any) -> None:
    f.Path(default=1)


def default_in_annotated(f: Any) -> None:
    def handler(q: Annotated[int, f.Query(1)]) -> None: ...

    f.FastAPI().get("/")(handler)


def path_default_beside_annotated(f: Any) -> None:
    def handler(n: Annotated[int, f.Path()] = 1) -> None: ...

    f.FastAPI().get("/{n}")(handler)


def depends_twice(f: Any) -> None:
    def handler(q: Annotated[int, f.Depends(dependency)] = f.Depends(dependency)) -> None: ...

    f.FastAPI().get("/")(handler)


def query_and_depends(f: Any) -> None:
    def handler(q: Annotated[int, f.Query()] = f.Depends(dependency)) -> None: ...

    f.FastAPI().get("/")(handler)


def declared_twice(f: Any) -> None:
    def handler(q: Annotated[int, f.Query()] = f.Query()) -> None: ...

    f.FastAPI().get("/")(handler)


def query_in_path(f: Any) -> None:
    def handler(n: Annotated[int, f.Query()]) -> None: ...

    f.FastAPI().get("/{n}")(handler)


def list_in_path(f: Any) -> None:
    def handler(n: list[int]) -> None: ...

    f.FastAPI().get("/{n}")(handler)


def model_list_in_query(f: Any) -> None:
    def handler(q: Annotated[list[Item], f.Query()]) -> None: ...

    f.FastAPI().get("/")(handler)


def dict_in_query(f: Any) -> None:
    def handler(q: Annotated[dict[str, int] | None, f.Query()] = None) -> None: ...

    f.FastAPI().get("/")(handler)


def model_without_body(f: Any) -> None:
    f.FastAPI().get("/", status_code=204, response_model=Item)(dependency)


def further_response_without_body(f: Any) -> None:
    f.FastAPI().get("/", responses={204: {"model": Item}})(dependency)


def response_that_is_no_dict(f: Any) -> None:
    f.FastAPI().get("/", responses={404: "Not Found"})(dependency)


def prefix_without_slash(f: Any) -> None:
    f.APIRouter(prefix="items")


def prefix_that_ends_with_slash(f: Any) -> None:
    f.FastAPI().include_router(f.APIRouter(), prefix="/items/")


def router_in_itself(f: Any) -> None:
    router = f.APIRouter()
    router.include_router(router)


def routers_in_each_other(f: Any) -> None:
    one, two = f.APIRouter(), f.APIRouter()
    one.include_router(two)
    two.include_router(one)


def mount_without_slash(f: Any) -> None:
    f.FastAPI().mount("below", f.FastAPI())


def endpoint_that_cannot_be_called(f: Any) -> None:
    f.FastAPI().add_api_route("/", 3)


def dependency_that_cannot_be_called(f: Any) -> None:
    f.FastAPI().get("/", dependencies=[f.Depends()])(dependency)


def default_in_annotated_of_a_websocket(f: Any) -> None:
    async def handler(websocket: f.WebSocket, q: Annotated[int, f.Query(1)]) -> None: ...

    f.FastAPI().websocket("/")(handler)


def unknown_event(f: Any) -> None:
    f.FastAPI().router.add_event_handler("boot", dependency)


ASSERTED = [
    path_with_default,
    default_in_annotated,
    path_default_beside_annotated,
    depends_twice,
    query_and_depends,
    declared_twice,
    query_in_path,
    list_in_path,
    model_list_in_query,
    dict_in_query,
    model_without_body,
    further_response_without_body,
    response_that_is_no_dict,
    prefix_without_slash,
    prefix_that_ends_with_slash,
    router_in_itself,
    routers_in_each_other,
    mount_without_slash,
    endpoint_that_cannot_be_called,
    dependency_that_cannot_be_called,
    default_in_annotated_of_a_websocket,
    unknown_event,
]


@both
@pytest.mark.parametrize("make", ASSERTED, ids=lambda make: make.__name__)
def test_what_fastapi_asserts(package: str, make: Callable[[Any], None]) -> None:
    with pytest.raises(AssertionError):
        make(framework(package))


def unknown_parameter(f: Any) -> None:
    def handler(q: Unknown) -> None: ...

    f.FastAPI().get("/")(handler)


def unknown_result(f: Any) -> None:
    def handler() -> Unknown: ...  # type: ignore[empty-body]

    f.FastAPI().get("/")(handler)


def unknown_in_a_list(f: Any) -> None:
    f.FastAPI().get("/", response_model=list[Unknown])(dependency)


def response_or_dict(f: Any) -> None:
    def handler() -> f.Response | dict[str, int] | None: ...

    f.FastAPI().get("/")(handler)


def unknown_further_response(f: Any) -> None:
    f.FastAPI().get("/", responses={500: {"model": Unknown}})(dependency)


def unknown_in_further_list(f: Any) -> None:
    f.FastAPI().get("/", responses={500: {"model": dict[str, Unknown]}})(dependency)


def no_path_at_all(f: Any) -> None:
    router = f.APIRouter()
    router.get("")(dependency)
    f.FastAPI().include_router(router)


REFUSED = [
    unknown_parameter,
    unknown_result,
    unknown_in_a_list,
    response_or_dict,
    unknown_further_response,
    unknown_in_further_list,
    no_path_at_all,
]


@both
@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_fastapi_error(package: str, make: Callable[[Any], None]) -> None:
    with pytest.raises(import_module(f"{package}.exceptions").FastAPIError):
        make(framework(package))


def old_parameter(f: Any) -> None:
    def handler(item: Old) -> None: ...

    f.FastAPI().post("/")(handler)


def old_list(f: Any) -> None:
    f.FastAPI().post("/", response_model=list[Old])(dependency)


def old_or_none(f: Any) -> None:
    def handler() -> Old | None: ...

    f.FastAPI().post("/")(handler)


def old_value(f: Any) -> None:
    import_module(f"{f.package}.encoders").jsonable_encoder(Old(name="x"))


@both
@pytest.mark.parametrize("make", [old_parameter, old_list, old_or_none, old_value], ids=lambda make: make.__name__)
def test_models_of_pydantic_1_are_refused(package: str, make: Callable[[Any], None]) -> None:
    with pytest.raises(import_module(f"{package}.exceptions").PydanticV1NotSupportedError):
        make(framework(package))


def test_routers_of_fastapi_stay_in_its_applications() -> None:
    with pytest.raises(TypeError, match=r"app\.mount"):
        framework("covet").FastAPI().include_router(framework("fastapi").APIRouter())


@both
def test_words_about_an_unknown_result(package: str) -> None:
    with pytest.raises(import_module(f"{package}.exceptions").FastAPIError) as caught:
        response_or_dict(framework(package))
    assert "valid Pydantic field type" in str(caught.value)
    assert "parameter response_model=None" in str(caught.value)


@both
def test_a_routers_prefix_may_bring_a_declared_part_of_the_path(package: str) -> None:
    f = framework(package)
    router = f.APIRouter()

    def user(user_id: Annotated[int, f.Path(gt=0)]) -> int:
        return user_id

    @router.get("/items")
    def items(user_id: Annotated[int, f.Path()], same: Annotated[int, f.Depends(user)]) -> list[int]:
        return [user_id, same]

    app = f.FastAPI()
    app.include_router(router, prefix="/users/{user_id}")
    client = client_of(app, package)
    assert client.get("/users/3/items").json() == [3, 3]
    assert client.get("/users/0/items").status_code == 422


@both
def test_constraints_of_all_declarations_count(package: str) -> None:
    f = framework(package)
    app = f.FastAPI()

    @app.get("/")
    def handler(q: Annotated[int, f.Query(gt=2), f.Query(lt=10)]) -> int:
        return q

    client = client_of(app, package)
    assert [client.get(f"/?q={q}").status_code for q in (1, 5, 123)] == [422, 200, 422]


@both
@pytest.mark.parametrize("target", ["", "?args=1&kwargs=2", "?args=1&kwargs=2&a=x"])
def test_stars_come_from_the_query_and_go_on_by_name(package: str, target: str) -> None:
    f = framework(package)

    def stars(*args: Any, **kwargs: Any) -> list[Any]:
        return [args, kwargs]

    def typed(*args: int, **kwargs: str) -> list[Any]:
        return [args, kwargs]

    def star(*args: Any) -> None: ...

    app = f.FastAPI()
    app.get("/stars")(stars)
    app.get("/typed")(typed)
    app.get("/star")(star)

    @app.get("/below")
    def below(found: Annotated[Any, f.Depends(stars)]) -> Any:
        return found

    client = client_of(app, package)
    given = "kwargs" in target
    for path in ("/stars", "/below"):
        answer = client.get(path + target)
        assert answer.json() == [[], {"args": "1", "kwargs": "2"}] if given else answer.status_code == 422
    answer = client.get("/typed" + target)
    assert answer.json() == [[], {"args": 1, "kwargs": "2"}] if given else answer.status_code == 422
    assert client.get("/star" + target).status_code == (500 if given else 422)


def with_example(f: Any) -> None:
    f.Body(example=1)


def with_regex(f: Any) -> None:
    f.Query(None, regex="^a$")


def with_regex_of_a_header(f: Any) -> None:
    import_module(f"{f.package}.params").Header(default=None, regex="^a$")


def orjson_response(f: Any) -> None:
    import_module(f"{f.package}.responses").ORJSONResponse({})


def ujson_response(f: Any) -> None:
    import_module(f"{f.package}.responses").UJSONResponse({})


@both
@pytest.mark.parametrize(
    "make",
    [with_example, with_regex, with_regex_of_a_header, orjson_response, ujson_response],
    ids=lambda m: m.__name__,
)
def test_deprecations(package: str, make: Callable[[Any], None]) -> None:
    needed = {orjson_response: "orjson", ujson_response: "ujson"}.get(make)
    if needed is not None and package == "fastapi":
        pytest.importorskip(needed)
    category = import_module(f"{package}.exceptions").FastAPIDeprecationWarning
    with pytest.warns(category, match="deprecated") as caught:
        make(framework(package))
    # FastAPI's own level is one too many for the classes themselves.
    if package == "covet" or make is not with_regex_of_a_header:
        assert __file__ in [warning.filename for warning in caught]


@both
def test_deprecated_events(package: str) -> None:
    app = framework(package).FastAPI()
    for owner in (app, app.router):
        with pytest.warns(DeprecationWarning, match="on_event is deprecated") as caught:
            owner.on_event("startup")
        assert __file__ in [warning.filename for warning in caught]


def test_answers_of_a_deprecated_class_do_not_warn() -> None:
    f = framework("covet")
    app = f.FastAPI(default_response_class=import_module("covet.responses").ORJSONResponse)

    @app.get("/")
    def handler() -> dict[str, int]:
        return {"a": 1}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert client_of(app, "covet").get("/").json() == {"a": 1}
