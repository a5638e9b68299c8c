"""The languages of the pages: their words are gettext catalogues.

Every language but English is one file `locale/<code>/LC_MESSAGES/emp.po`, compiled at build.
"""

import gettext
from collections.abc import Iterator
from pathlib import Path

from smgw.look import language
from smgw.look.language import SOURCE, preferred

DOMAIN = "emp"
LOCALE = Path(__file__).parent.parent / "locale"


class Language(language.Language):
    """One language: `words` has its texts."""

    def __init__(self, code: str, locale: Path = LOCALE) -> None:
        self.words = gettext.translation(DOMAIN, str(locale), [code], fallback=code == SOURCE)
        super().__init__(code, self.words.gettext, self.words.pgettext)


class Languages:
    """All that have a compiled catalogue, and English."""

    def __init__(self, locale: Path = LOCALE) -> None:
        codes = sorted(file.parent.parent.name for file in locale.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
        self._known = {code: Language(code, locale) for code in (SOURCE, *codes)}

    def __iter__(self) -> Iterator[Language]:
        return iter(self._known.values())

    def get(self, code: str | None) -> Language | None:
        """The language of this code, if there is one."""
        return self._known.get(code or "")

    def chosen(self, cookie: str | None, accepted: str) -> Language:
        """What the user chose before, else what the browser prefers (Accept-Language), else English."""
        return self.get(cookie) or self._known[preferred(accepted, self._known) or SOURCE]
