"""Several workers on one engine: what becomes of requests when workers die, are replaced, or are busy."""
