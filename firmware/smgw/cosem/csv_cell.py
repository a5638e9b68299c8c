"""Cells of CSV that no spreadsheet runs: text of a meter is never a formula."""

import re

#: A spreadsheet treats text that begins with one of these as a formula; the last four are their wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBERS = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:, -?[0-9]+(?:\.[0-9]+)?)*")  # of a structure: several


def guarded(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would run it. Numbers stay as they are."""
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBERS.fullmatch(text) else text
