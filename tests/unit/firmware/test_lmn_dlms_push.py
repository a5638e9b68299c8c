"""The reader of meters that push DLMS, with what real meters sent, through a pty."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dlms_captures import SAMPLE_KEY, as_read, dlms_capture, one_list
from dlms_pushes import KAIFA_MBUS, LANDIS_E570_CIPHERED, made_pushes
from line_meter import Head, Inbox, driver, running, until, watch
from smgw.cosem import DeviceId, Obis
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.carriers.mbus import MBusListener, MBusPush
from smgw.hdlc import Address
from smgw.hdlc.link import Link
from smgw.lmn.driver import Driver
from smgw.profiles.dlms import DlmsProfile, Framing
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.records import Condition
from smgw.wire import Transmit

FREE = [
    "amshan/aidon_no_list_3_llc.bin",
    "amshan/kaifa_no_list_3_llc.bin",
    "amshan/kamstrup_no_list_1_single_phase_real_sample_llc.bin",
]
FRAMED = [
    "dlms-cosem/kamstrup_norwegian_han_0.bin",
    "smartmeter-datacollector/iskra_am550_unencrypted_valid_data.bin",
    "smartmeter-datacollector/lg_e450_unencrypted_valid_data1.bin",
    "smartmeter-datacollector/lg_e570_encrypted_valid_data.bin",
    "operator-docs/tinetz_kaifa_mbus_dlms.bin",
]
MADE = list(made_pushes())
# Encrypted, not authenticated.
CIPHERED = "smartmeter-datacollector/lg_e570_encrypted_valid_data.bin"
CIPHERED_MBUS = "operator-docs/tinetz_kaifa_mbus_dlms.bin"
ALL_CIPHERED = (CIPHERED, CIPHERED_MBUS, LANDIS_E570_CIPHERED, KAIFA_MBUS)
with_a_ciphered_push = pytest.mark.parametrize("ciphered", [CIPHERED, LANDIS_E570_CIPHERED])
with_a_ciphered_mbus_push = pytest.mark.parametrize("ciphered", [CIPHERED_MBUS, KAIFA_MBUS])


def on_the_wire(name: str) -> bytes:
    """A capture without frames is put into UI frames, as its meter does."""
    octets = dlms_capture(name)
    if not name.endswith("_llc.bin"):
        return octets
    sent = Link.server(Address(1, 17), client=Address(16)).send_unnumbered(octets[3:], 0.0)
    return b"".join(event.octets for event in sent if isinstance(event, Transmit))


def reader(
    head: Head,
    inbox: Inbox,
    *,
    mbus: bool = False,
    key: bool = False,
    authenticated: bool = False,
    scalers: tuple[tuple[Obis, int], ...] = (),
    **changes: object,
) -> Driver:
    dlms = DlmsProfile(
        framing=Framing.MBUS if mbus else Framing.HDLC,
        encryption_key_file=Path("e"),
        authentication_key_file=Path("a"),
        scalers=scalers,
    )
    profile = MeterProfile(
        name="flat", protocol="dlms-push", port=str(head.link), baudrate=115_200, options=dlms, **changes  # type: ignore[arg-type]
    )  # fmt: skip
    secrets = Secrets(
        encryption_key=SAMPLE_KEY if key else None, authentication_key=SAMPLE_KEY if key and authenticated else None
    )
    return driver(profile, inbox=inbox, secrets=secrets)


@contextmanager
def listening(made: Driver) -> Iterator[Driver]:
    """What is sent before the port is open is lost, as on a real line."""
    with running(made):
        until(lambda: made.tried)
        yield made


@pytest.mark.parametrize("name", FREE + FRAMED + MADE)
def test_a_push_of_a_real_meter_becomes_a_capture(name: str, tmp_path: Path) -> None:
    octets, expected = on_the_wire(name), one_list(name)
    inbox, head = Inbox(), Head(tmp_path / "head")
    with listening(reader(head, inbox, mbus="mbus" in name, key=name in ALL_CIPHERED)):
        head.send(octets, 64, 0.001)
        until(lambda: inbox.captures)
    head.unplug()
    (capture,) = inbox.captures
    assert capture.readings == expected.readings()
    assert capture.meter_time == expected.meter_time
    device = expected.device()
    assert device is None or capture.device == DeviceId(device)
    assert inbox.states[-1].state == Condition.READING
    assert len(as_read(expected)) <= len(capture.readings)


def test_a_short_list_without_the_meters_name_is_of_the_meter_that_said_it_before(tmp_path: Path) -> None:
    """Otherwise one meter would be two devices at the head-end."""
    inbox, head = Inbox(), Head(tmp_path / "head")
    with listening(reader(head, inbox)):
        for name in ("amshan/kaifa_no_list_3_llc.bin", "amshan/kaifa_no_list_1_llc.bin"):
            head.send(on_the_wire(name))
        until(lambda: len(inbox.captures) == 2)
    head.unplug()
    assert [capture.device for capture in inbox.captures] == [DeviceId(b"6970631402614476")] * 2


def test_a_scaler_that_the_profile_names_goes_before_the_meters(tmp_path: Path) -> None:
    """R16."""
    inbox, head = Inbox(), Head(tmp_path / "head")
    energy = Obis.parse("1-0:1.8.0")
    with listening(reader(head, inbox, scalers=((energy, 5),))):
        head.send(on_the_wire(FREE[0]))
        until(lambda: inbox.captures)
    head.unplug()
    said = {one.obis: one.scaler for one in one_list(FREE[0]).readings()}
    assert {one.obis: one.scaler for one in inbox.captures[0].readings} == said | {energy: 5}


def test_only_the_wanted_objects_are_kept(tmp_path: Path) -> None:
    inbox, head = Inbox(), Head(tmp_path / "head")
    wanted = Obis.parse("1-0:1.8.0")
    with listening(reader(head, inbox, objects=(wanted,))):
        head.send(on_the_wire(FREE[0]))
        until(lambda: inbox.captures)
    head.unplug()
    assert [one.obis for one in inbox.captures[0].readings] == [wanted]


def test_noise_and_damage_cost_no_more_than_what_they_hit(tmp_path: Path) -> None:
    inbox, head = Inbox(), Head(tmp_path / "head")
    whole = on_the_wire(FREE[1])
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0x10
    with listening(reader(head, inbox)):
        for octets in (b"\xffnoise\x7e\x7e", whole, bytes(damaged), whole, whole):
            head.send(octets)
        until(lambda: len(inbox.captures) == 3)
    head.unplug()
    assert inbox.states[-1].refused >= 1


@with_a_ciphered_push
def test_a_ciphered_push_is_taken_once_and_an_old_one_is_told(tmp_path: Path, ciphered: str) -> None:
    """A recorded telegram must not become a reading again."""
    octets = on_the_wire(ciphered)
    inbox, head = Inbox(), Head(tmp_path / "head")
    with listening(reader(head, inbox, key=True)) as made:
        for _ in range(2):
            head.send(octets, 64, 0.001)
        until(lambda: watch(made).last_refusal)
    head.unplug()
    assert len(inbox.captures) == 1
    assert "an old one" in watch(made).last_refusal


def test_a_push_in_the_clear_is_not_believed_of_a_meter_that_ciphers(tmp_path: Path) -> None:
    """Anybody on the line can send one."""
    inbox, head = Inbox(), Head(tmp_path / "head")
    with listening(reader(head, inbox, key=True)) as made:
        head.send(on_the_wire(FREE[1]))
        until(lambda: watch(made).last_refusal)
    head.unplug()
    assert "in the clear" in watch(made).last_refusal
    assert not inbox.captures


@with_a_ciphered_mbus_push
def test_a_push_without_its_tag_is_not_believed_where_there_is_an_authentication_key(
    tmp_path: Path, ciphered: str
) -> None:
    """Without one each bit of it can be turned on the way."""
    inbox, head = Inbox(), Head(tmp_path / "head")
    with listening(reader(head, inbox, mbus=True, key=True, authenticated=True)) as made:
        head.send(on_the_wire(ciphered))
        until(lambda: watch(made).last_refusal)
    head.unplug()
    assert "not authenticated" in watch(made).last_refusal
    assert not inbox.captures


@with_a_ciphered_mbus_push
def test_a_forged_counter_does_not_stop_the_pushes_that_follow(tmp_path: Path, ciphered: str) -> None:
    """What is encrypted and not authenticated opens with any counter."""
    octets, inbox, head = on_the_wire(ciphered), Inbox(), Head(tmp_path / "head")
    (whole,) = MBusListener().receive(octets)
    assert isinstance(whole, MBusPush)
    real = decode_apdu(whole.apdu)
    assert isinstance(real, Ciphered)
    forged = real._replace(octets=real.octets[:1] + b"\xff" * 4 + bytes(60)).encode()
    inside = bytes((0x53, 0xFF, 0x10, 1, 0x67)) + forged
    frame = bytes((0x68, len(inside), len(inside), 0x68)) + inside + bytes((sum(inside) & 0xFF, 0x16))
    with listening(reader(head, inbox, mbus=True, key=True)) as made:
        head.send(frame)
        until(lambda: watch(made).last_refusal)
        head.send(octets)
        until(lambda: inbox.captures)
    head.unplug()


@with_a_ciphered_push
def test_a_ciphered_push_without_a_key_says_what_it_lacks(tmp_path: Path, ciphered: str) -> None:
    octets = on_the_wire(ciphered)
    inbox, head = Inbox(), Head(tmp_path / "head")
    with listening(reader(head, inbox, key=False)) as made:
        head.send(octets, 64, 0.001)
        until(lambda: watch(made).last_refusal)
    head.unplug()
    assert "no key is given to open it" in watch(made).last_refusal
    assert not inbox.captures


def test_octets_of_another_protocol_are_told_with_what_to_try(tmp_path: Path) -> None:
    """R29."""
    inbox, head = Inbox(), Head(tmp_path / "head")
    with listening(reader(head, inbox, silence=1)):
        head.send(b"/EMH5\\@01LZQJ0014F1\r\n1-0:1.8.0*255(000123.4*kWh)\r\n" * 20)
        until(lambda: inbox.states[-1].state == Condition.UNREADABLE)
    head.unplug()
    assert "this is text of IEC 62056-21" in inbox.states[-1].note


def test_when_pushes_stop_it_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    inbox, head = Inbox(), Head(tmp_path / "head")
    with listening(reader(head, inbox, silence=1)):
        head.send(on_the_wire(FREE[1]))
        until(lambda: inbox.states[-1].state == Condition.SILENT)
    head.unplug()
    assert len(inbox.captures) == 1
