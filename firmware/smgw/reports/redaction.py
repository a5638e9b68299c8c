"""Removes secrets from texts for others, and ids of devices on request."""

import re
from collections.abc import Iterable

from smgw.cosem import DeviceId

GONE = "(left out)"
_SHORTEST = 4  # octets; a shorter secret would match by chance at many places
# A key of the configuration that holds a secret, although none may: password_file and the like name a file only.
_KEY = re.compile(
    r"^([ \t#]*[\w.\"-]*(?:passw|secret|token|pin\b|_key\b)[\w.\"-]*?(?<!_file)[ \t]*=[ \t]*).*$", re.I | re.M
)
_USER_IN_URL = re.compile(r"(\w+://)[^/\s@\"']+@")


class Redaction:
    """`secrets` are octets as in their files; `devices` become device-1, device-2, the same in all texts."""

    def __init__(self, secrets: Iterable[bytes], devices: Iterable[DeviceId], names: Iterable[str] = ()) -> None:
        self._replaced: dict[str, str] = {}
        for secret in secrets:
            for form in _forms(secret):
                self._replaced[form] = GONE
        for number, device in enumerate(dict.fromkeys(devices), 1):
            for form in {str(device), device.uri, bytes(device).hex(), *_forms(bytes(device))}:
                self._replaced[form] = f"device-{number}"
        for name in names:
            self._replaced[name] = "(host)"
        longest_first = sorted((form for form in self._replaced if form), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.I) if longest_first else None
        self._lower = {form.lower(): by for form, by in self._replaced.items()}

    def of(self, text: str) -> str:
        """The redacted text."""
        text = _USER_IN_URL.sub(rf"\1{GONE}@", _KEY.sub(rf"\1{GONE}", text))
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._lower[found[0].lower()], text)


def _forms(octets: bytes) -> set[str]:
    if len(octets) < _SHORTEST:
        return set()
    forms = {octets.hex(), octets.hex(" ")}
    text = octets.decode("utf-8", "replace")
    if text.isprintable():
        forms.add(text)
    return forms
