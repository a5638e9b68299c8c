"""Removes secrets from texts for others, and ids of devices on request."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from smgw.cosem import DeviceId

GONE = "(left out)"
_SHORTEST = 4  # octets; a shorter secret would match by chance at many places
_WORDS = (
    "passw|passphrase|passwd|pwd|kennwort|geheim|secret|token|credential|psk|api_?key|bearer|"
    "pin\\b|puk\\b|_key\\b|_pass\\b"
)
#: A line of a text that gives a secret to a name; password_file and the like name a file only.
_KEY = re.compile(
    rf"^([ \t#]*[\w.\"'-]*(?:{_WORDS})[\w.\"'-]*?(?<!_file)[ \t]*=[ \t]*).*$", re.IGNORECASE | re.MULTILINE
)
#: The same within a line.
_ASSIGNED = re.compile(
    rf"(\b[\w-]*(?:{_WORDS})[\w-]*(?<!_file)(?<!_FILE)=)(\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'(][^\s\"']*)", re.IGNORECASE
)
#: Directives of units that hold data, with lines that go on.
_UNIT = re.compile(
    r"^([ \t]*(?:Environment|PassEnvironment|SetCredential|SetCredentialEncrypted)[ \t]*=).*(?:(?<=\\)\n.*)*",
    re.MULTILINE,
)
_USER_IN_URL = re.compile(r"(\w+://)[^\s\"'<>]+@")


class Redaction:
    """`secrets` are octets as in their files; `devices` become device-1, device-2, the same in all texts.

    `texts`: other texts -> what stands for them.
    """

    def __init__(
        self,
        secrets: Iterable[bytes],
        devices: Iterable[DeviceId],
        names: Iterable[str] = (),
        texts: Mapping[str, str] | None = None,
    ) -> None:
        self._replaced: dict[str, str] = dict(texts or {})
        for secret in secrets:
            for form in _every_form(secret):
                self._replaced[form] = GONE
        for number, device in enumerate(dict.fromkeys(devices), 1):
            for form in {str(device), device.uri, bytes(device).hex(), *_forms(bytes(device))}:
                self._replaced[form] = f"device-{number}"
        for name in names:
            self._replaced[name] = "(host)"
        longest_first = sorted((form for form in self._replaced if form), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_found, longest_first)), re.I) if longest_first else None
        self._lower = {form.lower(): by for form, by in self._replaced.items()}

    def of(self, text: str) -> str:
        """The redacted text."""
        text = _UNIT.sub(rf"\1{GONE}", text)
        text = _USER_IN_URL.sub(rf"\1{GONE}@", _KEY.sub(rf"\1{GONE}", text))
        text = _ASSIGNED.sub(rf"\1{GONE}", text)
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._lower[found[0].lower()], text)


def _found(form: str) -> str:
    """The pattern of a form. Digits alone count as a whole number only: they stand in other numbers by chance."""
    pattern = re.escape(form)
    return rf"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])" if form.isdigit() else pattern


def _forms(octets: bytes) -> set[str]:
    """Octets as texts of this program show them."""
    if len(octets) < _SHORTEST:
        return set()
    forms = {octets.hex(), octets.hex(" ")}
    text = octets.decode("utf-8", "replace")
    if text.isprintable():
        forms.add(text)
    return forms


def _every_form(octets: bytes) -> set[str]:
    """Octets in the forms in which any text may hold them."""
    if len(octets) < _SHORTEST:
        return set()
    forms = _forms(octets) | {octets.hex(separator) for separator in (":", "-", "_", ",")}
    forms |= {", ".join(f"0x{octet:02x}" for octet in octets), "".join(f"\\x{octet:02x}" for octet in octets)}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(octets).decode().rstrip("="))
    forms |= {quote(octets, safe=""), quote(octets), quote_plus(octets), repr(octets)[2:-1]}
    lines = octets.decode("utf-8", "replace").splitlines()
    for line in (one for one in lines if len(one) >= _SHORTEST and not one.startswith("-----")):
        forms |= {
            line,
            line[::-1],
            json.dumps(line)[1:-1],
            json.dumps(line, ensure_ascii=False)[1:-1],
            repr(line)[1:-1],
        }
    return forms
