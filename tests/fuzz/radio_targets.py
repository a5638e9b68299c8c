"""Decoders of what radio sticks pass on, and of the telegrams in it."""

import contextlib

from fuzz_input import SEPARATOR, Target
from smgw.errors import RemoteProtocolError
from smgw.mbus.radio import sending
from smgw.mbus.radio.compact import Layouts, compacted
from smgw.mbus.radio.envelope import read_envelope
from smgw.mbus.radio.link import add_a, add_b, strip_a, strip_b
from smgw.mbus.radio.opening import open_envelope
from smgw.mbus.radio.sticks import Amber, AnyStick, Imst, Lines, Radio
from smgw.mbus.readings import readings
from smgw.mbus.telegram import Identity

WATER = Identity("12345678", "ELS", 0x12, 7)
KEY = bytes(range(16))
_MOST = 200  # octets of records in a telegram
_MOST_SINGLE = 600  # octets that are handed over one by one


def radio_line(octets: bytes) -> None:
    """Octets of each stick, whole and one by one."""
    octets = octets[:_MOST_SINGLE]
    for make in (Imst, Amber, Lines, AnyStick):
        whole, pieces = make(), make()
        found = [one for one in (*whole.receive(octets), *whole.finish()) if isinstance(one, Radio)]
        again = [one for at in range(len(octets)) for one in pieces.receive(octets[at : at + 1])]
        again += pieces.finish()
        if make is not AnyStick:  # which stick it is depends on how much came
            assert found == [one for one in again if isinstance(one, Radio)]
        for one in found:
            _read(one.telegram)


def radio_telegram(octets: bytes) -> None:
    """Each part as a telegram, and as records that are sealed in every way with the right key."""
    layouts = Layouts()
    for part in octets.split(SEPARATOR):
        telegram = bytes((len(part[:255]),)) + part[:255]
        _read(telegram)
        if len(telegram) > 10:
            assert strip_a(add_a(telegram)) == telegram
            if len(telegram) < 250:
                assert strip_b(add_b(telegram)) == telegram
        records = part[:_MOST]
        for made in (
            sending.in_the_clear(WATER, 1, records),
            sending.by_mode_5(WATER, 1, records, KEY),
            sending.by_mode_7(WATER, 1, records, KEY, 1),
            sending.by_session(WATER, 1, records, KEY, 1, 0x78),
            sending.by_session(WATER, 1, records, KEY, 1, 0x79),
            sending.by_session(WATER, 1, compacted(records), KEY, 1, 0x79),
        ):
            _read(made, layouts)


def _read(telegram: bytes, layouts: Layouts | None = None) -> None:
    with contextlib.suppress(RemoteProtocolError):
        envelope = read_envelope(telegram)
        if envelope is None:
            return
        for key in (None, KEY):
            with contextlib.suppress(RemoteProtocolError):
                opened = open_envelope(envelope, key, layouts)
                readings(opened.telegram, envelope.identity.medium)


RADIO_TARGETS: tuple[Target, ...] = (radio_line, radio_telegram)
