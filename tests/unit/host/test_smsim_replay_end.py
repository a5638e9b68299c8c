"""A capture that is replayed in a loop ends with a whole telegram."""

from collections.abc import Callable

import pytest
from dlms_captures import dlms_capture
from dlms_pushes import in_blocks, in_hdlc, in_mbus
from smgw.cosem import DeviceId
from smgw.dlms.carriers.mbus import MBusListener
from smgw.hdlc import Listener
from smgw.sml.telegram import TelegramReader
from smgw.wire import Refused
from smsim.load.timelapse import TimeLapse
from smsim.replay import without_cut_end
from smsim.sml.meter import Meter, MeterSpec

#: A list of Aidon with 27 objects: 362 octets.
APDU = dlms_capture("amshan/aidon_no_list_3_llc.bin")[3:]


def sml() -> bytes:
    meter = Meter(MeterSpec("m", DeviceId.parse("1UTB0000000001")), TimeLapse(1_767_222_000), lambda: 60_000)
    return meter.telegram()


def blocks() -> bytes:
    return b"".join(map(in_hdlc, in_blocks(APDU)))


MADE: dict[str, tuple[Callable[[], bytes], Callable[[], TelegramReader | Listener | MBusListener]]] = {
    "SML": (sml, TelegramReader),
    "HDLC": (lambda: in_hdlc(APDU), Listener),
    "HDLC, segmented": (lambda: in_hdlc(APDU, 120), Listener),
    "HDLC, general blocks": (blocks, Listener),
    "M-Bus": (lambda: in_mbus(APDU), MBusListener),
}
every_kind = pytest.mark.parametrize(("telegram", "reader"), MADE.values(), ids=MADE)


@every_kind
def test_a_cut_last_telegram_is_left_out_wherever_it_is_cut(
    telegram: Callable[[], bytes], reader: Callable[[], TelegramReader | Listener | MBusListener]
) -> None:
    whole = telegram() * 2
    last = telegram()
    for cut in (*range(1, 12), *range(12, len(last), 13), *range(len(last) - 12, len(last))):
        assert without_cut_end(whole + last[:cut]) == whole, cut


@every_kind
def test_a_capture_of_whole_telegrams_stays_as_it_is(
    telegram: Callable[[], bytes], reader: Callable[[], TelegramReader | Listener | MBusListener]
) -> None:
    assert without_cut_end(telegram() * 3) == telegram() * 3


@every_kind
def test_rounds_of_what_is_left_hold_no_damage(
    telegram: Callable[[], bytes], reader: Callable[[], TelegramReader | Listener | MBusListener]
) -> None:
    played = without_cut_end(telegram() * 2 + telegram()[:-5]) * 3
    found = reader().receive(played)
    assert found
    assert not [one for one in found if isinstance(one, Refused)]


def test_a_damaged_last_telegram_that_is_whole_is_played() -> None:
    damaged = bytearray(sml())
    damaged[60] ^= 1
    assert without_cut_end(sml() + damaged) == sml() + damaged


@pytest.mark.parametrize("octets", [b"", b"/ISk5\r\n", sml()[:100], in_hdlc(APDU)[:100]])
def test_a_capture_without_any_whole_telegram_stays_as_it_is(octets: bytes) -> None:
    assert without_cut_end(octets) == octets


def test_what_precedes_the_first_telegram_stays() -> None:
    octets = b"\0noise" + sml()
    assert without_cut_end(octets + sml()[:50]) == octets
