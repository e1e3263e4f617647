"""The documentation says what is true: its examples run, its links lead somewhere, its tables are complete."""

import asyncio
import inspect
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pages import ADDRESS, ROOT, Command, Example, all_examples, all_pages
from serving import served

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CAPABILITIES = (
    "getting-started",
    "routing",
    "parameters",
    "requests",
    "forms",
    "files",
    "responses",
    "streaming",
    "server-sent-events",
    "background-tasks",
    "templates",
    "websockets",
    "errors",
    "lifespan",
    "constant-routes",
    "security",
    "health",
    "telemetry",
    "testing",
    "asgi",
)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("example", all_examples(), ids=lambda example: example.name)
def test_example(example: Example, tmp_path: Path) -> None:
    assert example.commands, f"{example.name}: nothing is tried on this module"
    (tmp_path / "main.py").write_text(example.source, "utf-8")
    with served("main:app", app_dir=tmp_path) as server:
        for command in example.commands:
            arguments = [argument.replace(ADDRESS, server.url) for argument in command.arguments]
            result = subprocess.run([*arguments, "-sS", "--max-time", "20"], capture_output=True, text=True)
            printed = (result.stdout + result.stderr).replace(server.url, ADDRESS)
            assert command.matches(printed), f"{command.arguments}\nprinted:\n{printed}\nlog:\n{server.log}"


@pytest.mark.parametrize(
    "example", [each for each in all_examples() if "def test_" in each.source], ids=lambda example: example.name
)
def test_the_tests_in_examples_pass(example: Example) -> None:
    names: dict[str, Any] = {}
    exec(compile(example.source, example.name, "exec"), names)
    for test in [value for name, value in names.items() if name.startswith("test_")]:
        coroutine = test()
        if coroutine is not None:
            asyncio.run(coroutine)


@pytest.mark.parametrize("name", CAPABILITIES)
def test_every_capability_has_an_example(name: str) -> None:
    page = ROOT / "docs" / f"{name}.md"
    assert any(example.page == page for example in all_examples())


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text("utf-8")) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_is_in_an_index() -> None:
    linked = {
        (index.parent / target).resolve()
        for index in (ROOT / "docs" / "index.md", ROOT / "docs" / "decisions" / "index.md")
        for target in LINK.findall(index.read_text("utf-8"))
    }
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page.name != "index.md"}
    assert pages - linked == set()


@pytest.mark.parametrize("page", ["README.md", "docs/settings.md"])
def test_settings_table_is_complete(page: str) -> None:
    from covet import CovetPy

    text = (ROOT / page).read_text("utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \| `([^|]*)` \|", text, re.MULTILINE))
    signature = inspect.signature(CovetPy)
    defaults = {
        name: repr(parameter.default).replace("'", '"')
        for name, parameter in signature.parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    if page == "README.md":
        # Those of the server; what the OpenAPI document and routes say is in the other table only.
        from covet.config import SETTING_NAMES

        assert documented.keys() >= SETTING_NAMES
        defaults = {name: value for name, value in defaults.items() if name in documented}
    assert documented == defaults


@pytest.mark.parametrize(
    ("expected", "printed", "matches"),
    [
        ("ok", "ok\n", True),
        ("ok", "not ok", False),
        ("HTTP/1.1 200 OK\n...\n\nok", "HTTP/1.1 200 OK\r\ndate: now\r\nserver: covet\r\n\r\nok", True),
        ("HTTP/1.1 200 OK\n...\n\nok", "HTTP/1.1 404 Not Found\r\ndate: now\r\n\r\nok", False),
        ("id ...!", "id 5!", True),
        ("id ...!", "id 5", False),
    ],
)
def test_outputs_are_compared(expected: str, printed: str, matches: bool) -> None:
    assert Command([], expected).matches(printed) is matches
