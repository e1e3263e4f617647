"""What of a FastAPI or Starlette application CovetPy covers, found by reading its files; none of them is run."""

from covet.migration.examine import Report, examine
from covet.migration.findings import Finding

__all__ = ["Finding", "Report", "examine"]
