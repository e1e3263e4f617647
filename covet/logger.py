"""The logger that FastAPI's users know as `fastapi.logger.logger`."""

import logging

logger = logging.getLogger("covet")
