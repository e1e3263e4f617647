"""What holds for all tests."""

from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TELLING = {"telemetry", "integrations", "docs"}
"""Folders of tests in which applications tell OpenTelemetry of their requests."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keeps telemetry off elsewhere: the SDK, which other tests have loaded, would switch it on."""
    if item.path.relative_to(HERE).parts[0] in TELLING:
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_SDK_DISABLED", "true")
        return (yield)
