"""Forms and files: fields, models, uploads, forms that are over a limit or cannot be read."""

# ruff: noqa: B008
from typing import Annotated, Any

from pydantic import BaseModel, Field


class Person(BaseModel):
    name: str
    age: int = Field(default=3, ge=0)
    tags: list[str] = []


class Exact(BaseModel):
    model_config = {"extra": "forbid"}

    name: str


def build(fw: Any) -> Any:
    app = fw.FastAPI(form_limits={"max_files": 3, "max_fields": 6, "max_part_size": 2048})
    Form, File, UploadFile, Request = fw.Form, fw.File, fw.UploadFile, fw.Request

    @app.post("/login")
    async def login(username: Annotated[str, Form()], password: Annotated[str, Form(min_length=3)]):
        return [username, password]

    @app.post("/number")
    async def number(n: int = Form(1, gt=0), many: list[int] = Form([])):
        return [n, many]

    @app.post("/person")
    async def person(person: Annotated[Person, Form()]):
        return person

    @app.post("/exact")
    async def exact(person: Annotated[Exact, Form()]):
        return person

    @app.post("/file")
    async def file(file: UploadFile):
        return [file.filename, file.size, file.content_type, (await file.read()).decode("latin-1")]

    @app.post("/file-none")
    async def file_none(file: UploadFile | None = None):
        return None if file is None else file.filename

    @app.post("/bytes")
    async def bytes_(file: Annotated[bytes, File()]):
        return len(file)

    @app.post("/bytes-list")
    async def bytes_list(files: Annotated[list[bytes], File()]):
        return [len(file) for file in files]

    @app.post("/files")
    async def files(files: list[UploadFile], note: Annotated[str, Form()] = "none"):
        return [[file.filename for file in files], note]

    @app.post("/described")
    async def described(file: Annotated[UploadFile, File(description="a file")], n: Annotated[int, Form()]):
        return [file.filename, file.headers.get("content-disposition"), n]

    @app.post("/sync")
    def sync(file: UploadFile):
        file.file.seek(1)
        return file.file.read().decode()

    @app.post("/by-hand")
    async def by_hand(request: Request):
        form = await request.form()
        assert form is await request.form()
        return [[key, value if isinstance(value, str) else value.filename] for key, value in form.multi_items()]

    @app.post("/by-hand-limited")
    async def by_hand_limited(request: Request):
        async with request.form(max_fields=1, max_files=0, max_part_size=10) as form:
            return list(form)

    return app


FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTI = {"content-type": "multipart/form-data; boundary=B"}


def form(target: str, content: bytes | str) -> tuple[str, dict[str, Any]]:
    return target, {"method": "POST", "content": content, "headers": FORM}


def multi(target: str, content: bytes, content_type: str = MULTI["content-type"]) -> tuple[str, dict[str, Any]]:
    return target, {"method": "POST", "content": content, "headers": {"content-type": content_type}}


def part(head: str, data: bytes = b"x") -> bytes:
    return f"--B\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


END = b"--B--\r\n"
FIELD = 'Content-Disposition: form-data; name="{}"'
FILE = 'Content-Disposition: form-data; name="{}"; filename="{}"'

