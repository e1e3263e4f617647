"""The examples in the documentation, as data.

A page's ```python block is a whole module with an `app`; the ```console blocks
that follow it, up to the next ```python block, are tried against a server that
runs it. A console block has lines `$ curl …`, each followed by what it prints;
a line `...` stands for any lines, `...` within a line for any text. In both,
the address is http://127.0.0.1:8000, whatever the test's server really has.
Blocks in other languages are checked by test_blocks.py.
"""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "http://127.0.0.1:8000"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A curl command and what it prints."""

    arguments: list[str]
    expected: str

    def matches(self, printed: str) -> bool:
        """Whether what was printed is what the page says."""
        pattern = re.escape(self.expected.rstrip("\n"))
        pattern = pattern.replace(re.escape("...\n"), "(?:.*\n)*?").replace(re.escape("..."), ".*")
        return re.fullmatch(pattern, printed.replace("\r\n", "\n").rstrip("\n")) is not None


@dataclass(frozen=True)
class Example:
    """One module of a page, and the commands that are tried on it."""

    page: Path
    line: int
    source: str
    commands: list[Command] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The page and the line where the module begins."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def commands_of(block: str) -> list[Command]:
    """The commands of a console block."""
    commands = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        # A command goes on after a backslash at the end of a line.
        line, _, expected = re.sub(r"\\\n\s*", "", part).partition("\n")
        arguments = shlex.split(line)
        if arguments[:1] != ["curl"]:
            raise ValueError(f"only curl is tried, not {line!r}; use a ```sh block for other commands")
        commands.append(Command(arguments, expected))
    return commands


def examples_of(page: Path) -> list[Example]:
    """The examples of one page, in order."""
    text = page.read_text("utf-8")
    examples: list[Example] = []
    for fence in FENCE.finditer(text):
        language, block = fence.groups()
        if language == "python":
            examples.append(Example(page, text.count("\n", 0, fence.start()) + 2, block))
        elif language == "console":
            if not examples:
                raise ValueError(f"{page}: a console block before any module")
            examples[-1].commands.extend(commands_of(block))
    return examples


@dataclass(frozen=True)
class Block:
    """A block in any language."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """The page and the line where the block begins."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of every page; with languages, those in one of them."""
    return [
        Block(page, text.count("\n", 0, fence.start()) + 2, fence[1], fence[2])
        for page in all_pages()
        for text in [page.read_text("utf-8")]
        for fence in FENCE.finditer(text)
        if not languages or fence[1] in languages
    ]


def all_pages() -> list[Path]:
    """Every page that may have examples."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def all_examples() -> list[Example]:
    """Every example of every page."""
    return [example for page in all_pages() for example in examples_of(page)]
