"""The HTTP examples of docs/document.md, as they stand in its text."""

import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).resolve().parents[2] / "docs" / "document.md"


class Example(NamedTuple):
    """One HTTP message."""

    first_line: str
    headers: dict[str, str]
    body: bytes


def examples() -> list[Example]:
    """PUT request, GET request, GET answer."""
    text = FILE.read_text(encoding="utf-8")
    return [_example(block) for block in re.findall(r"^```http\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def _example(block: str) -> Example:
    head, _, body = block.partition("\n\n")
    first_line, *lines = head.split("\n")
    return Example(first_line, dict(line.split(": ", 1) for line in lines), body.encode())
