"""What all targets of the fuzzer share."""

from collections.abc import Callable
from pathlib import Path

#: Divides an input into parts.
SEPARATOR = b"~~~~"
CORPUS = Path(__file__).parent / "corpus"
Target = Callable[[bytes], object]
