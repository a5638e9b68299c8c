"""What to do about octets without a telegram: which protocol or format reads them."""

from collections.abc import Sequence

from smgw.profiles import protocols
from smgw.profiles.protocol import Protocol
from smgw.wire.guess import Guess, guess
from smgw.wire.kind import PROTOCOLS

_NOBODY = "no protocol of this gateway reads it"


def _written(entry: Protocol) -> str:
    return f'write protocol = "{entry.name}"'


def advised(octets: bytes, own: Sequence[str] = ()) -> Guess | None:
    """What octets look like, with the keys that read them. None if they are too few, or of a kind in `own`."""
    found = guess(octets)
    if found is None or found.kind in own:
        return None
    if found.kind not in PROTOCOLS:
        return found
    told = [
        _written(entry)
        if found.kind in entry.reads(None)
        else entry.instead[found.kind].replace("{how}", _written(entry))
        for entry in _readers()
        if found.kind in entry.reads(None) or found.kind in entry.instead
    ]
    return found._replace(advice=told[0] if told else _NOBODY)


def advised_format(octets: bytes, name: str) -> Guess | None:
    """The same for who shows octets by the format `name`: the format that shows them."""
    entries = _readers()
    shown = {
        kind: entry.dump for entry in reversed(entries) if entry.dump for kind in (*entry.reads(None), *entry.instead)
    }
    found = guess(octets)
    if found is None or found.kind not in PROTOCOLS:
        return found
    if shown.get(found.kind) == name:
        return None
    known = found.kind in shown
    return found._replace(advice=f"try smgw dump {shown[found.kind]}" if known else "smgw dump has no format for it")


def _readers() -> list[Protocol]:
    """All protocols; those that push come first, because octets came unasked."""
    return sorted(protocols.every(), key=lambda one: one.polled)
