"""What the workers of these tests serve."""

import asyncio
import os
import time
from itertools import repeat

from covet import CovetPy, Request

app = CovetPy()


@app.get("/pid")
async def pid():
    return {"pid": os.getpid()}


@app.get("/sleep/{ms:int}")
async def sleep(ms: int):
    await asyncio.sleep(ms / 1000)
    return {"pid": os.getpid()}


@app.get("/block/{ms:int}")
async def block(ms: int):
    time.sleep(ms / 1000)
    return {"pid": os.getpid()}


@app.get("/compute")
async def compute():
    return {"sum": sum(repeat(1, 10**9))}


@app.post("/echo")
async def echo(request: Request):
    return {"text": (await request.body()).decode()}


@app.post("/hold")
async def hold():
    print("holding", flush=True)
    await asyncio.sleep(60)
    return {}


@app.get("/never")
async def never():
    print("holding", flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


@app.get("/hold/{ms:int}")
async def hold_for(ms: int):
    print("holding", flush=True)
    return await sleep(ms)
