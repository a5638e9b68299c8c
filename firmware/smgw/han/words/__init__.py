"""The words of the pages: English stands in the source, every other language is one file here, `<code>.toml`.

The table [text] goes from English to the language. A table [context."..."] has texts that mean another thing elsewhere,
and formats.
"""

import tomllib
from functools import cache
from pathlib import Path

from smgw.look.language import SOURCE, Language

_FOLDER = Path(__file__).parent
#: The languages of the pages, by code; the first one stands in the source.
CODES = (SOURCE, "de")


@cache
def language(code: str) -> Language:
    """The language of this code, or English. A text that its file lacks stays English."""
    if code not in CODES[1:]:
        return Language(SOURCE, str, lambda _, text: text)
    with (_FOLDER / f"{code}.toml").open("rb") as file:
        words = tomllib.load(file)
    texts: dict[str, str] = words["text"]
    contexts: dict[str, dict[str, str]] = words["context"]
    return Language(code, lambda text: texts.get(text, text), lambda name, text: contexts.get(name, {}).get(text, text))
