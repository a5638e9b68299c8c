"""What to do about octets without a telegram: which protocol or format reads them."""

from collections.abc import Callable, Sequence

from smgw.profiles import protocols
from smgw.profiles.protocol import Protocol
from smgw.wire.guess import Guess, guess
from smgw.wire.kind import PROTOCOLS


def _written(entry: Protocol) -> str:
    return f'write protocol = "{entry.name}"'


def advised(octets: bytes, own: Sequence[str] = (), how: Callable[[Protocol], str] = _written) -> Guess | None:
    """What octets look like, with the advice for them. None if they are too few, or of a kind in `own`.

    `how` says how a person chooses another protocol.
    """
    found = guess(octets)
    if found is None or found.kind in own:
        return None
    if found.kind not in PROTOCOLS:
        return found
    entries = sorted(protocols.every(), key=lambda one: one.polled)  # octets come, so the meter probably pushes
    told = [how(entry) for entry in entries if found.kind in entry.reads(None)]
    told += [f"{how(entry)} and {entry.instead[found.kind]}" for entry in entries if found.kind in entry.instead]
    return found._replace(advice=told[0] if told else "no protocol of this gateway reads it")
