"""`smgw scan` at a radio stick, on a real pty."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from line_meter import Head
from smgw.cli.scan import profile_text
from smgw.cli.setup_meters import registered
from smgw.lmn.mbus import radio_scan
from smgw.lmn.scan import Found, Scan
from smgw.mbus.radio import sending
from smgw.mbus.telegram import Identity

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
