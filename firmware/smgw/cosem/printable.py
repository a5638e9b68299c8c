"""Text of a meter, a line or a peer as a terminal may show it."""

import re

#: Control characters without tab and line end, and characters that change the direction of a text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """One line without control characters: `\\x1b` stands for an escape character, `\\n` for a line end."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii") for one in text
    )


def without_control(text: str) -> str:
    """Lines without control characters: `\\u001b` stands for an escape character, which JSON reads, too."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