REQUESTS: list[tuple[str, dict[str, Any]]] = [
    *(
        form("/login", content)
        for content in (
            "username=a&password=secret",
            "username=a+b%20c&password=%C3%A9%E2%82%AC%zz",
            "username=a&password=ab",
            "username=a",
            "username=&password=",
            "",
            "username=a&username=b&password=xyz;",
            "&&username=a&&password=abc&",
            "username",
            "=a&b",
            b"username=\xff&password=\x00\x01\x02\x03",
            "username=" + "x" * 3000 + "&password=abc",
            "&".join(f"a{i}=1" for i in range(7)),
            "&".join(f"a{i}=1" for i in range(5)),
        )
    ),
    ("/login", {"method": "POST", "json": {"username": "a", "password": "secret"}}),
    ("/login", {"method": "POST"}),
    ("/login", {"method": "POST", "data": {"username": "a", "password": "xyz"}, "files": {"f": b"1"}}),
    *(form("/number", content) for content in ("", "n=2", "n=0", "n=x", "many=1&many=2", "many=", "n=1&many=x&many=2")),
    *(form("/person", c) for c in ("name=a", "name=a&age=4", "age=-1", "name=a&tags=x&tags=y", "name=", "age=x&b=1")),
    *(form("/exact", content) for content in ("name=a", "name=a&more=1", "", "more=1")),
    ("/file", {"method": "POST", "files": {"file": ("a.txt", b"hello", "text/plain")}}),
    ("/file", {"method": "POST", "files": {"file": ("caf\u00e9 \u20ac.txt", b"\xff\x00", "image/png")}}),
    ("/file", {"method": "POST", "files": {"other": ("a.txt", b"hello")}}),
    ("/file", {"method": "POST", "data": {"file": "text"}}),
    ("/file", {"method": "POST", "data": {"file": "text"}, "files": {"x": b"1"}}),
    ("/file", {"method": "POST", "files": {"file": ("", b"")}}),
    ("/file", {"method": "POST", "files": {"file": ("a", b"")}}),
    ("/file", {"method": "POST", "files": [("file", ("a", b"1")), ("file", ("b", b"2"))]}),
    ("/file", {"method": "POST"}),
    ("/file-none", {"method": "POST"}),
    ("/file-none", {"method": "POST", "files": {"file": ("a.txt", b"hello", "text/plain")}}),
    multi("/file-none", part(FILE.format("file", ""), b"") + END),
    ("/bytes", {"method": "POST", "files": {"file": b"x" * 5000}}),
    ("/bytes", {"method": "POST", "data": {"file": "text"}}),
    ("/bytes-list", {"method": "POST", "files": [("files", b"1"), ("files", b"22")]}),
    ("/bytes-list", {"method": "POST", "files": [("files", b"1")]}),
    ("/files", {"method": "POST", "files": [("files", ("a", b"1")), ("files", ("b", b"2"))]}),
    ("/files", {"method": "POST", "files": [("files", ("a", b"1"))], "data": {"note": "yes"}}),
    ("/files", {"method": "POST", "files": [("files", (str(i), b"1")) for i in range(4)]}),
    ("/files", {"method": "POST"}),
    ("/described", {"method": "POST", "files": {"file": ("a", b"1")}, "data": {"n": "5"}}),
    ("/described", {"method": "POST", "files": {"file": ("a", b"1")}, "data": {"n": "x"}}),
    ("/sync", {"method": "POST", "files": {"file": ("a", b"123")}}),
    *(
        multi(target, content)
        for target in ("/by-hand", "/by-hand-limited", "/login")
        for content in (
            part(FIELD.format("username")) + part(FIELD.format("password"), b"abc") + END,
            part(FIELD.format("a")) + END,
            part(FIELD.format("a")),
            part(FIELD.format("a"), b"x" * 11) + END,
            part(FIELD.format("a"), b"x" * 2049) + END,
            part(FIELD.format("a"), "\u00e9".encode()) + END,
            part(FIELD.format("a"), b"\xff") + END,
            part(FILE.format("a", "b"), b"x" * 5000) + END,
            part(FILE.format("a", "C:\\\\b\\\\c.txt")) + END,
            part(FILE.format("a", '\\"q\\"')) + END,
            part("Content-Disposition: form-data") + END,
            part("X: y") + END,
            part("content-disposition: form-data; name=plain") + END,
            part(FIELD.format("a") + "; filename*=UTF-8''x.txt") + END,
            b"".join(part(FIELD.format(f"a{i}")) for i in range(7)) + END,
            b"".join(part(FILE.format(f"a{i}", "f")) for i in range(4)) + END,
            b"preamble\r\n" + part(FIELD.format("a")) + END + b"epilogue",
            b"",
            END,
            b"--B",
            b"--C\r\n",
            b"--B\r\nno colon\r\n\r\nx\r\n" + END,
            b"--B\r\n" + b"A: b\r\n" * 20 + b"\r\nx\r\n" + END,
            b"--B\r\nA: " + b"x" * 9000 + b"\r\n\r\nx\r\n" + END,
            part(FIELD.format("a")).replace(b"\r\n", b"\n") + END,
        )
    ),
    *(
        multi("/by-hand", part(FIELD.format("a"), b"\xe9") + END, content_type)
        for content_type in (
            "multipart/form-data",
            "multipart/form-data; boundary=",
            'Multipart/Form-Data; Boundary="B"',
            "multipart/form-data; boundary=B; charset=latin-1",
            "multipart/form-data; boundary=B; charset=nonsense",
            "multipart/form-data; boundary=B; charset=utf-16",
            "multipart/form-data; boundary=" + "B" * 300,
            "multipart/mixed; boundary=B",
            "text/plain",
            "",
            ";",
        )
    ),
    form("/by-hand", "a=1&b=2&a=3"),
    form("/by-hand-limited", "a=1&b=2"),
    form("/by-hand-limited", "a=12345678901"),
]
