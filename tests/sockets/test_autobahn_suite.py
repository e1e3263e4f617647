"""Autobahn's own suite with an echo server: what takes seconds. `make autobahn` runs all of it, with both loops."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from serving import served

from sockets import autobahn
from sockets.autobahn import Case

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WHOLE = {section: count for section, count in autobahn.SECTIONS.items() if section < 12}
SAMPLES = {"12.*.5": 5, "12.1.11": 1, "13.*.5": 7, "13.5.11": 1}
"""Cases of compression that are run, and how many each pattern has: a thousand messages in each."""
EXPECTED = WHOLE | {
    section: sum(count for name, count in SAMPLES.items() if name.startswith(f"{section}.")) for section in (12, 13)
}


@pytest.fixture(scope="module")
def suite() -> None:
    """Skips what needs the suite where it cannot be had."""
    try:
        autobahn.installed()
    except autobahn.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def cases(suite: None, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """What the suite says about the cases that are run."""
    wanted = [*(f"{section}.*" for section in WHOLE), *SAMPLES]
    return autobahn.echoed("io_uring", wanted, tmp_path_factory.mktemp("autobahn") / "report", 240)


@pytest.mark.parametrize("section", EXPECTED)
def test_every_case_passes_strictly(cases: list[Case], section: int) -> None:
    assert [case for case in cases if case.section == section and not case.passed] == []
    assert Counter(case.section for case in cases)[section] == EXPECTED[section]


@pytest.mark.usefixtures("suite")
def test_context_takeover_passes_strictly(tmp_path: Path) -> None:
    found = autobahn.echoed("epoll", list(SAMPLES), tmp_path / "report", 240, ["--ws-context-takeover"])
    assert [case for case in found if not case.passed] == []
    assert len(found) == sum(SAMPLES.values())


@pytest.mark.usefixtures("suite")
def test_a_server_that_does_not_echo_fails(tmp_path: Path) -> None:
    with served("app:app", app_dir=autobahn.HERE) as server:
        url = f"ws://127.0.0.1:{server.port}/close/1001"
        found = autobahn.run_suite(url, ["1.1.2", "7.1.2"], tmp_path / "report", 60)
    assert [(case.name, case.passed) for case in found] == [("1.1.2", False), ("7.1.2", False)]


@pytest.mark.parametrize(
    ("name", "behavior", "closing", "passed"),
    [
        ("6.4.1", "OK", "OK", True),
        ("6.4.1", "NON-STRICT", "OK", False),
        ("6.4.1", "INFORMATIONAL", "INFORMATIONAL", False),
        ("6.4.1", "OK", "UNCLEAN", False),
        ("12.1.1", "UNIMPLEMENTED", "OK", False),
        ("7.1.6", "INFORMATIONAL", "INFORMATIONAL", True),
        ("7.1.6", "FAILED", "INFORMATIONAL", False),
    ],
)
def test_what_passes(name: str, behavior: str, closing: str, passed: bool) -> None:
    assert Case(name, behavior, closing, 0.1).passed is passed
