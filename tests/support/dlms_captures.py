"""The DLMS captures of real meters: the copy in the repository before the shared one, and the way to their pushes."""

import dlms_pushes
import pytest
from captures import ABSENT, OWN, SHARED
from dlms_pushes import SAMPLE_KEY
from smgw.cosem import plain
from smgw.cosem.units import symbol
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.carriers.mbus import MBusListener
from smgw.dlms.push.lists import PushedList, read_push
from smgw.dlms.push.reader import Push, PushReader
from smgw.hdlc import Listener
from smgw.wire import Refused

#: Captures of one plausible push.
PUSHES = (
    "amshan/aidon_no_list_1_llc.bin",
    "amshan/aidon_no_list_3_llc.bin",
    "amshan/hdlc_frame_with_escape_character_in_info.bin",
    "amshan/kaifa_no_list_1_llc.bin",
    "amshan/kaifa_no_list_3_llc.bin",
    "amshan/kamstrup_no_list_1_single_phase_real_sample_llc.bin",
    "amshan/kamstrup_no_list_2_single_phase_llc.bin",
    "amshan/kamstrup_no_list_2_three_phase_llc.bin",
    "dlms-cosem/kamstrup_norwegian_han_0.bin",
    "operator-docs/tinetz_kaifa_mbus_dlms.bin",
    "smartmeter-datacollector/iskra_am550_unencrypted_valid_data.bin",
    "smartmeter-datacollector/lg_e450_unencrypted_valid_data1.bin",
    "smartmeter-datacollector/lg_e570_encrypted_valid_data.bin",
    "smartmeter-datacollector/lg_e570_unencrypted_valid_data_load_cfg2026.bin",
)
_LLC = 3


def dlms_capture(name: str) -> bytes:
    """The octets of one capture, or of a made push; a test that asks for an absent capture is skipped."""
    if name in dlms_pushes.NAMES:
        return dlms_pushes.made_pushes()[name].octets
    for root in (OWN, SHARED):
        path = root / "dlms" / name
        if path.exists():
            return path.read_bytes()
    pytest.skip(f"capture {name}: {ABSENT}")


def open_with_sample_key(ciphered: Ciphered) -> bytes:
    """The plain text of an APDU ciphered with the sample key."""
    from smgw.dlms.security import suites  # `cryptography` only where it is used, as on the device

    suite = suites.Suite(ciphered.security_control & 0x0F)
    keys = suites.Keys.of(suite, SAMPLE_KEY, SAMPLE_KEY)
    return suites.unseal(keys, ciphered.system_title or b"", ciphered.octets).text


def apdus_of(name: str) -> tuple[list[bytes], list[str]]:
    """The APDUs that a capture carries, and why what carries none was refused."""
    octets = dlms_capture(name)
    if name.endswith("_llc.bin"):
        return [octets[_LLC:]], []
    listener = MBusListener() if "mbus" in name else Listener()
    events = [*listener.receive(octets), *listener.finish()]
    refused = [event.reason for event in events if isinstance(event, Refused)]
    return [event.apdu for event in events if not isinstance(event, Refused)], refused


def pushes_of(name: str) -> tuple[list[Push], list[str]]:
    """The notifications in a capture, and the reasons of what was refused."""
    apdus, reasons = apdus_of(name)
    reader = PushReader(open_with_sample_key)
    events = [event for apdu in apdus for event in reader.receive(apdu)] + reader.finish()
    refused = [event.reason for event in events if isinstance(event, Refused)]
    return [event for event in events if isinstance(event, Push)], reasons + refused


def one_list(name: str) -> PushedList:
    """The one list of values that a capture holds."""
    (push,), refused = pushes_of(name)
    assert refused == []
    return read_push(push.notification)


def as_read(pushed: PushedList) -> list[str]:
    """The readings as a person reads them: `1-0:1.7.0*255 280 W`."""
    return [
        f"{reading.obis} {plain(reading.value.value, reading.scaler)} {symbol(reading.unit)}".rstrip()
        for reading in pushed.readings()
        if isinstance(reading.value.value, int)
    ]
