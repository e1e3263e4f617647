from api_routes import build

import covet
from covet.responses import StreamingResponse

app = build(covet, StreamingResponse)
