# mypy: disable-error-code="import-not-found"
import fastapi
from api_routes import build
from fastapi.responses import StreamingResponse

app = build(fastapi, StreamingResponse)
