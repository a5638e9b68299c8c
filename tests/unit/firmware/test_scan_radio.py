"""`smgw scan` at a radio stick, on a real pty."""

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from line_meter import Head
from smgw.cli.scan import profile_text
from smgw.cli.setup_meters import registered
from smgw.clock import GatewayClock
from smgw.lmn.contract import Surroundings
from smgw.lmn.mbus import radio_scan
from smgw.lmn.read_once import read_once
from smgw.lmn.scan import Found, Scan
from smgw.mbus.radio import sending
from smgw.mbus.telegram import Identity
from smgw.ports import Wake
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.profiles.wmbus import WmbusProfile

WATER, HEAT = Identity("12345678", "ELS", 0x12, 7), Identity("87654321", "LUG", 0x07, 4)
TELEGRAMS = (
    sending.by_mode_7(WATER, 1, b"\x04\x13\1\0\0\0", bytes(16), 5),
    sending.in_the_clear(HEAT, 1, b"\x04\x06\1\0\0\0"),
)


@contextmanager
def stick(made: object, link: Path) -> Iterator[str]:
    """A stick that passes the telegrams of two meters on again and again; its port."""
    stop, head = threading.Event(), Head(link)

    def run() -> None:
        while not stop.wait(0.02):
            for telegram in TELEGRAMS:
                head.send(made(telegram, 120))  # type: ignore[operator]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield str(link)
    finally:
        stop.set()
        os.set_blocking(head.master, False)
        thread.join(30)
        head.unplug()


@contextmanager
def silent_cul(link: Path) -> Iterator[str]:
    """A CUL that passes telegrams on after it was set up; its port."""
    stop, head, heard = threading.Event(), Head(link), bytearray()
    os.set_blocking(head.master, False)

    def run() -> None:
        while not stop.wait(0.02):
            with contextlib.suppress(OSError):  # nothing came, or nobody has the port open
                heard.extend(os.read(head.master, 256))
            if b"brt\r\nX21\r\n" in heard:
                with contextlib.suppress(OSError):
                    for telegram in TELEGRAMS:
                        os.write(head.master, sending.by_cul(telegram, 120))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield str(link)
    finally:
        stop.set()
        thread.join(30)
        head.unplug()


def test_a_stick_that_is_silent_until_it_is_set_up_is_found(tmp_path: Path) -> None:
    with silent_cul(tmp_path / "stick") as port:
        ask = radio_scan.PUSH.ask
        assert ask is not None
        meters = list(ask.run(Scan(port, lambda _: None, listen_s=2.0)))
    assert sorted(one.profile.options.id for one in meters) == ["12345678", "87654321"]
    assert {one.profile.options.stick for one in meters} == {"cul"}


def test_a_single_reading_sets_the_stick_up_first(tmp_path: Path) -> None:
    with silent_cul(tmp_path / "stick") as port, contextlib.closing(Wake()) as wake:
        profile = MeterProfile("heat", "wmbus", port, options=WmbusProfile("87654321", stick="cul"))
        (values,) = read_once(profile, Secrets(), Surroundings(GatewayClock()), wake, 30)
    assert str(values.device) == "6LUG0787654321"


def found(port: str) -> list[Found]:
    return list(Scan(port, lambda _: None, listen_s=1.0).run())


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio_scan, "_LEAST_S", 1.0)


@pytest.mark.parametrize(
    ("made", "name"), [(sending.by_imst, "im871a"), (sending.by_amber, "amber"), (sending.by_cul, "cul")]
)
def test_all_meters_that_a_stick_hears_are_listed_with_their_signal(made: object, name: str, tmp_path: Path) -> None:
    with stick(made, tmp_path / "stick") as port:
        meters = found(port)
    by_id = {one.profile.options.id: one for one in meters}
    assert sorted(by_id) == ["12345678", "87654321"]
    assert all("dBm" in one.remark for one in meters)
    assert "encryption_key_file" in by_id["12345678"].remark
    assert [str(one) for one in by_id["87654321"].objects] == ["6-0:1.0.0*255"]
    assert {one.profile.options.stick for one in meters} == {name}


def test_the_section_to_paste_names_the_meter_and_the_speed(tmp_path: Path) -> None:
    with stick(sending.by_amber, tmp_path / "stick") as port:
        text = profile_text(found(port)[0])
    assert 'protocol = "wmbus"' in text
    assert "baudrate = 9600" in text
    assert 'wmbus = { id = "12345678", stick = "amber" }' in text


def test_setup_leaves_the_registration_period_of_a_meter_that_sends_rarely() -> None:
    tables = [{"name": "water", "protocol": "wmbus"}, {"name": "house", "protocol": "sml-push"}]
    found = {one["name"]: one.get("registration_period") for one in registered(tables, 900)}
    assert found == {"water": None, "house": 900}
