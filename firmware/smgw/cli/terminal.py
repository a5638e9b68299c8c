"""Standard output and error of every command: no escape sequence of a meter or a peer reaches a terminal.

Printed text has many origins. So this is done once, for all output of a command. A command that
moves the cursor itself does it by `controlled`, with lines that are printable.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from smgw.cosem.printable import without_control


class _Harmless:
    """A stream that replaces control characters; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.controlled = stream

    def write(self, text: str) -> int:
        """Write without control characters; returns the length of the text."""
        self.controlled.write(without_control(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.controlled, name)


@contextlib.contextmanager
def harmless_output() -> Iterator[None]:
    """Standard output and error are harmless within this block."""
    out, err = cast("TextIO", _Harmless(controlled(sys.stdout))), cast("TextIO", _Harmless(controlled(sys.stderr)))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


def controlled(stream: TextIO) -> TextIO:
    """The stream that takes escape sequences, for a command that moves the cursor."""
    return cast("TextIO", getattr(stream, "controlled", stream))
