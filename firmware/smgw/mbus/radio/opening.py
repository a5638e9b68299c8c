"""The records in a radio telegram: decrypted with the meter's key, and checked that the key fits."""

from typing import NamedTuple

from smgw.errors import RemoteProtocolError
from smgw.mbus.radio.compact import Layouts
from smgw.mbus.radio.envelope import BARE, COMPACT, LONG, SHORT, Envelope, Security, plain_check, transport_of
from smgw.mbus.records import read_records
from smgw.mbus.telegram import Telegram

_BLOCK = 16
_FILLERS = b"\x2f\x2f"  # the clear text begins with them: the check of the key
_INSIDE = frozenset((LONG, SHORT, BARE, COMPACT))


class NoKeyError(RemoteProtocolError):
    """It is sealed, and there is no key."""


class WrongKeyError(RemoteProtocolError):
    """The key does not fit."""


class DamagedError(RemoteProtocolError):
    """The key fits, but octets were changed on the way."""


class ClearError(RemoteProtocolError):
    """It is not sealed, while there is a key."""


class Opened(NamedTuple):
    """The content. `counter`: of a telegram that is authenticated, must rise. `rest`: records that no key protects."""

    telegram: Telegram
    envelope: Envelope
    counter: int | None = None
    rest: bytes = b""


def open_envelope(envelope: Envelope, key: bytes | None, layouts: Layouts | None = None) -> Opened:
    """The content of a telegram. With a key, only what it protects is read.

    `layouts`: of this meter, for the compact form. Raises one of the errors above, or RemoteProtocolError.
    """
    if not envelope.sealed:
        if key is not None:
            raise ClearError(
                "a telegram in the clear, while the profile's encryption_key_file says that all are encrypted"
            )
        return _content(envelope, envelope.body, layouts)
    if key is None:
        raise NoKeyError(
            f"encrypted ({envelope.security.value}), and there is no key; write encryption_key_file for this meter"
        )
    if envelope.security is Security.CTR:
        return _by_session(envelope, key, layouts)
    return _by_blocks(envelope, key, layouts)


def _by_session(envelope: Envelope, key: bytes, layouts: Layouts | None) -> Opened:
    from smgw.mbus import aes

    session = envelope.session
    assert session is not None
    text = aes.count(key, envelope.body, envelope.address, session.communication, session.number)
    check, payload = text[:2], text[2:]
    if not plain_check(check, payload):
        if payload[:1] and payload[0] in _INSIDE:
            raise DamagedError("the check sum inside is wrong: damaged on the way, or the key does not fit")
        raise WrongKeyError("the key does not fit: what it decrypts has a wrong check sum")
    inside = transport_of(envelope._replace(security=Security.NONE, body=payload))
    if inside.sealed:
        return _by_blocks(inside, key, layouts)
    return _content(inside, inside.body, layouts)


def _by_blocks(envelope: Envelope, key: bytes, layouts: Layouts | None) -> Opened:
    """Modes 5 and 7. Octets behind the encrypted blocks are the rest."""
    from smgw.mbus import aes

    body = envelope.body
    size = envelope.blocks * _BLOCK or len(body) // _BLOCK * _BLOCK
    if not 0 < size <= len(body):
        raise DamagedError(f"{len(body)} octets, while {size or _BLOCK} are said to be encrypted")
    counter = None
    if envelope.security is Security.CBC:
        assert envelope.access is not None
        text = aes.decrypt(key, body[:size], aes.start_of_mode_5(envelope.meter, envelope.access))
    else:
        told = envelope.authentication
        if told is None or told.counter is None or not told.mac:
            raise RemoteProtocolError("security mode 7 without a MAC and its counter: what it says proves nothing")
        counter = told.counter
        for_text, for_mac = aes.derived(key, counter, envelope.meter)
        text = aes.decrypt(for_text, body[:size])
        expected = aes.mac(for_mac, told.covered + envelope.transport, len(told.mac))
        if not aes.equal(expected, told.mac):
            if text.startswith(_FILLERS):
                raise DamagedError("its MAC is wrong, though the key fits: it was changed on the way")
            raise WrongKeyError("the key does not fit: the MAC is another")
    if not text.startswith(_FILLERS):
        raise WrongKeyError("the key does not fit: what it decrypts does not begin with 2F 2F")
    return _content(envelope, text, layouts)._replace(counter=counter, rest=body[size:])


def _content(envelope: Envelope, octets: bytes, layouts: Layouts | None) -> Opened:
    if envelope.information == COMPACT:
        octets = (layouts or Layouts()).expand(octets)
    found = read_records(octets)
    if layouts is not None and envelope.session is not None and envelope.information == BARE:
        layouts.remember(found.records)
    telegram = Telegram(
        envelope.identity, envelope.access, envelope.status, envelope.configuration, found.records, found.makers,
        found.more, found.fault, found.rest,
    )  # fmt: skip
    return Opened(telegram, envelope)
