"""What Flask applications do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, request, send_file, stream_with_context

app = Flask(__name__)
ended: list[str] = []


@app.teardown_request
def teardown(error: BaseException | None) -> None:
    ended.append(request.path)


@app.get("/hello/<name>")
def hello(name: str) -> Any:
    return {"name": name, "q": request.args.get("q"), "url": request.url}


@app.get("/server")
def server() -> Any:
    return {"process": os.getpid(), "multiprocess": request.is_multiprocess, "multithread": request.is_multithread}


@app.post("/upload")
def upload() -> Any:
    return {"size": len(request.get_data())}


@app.post("/form")
def form() -> Any:
    file = request.files["file"]
    return {"name": request.form["name"], "size": len(file.read())}


@app.get("/stream")
def stream() -> Response:
    def parts() -> Iterator[str]:
        for number in range(3):
            yield f"{number} {request.path}\n"

    return Response(stream_with_context(parts()))


@app.get("/source")
def source() -> Response:
    return send_file(__file__)


@app.get("/ended")
def list_ended() -> Any:
    return ended


@app.get("/error")
def error() -> Any:
    raise LookupError("nowhere")
