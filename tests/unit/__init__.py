"""Tests of the Python API without a server, and of the server in this process."""
