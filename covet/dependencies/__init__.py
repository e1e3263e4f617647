"""What FastAPI has in its package of this name, as far as applications import it."""
