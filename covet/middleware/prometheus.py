"""Figures of requests, for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

import json
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from time import perf_counter
from typing import Any

from covet.asgi.head import ScopeHead
from covet.filestreams import FileStream
from covet.middleware.base import AsgiApp, Layer, Receive, RequestResponseEndpoint, Scope, Send
from covet.requests import Request
from covet.responses import Response
from covet.routing import last_resorts
from covet.streaming import StreamingResponse
from covet.tally import Tally, tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DEFAULT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
OTHER = "other"
"""Stands for methods and paths of which there would be too many."""

DONE, GOING = b"done ", b"going "


class PrometheusMiddleware(Layer):
    """Counts requests and measures how long they take, and answers with the figures of all workers.

    The metrics are `http_requests_total` and `http_request_duration_seconds`, a histogram, by method, path of the
    route and status, and `http_requests_in_progress` by method. Metrics of one's own that are made with the package
    prometheus_client come after them.

    Args:
        app: the application inside.
        endpoint: the path that answers with the figures; None: `render` is called by a route of one's own.
        buckets: the upper limits of the histogram's buckets in seconds.
        prefix: what the names of the metrics begin with.
        exclude: paths of requests that do not count.
    """

    def __init__(
        self,
        app: AsgiApp,
        endpoint: str | None = "/metrics",
        *,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        prefix: str = "http",
        exclude: Iterable[str] = (),
    ) -> None:
        self.app = app
        self.prefix = prefix
        self.buckets = tuple(sorted(buckets))
        self.tally: Tally = tally()
        self._endpoint = None if endpoint is None else endpoint.encode()
        self._excluded = frozenset(path.encode() for path in exclude)
        self._rows: dict[tuple[str, str, int], int] = {}
        self._going: dict[str, tuple[int, list[int]]] = {}

    # ---- measuring ---------------------------------------------------------------

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answers a request and notes how that went; a stream has taken until its end."""
        x = request.exchange
        path = x.raw_path
        if path == self._endpoint and x.method == "GET":
            return Response(render(self.tally, self.prefix, self.buckets), media_type=CONTENT_TYPE)
        if path in self._excluded:
            return await call_next(request)
        method, began = self._begin(x.method)
        status = 500
        try:
            response = await call_next(request)
            status = response.status_code
            # The time that a file takes is the client's, and the engine sends only what nobody has taken in hand.
            if isinstance(response, StreamingResponse) and not isinstance(response, FileStream):
                pieces = response.body_iterator
                response.body_iterator = self._to_the_end(pieces, request, method, status, began)
                method = ""
            return response
        finally:
            if method:
                self._end(method, _path_of(request), status, began)

    async def _to_the_end(
        self, pieces: AsyncIterable[Any], request: Request, method: str, status: int, began: float
    ) -> AsyncIterator[Any]:
        try:
            async for piece in pieces:
                yield piece
        finally:
            self._end(method, _path_of(request), status, began)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI 3 connection; only HTTP counts."""
        head = ScopeHead(scope) if scope["type"] == "http" else None
        if head is None or head.raw_path in self._excluded:
            await self.app(scope, receive, send)
            return
        if head.raw_path == self._endpoint and head.method == "GET":
            response = Response(render(self.tally, self.prefix, self.buckets), media_type=CONTENT_TYPE)
            await response(scope, receive, send)
            return
        status = 500

        async def noted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method, began = self._begin(head.method)
        try:
            await self.app(scope, receive, noted)
        finally:
            route = scope.get("route")
            self._end(method, getattr(route, "path", OTHER), status, began)

    def _begin(self, method: str) -> tuple[str, float]:
        method = method if method in METHODS else OTHER
        self._count_going(method, 1)
        return method, perf_counter()

    def _count_going(self, method: str, change: int) -> None:
        known = self._going.get(method)
        if known is None:
            known = self._going[method] = (self.tally.row(GOING + method.encode(), 1), [0])
        row, count = known
        count[0] += change
        if row >= 0:
            self.tally.set(row, 0, count[0])

    def _end(self, method: str, path: str, status: int, began: float) -> None:
        seconds = perf_counter() - began
        self._count_going(method, -1)
        row = self._rows.get((method, path, status))
        if row is None:
            key = DONE + json.dumps([method, path, status]).encode()
            row = self._rows[method, path, status] = self.tally.row(key, len(self.buckets) + 2)
        if row >= 0:
            bucket = sum(1 for limit in self.buckets if seconds > limit)
            self.tally.add(row, bucket, 1)
            self.tally.add(row, len(self.buckets) + 1, seconds)


def _path_of(request: Request) -> str:
    x = request.exchange
    number = x.route or (last_resorts(request.app.routes)(x.path) if x.verdict == 404 else 0)
    return request.app.routes[number - 1].pattern if number else OTHER


# ---- telling -----------------------------------------------------------------------


def render(figures: Tally, prefix: str = "http", buckets: Sequence[float] = DEFAULT_BUCKETS) -> bytes:
    """The figures of all workers in Prometheus' text format.

    Args:
        figures: where they are.
        prefix: what the names of the metrics begin with.
        buckets: the upper limits of the histogram's buckets.
    """
    done = sorted(
        (json.loads(key.removeprefix(DONE)), numbers)
        for key, numbers in figures.totals(DONE).items()
        if len(numbers) == len(buckets) + 2
    )
    lines = [f"# HELP {prefix}_requests_total Requests that were answered.", f"# TYPE {prefix}_requests_total counter"]
    for (method, path, status), numbers in done:
        labels = _labels(method=method, path=path, status=status)
        lines.append(f"{prefix}_requests_total{labels} {_number(sum(numbers[:-1]))}")
    name = f"{prefix}_request_duration_seconds"
    lines += [f"# HELP {name} Time from a request's arrival here to its response's end.", f"# TYPE {name} histogram"]
    for (method, path, status), numbers in done:
        so_far = 0.0
        for limit, count in zip([*buckets, "+Inf"], numbers, strict=False):
            so_far += count
            lines.append(f"{name}_bucket{_labels(method=method, path=path, status=status, le=limit)} {_number(so_far)}")
        labels = _labels(method=method, path=path, status=status)
        lines += [f"{name}_sum{labels} {numbers[-1]!r}", f"{name}_count{labels} {_number(so_far)}"]
    name = f"{prefix}_requests_in_progress"
    lines += [f"# HELP {name} Requests that are being answered.", f"# TYPE {name} gauge"]
    for key, numbers in sorted(figures.totals(GOING, alive=True).items()):
        lines.append(f"{name}{_labels(method=key.removeprefix(GOING).decode())} {_number(numbers[0])}")
    return "\n".join([*lines, ""]).encode() + _clients_own()


def _labels(**labels: Any) -> str:
    texts = (str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for value in labels.values())
    return "{" + ",".join(f'{name}="{text}"' for name, text in zip(labels, texts, strict=True)) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _clients_own() -> bytes:
    """What the application measures with prometheus_client; of all processes if that was set up for several."""
    import os

    client: Any = sys.modules.get("prometheus_client")
    if client is None:
        return b""
    registry = client.REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from importlib import import_module

        registry = client.CollectorRegistry()
        import_module("prometheus_client.multiprocess").MultiProcessCollector(registry)
    text: bytes = client.generate_latest(registry)
    return text
