"""The HTTP examples of the section "The document", as they stand in the architecture's text."""

import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).resolve().parents[2] / "ARCHITECTURE.md"
SECTION = "## The document"


class Example(NamedTuple):
    """One HTTP message."""

    first_line: str
    headers: dict[str, str]
    body: bytes


def examples() -> list[Example]:
    """PUT request, GET request, GET answer."""
    _, found, rest = FILE.read_text(encoding="utf-8").partition(f"\n{SECTION}\n".lstrip("\n"))
    assert found, f"{FILE.name} has no section {SECTION!r}"
    section = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return [_example(block) for block in re.findall(r"^```http\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)]


def _example(block: str) -> Example:
    head, _, body = block.partition("\n\n")
    first_line, *lines = head.split("\n")
    return Example(first_line, dict(line.split(": ", 1) for line in lines), body.encode())
