"""A scikit-learn model that is trained at the start and used in threads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from covet import CovetPy, Request, run_in_threadpool


def train() -> LogisticRegression:
    data = load_iris()
    return LogisticRegression(max_iter=300).fit(data.data, data.target)


@asynccontextmanager
async def lifespan(app: CovetPy) -> AsyncIterator[dict[str, LogisticRegression]]:
    yield {"model": await run_in_threadpool(train)}


class Flowers(BaseModel):
    rows: list[tuple[float, float, float, float]]


app = CovetPy(lifespan=lifespan)


@app.post("/predict")
async def predict(flowers: Flowers, request: Request) -> list[str]:
    found = await run_in_threadpool(request.state.model.predict, flowers.rows)
    return [str(load_iris().target_names[number]) for number in found]


@app.post("/probabilities")
def probabilities(flowers: Flowers, request: Request) -> list[list[float]]:
    return request.state.model.predict_proba(flowers.rows).tolist()
