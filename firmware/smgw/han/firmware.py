"""The parts of the firmware with version and hash, as the consumer may compare them."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import smgw


class Component(NamedTuple):
    """A part of the firmware. `digest`: SHA-256 in hex."""

    name: str
    version: str
    digest: str


@lru_cache(maxsize=1)
def components() -> tuple[Component, ...]:
    """The gateway's programs: one hash over all their files, by name and content, as they were at the first question.

    The layout is ours: for each file in the order of names, the SHA-256 of its path and that of its content.
    """
    root = Path(smgw.__file__).parent
    whole = sha256()
    for file in sorted(
        one for one in root.rglob("*") if one.suffix in (".py", ".sql", ".toml", ".html", ".css", ".js")
    ):
        whole.update(sha256(str(file.relative_to(root)).encode()).digest())
        whole.update(sha256(file.read_bytes()).digest())
    return (Component("smgw", smgw.__version__, whole.hexdigest()),)
