"""Finds secrets in texts, in whatever form they stand there: as they are, in hex, in base64, or as a number."""

import base64
import re
from collections.abc import Iterator

#: Words shorter than this stand in any text by chance. Keys are longer.
SHORTEST_WORD = 6
SHORTEST_KEY = 16

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_HEX = re.compile(r"[0-9A-Fa-f](?:[ :_-]?[0-9A-Fa-f]){31,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{22,}")
_ESCAPED = re.compile(r"(?:\\x[0-9a-f]{2}|[ -\[\]-~]|\\[\\'nrt]){16,}")
_NUMBER = re.compile(r"\d{30,}")
_SEPARATORS = str.maketrans("", "", " :_-")


class Secrets:
    """What must not be shown: words such as passwords, and keys as octets."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._learned: dict[str, str] = {}  # words of one test
        self._keys: dict[int, dict[bytes, str]] = {}  # by their length

    def forget_learned(self) -> None:
        """Forget the words that one test had."""
        self._learned.clear()

    def word(self, word: str | bytes, what: str, *, learned: bool = False) -> None:
        """A password, PIN or passphrase. Short ones are left out. `learned`: until `forget_learned`."""
        text = word.decode("utf-8", "replace") if isinstance(word, bytes) else word
        if len(text) >= SHORTEST_WORD:
            (self._learned if learned else self._words)[text] = what

    def key(self, octets: bytes, what: str) -> None:
        """A key, as octets. Short and plain ones are left out: no generator makes them."""
        if len(octets) >= SHORTEST_KEY and len(set(octets)) > SHORTEST_KEY // 2:
            self._keys.setdefault(len(octets), {})[octets] = what

    def found_in(self, text: str) -> Iterator[str]:
        """What of all this the text shows; the secret itself is not repeated."""
        if _PEM.search(text):
            yield "a private key in PEM"
        yield from (what for word, what in {**self._words, **self._learned}.items() if word in text)
        if self._keys:
            for octets in _octets_in(text):
                yield from self._keys_in(octets)

    def _keys_in(self, octets: bytes) -> Iterator[str]:
        for length, known in self._keys.items():
            for start in range(len(octets) - length + 1):
                if what := known.get(octets[start : start + length]):
                    yield what


def _octets_in(text: str) -> Iterator[bytes]:
    """Octets that a text may stand for."""
    for match in _HEX.finditer(text):
        digits = match[0].translate(_SEPARATORS)
        for start in range(1 + len(digits) % 2):  # a digit may stand before it
            yield bytes.fromhex(digits[start : start + (len(digits) - start) // 2 * 2])
    for match in _BASE64.finditer(text):
        word = match[0].replace("-", "+").replace("_", "/")
        for start in range(4):  # letters may stand before it
            whole = word[start : start + (len(word) - start) // 4 * 4]
            rest = word[start + len(whole) :]
            yield base64.b64decode(whole) + (base64.b64decode(rest + "=" * (-len(rest) % 4)) if len(rest) > 1 else b"")
    for match in _ESCAPED.finditer(text) if "\\x" in text else ():
        yield _unescaped(match[0])
    for match in _NUMBER.finditer(text):
        if len(match[0]) < 200:
            number = int(match[0])
            yield number.to_bytes((number.bit_length() + 7) // 8, "big")


def _unescaped(text: str) -> bytes:
    """The octets of a repr."""
    try:
        return text.encode("latin-1").decode("unicode_escape").encode("latin-1", "replace")
    except UnicodeDecodeError:
        return b""
