"""Counters and messages in Redis."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from redis.asyncio import Redis

from covet import CovetPy, Depends, Request, StreamingResponse


@asynccontextmanager
async def lifespan(app: CovetPy) -> AsyncIterator[dict[str, Redis]]:
    async with Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as client:
        yield {"redis": client}


def redis(request: Request) -> Redis:
    return request.state.redis


Client = Annotated[Redis, Depends(redis)]
app = CovetPy(lifespan=lifespan)


@app.post("/hits/{name}")
async def hit(name: str, redis: Client) -> int:
    return await redis.incr(name)


@app.get("/listen/{channel}")
async def listen(channel: str, redis: Client) -> StreamingResponse:
    pubsub = redis.pubsub()
    await pubsub.subscribe(channel)

    async def messages() -> AsyncIterator[str]:
        yield "listening\n"
        try:
            async for message in pubsub.listen():
                if message["type"] == "message":
                    yield message["data"] + "\n"
                    if message["data"] == "end":
                        return
        finally:
            await pubsub.aclose()

    return StreamingResponse(messages(), media_type="text/plain")


@app.post("/say/{channel}/{text}")
async def say(channel: str, text: str, redis: Client) -> int:
    return await redis.publish(channel, text)
