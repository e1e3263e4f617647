"""Metrics of one's own, by prometheus_client; added up over the workers if PROMETHEUS_MULTIPROC_DIR is set."""

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector

from covet import CovetPy

orders = Counter("shop_orders", "Orders.", ["kind"])
sizes = Histogram("shop_order_size", "Pieces of an order.", buckets=(1, 10, 100))


def metrics() -> object:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return make_asgi_app()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return make_asgi_app(registry)


app = CovetPy()
app.mount("/metrics", metrics())


@app.post("/orders/{kind}")
async def order(kind: str, pieces: int) -> int:
    orders.labels(kind).inc()
    sizes.observe(pieces)
    return os.getpid()
