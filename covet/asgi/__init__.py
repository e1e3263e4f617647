"""A CovetPy application as an ASGI 3 application, for servers other than covet's own."""
