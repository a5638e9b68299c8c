"""Telegrams of P1 and D0 over each kind of line: serial, TCP, and a serial server that speaks RFC 2217."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from captures import OWN
from line_meter import Head, Inbox, driver, running, until
from rfc2217_bridge import Rfc2217Bridge
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.security.suites import Keys, Protection, Suite, seal
from smgw.iec62056.seven_bit import with_parity
from smgw.lmn.p1.sealing import PUBLISHED_KEY
from smgw.profiles.d0 import D0Profile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import P1Profile
from smgw.profiles.secrets import Secrets

V5 = (OWN / "dsmr" / "dsmr_parser" / "telegram_v5.txt").read_bytes()
PUSHES = (OWN / "d0" / "smartmeter-obis" / "testSerialResponseD0FastSend.txt").read_bytes()
FIRST = PUSHES.index(b"!\r\n") + 3  # octets of the first of two
KEY, TITLE = bytes(range(16)), b"SAG\0\0\0\0\1"
PIECE = 100
Send = Callable[[bytes], object]


def sealed(counter: int) -> bytes:
    keys = Keys.of(Suite.AES_GCM_128, KEY, PUBLISHED_KEY)
    return Ciphered(GENERAL_GLO, seal(keys, Protection.BOTH, TITLE, counter, V5), TITLE).encode()


@contextlib.contextmanager
def serial(folder: Path) -> Iterator[tuple[str, Send]]:
    head = Head(folder / "head")
    try:
        yield str(head.link), lambda octets: os.write(head.master, octets)
    finally:
        head.unplug()


@contextlib.contextmanager
def tcp(_folder: Path) -> Iterator[tuple[str, Send]]:
    """A serial server in raw mode, and meters with a network of their own."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        accepted: list[socket.socket] = []

        def send(octets: bytes) -> None:
            if not accepted:
                accepted.append(stack.enter_context(listener.accept()[0]))
            accepted[0].sendall(octets)

        yield f"socket://127.0.0.1:{listener.getsockname()[1]}", send


@contextlib.contextmanager
def rfc2217(folder: Path) -> Iterator[tuple[str, Send]]:
    with serial(folder) as (line, send), Rfc2217Bridge(line) as bridge:

        def send_when_open(octets: bytes) -> None:
            until(lambda: bridge.speeds)
            send(octets)

        yield bridge.url, send_when_open


LINES = {"serial": serial, "tcp": tcp, "rfc2217": rfc2217}
#: Protocol, options, secrets, two telegrams, devices.
METERS = {
    "p1": ("dsmr-p1", P1Profile(), {}, (V5, V5), {b"K8EG004046395507", b"2222ABCD123456789"}),
    "encrypted p1": (
        "dsmr-p1", P1Profile(country="LU"), {"encryption_key": KEY}, (sealed(1), sealed(2)),
        {b"K8EG004046395507", b"2222ABCD123456789"},
    ),
    "d0": ("d0-push", D0Profile(), {}, (with_parity(PUSHES[:FIRST]), with_parity(PUSHES[FIRST:])), {b"331200-5009810"}),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("meter", METERS)
def test_telegrams_arrive_over_each_kind_of_line(line: str, meter: str, tmp_path: Path) -> None:
    protocol, options, secrets, telegrams, devices = METERS[meter]
    inbox = Inbox()
    with LINES[line](tmp_path) as (port, send):
        profile = MeterProfile("house", protocol, port, baudrate=115_200, options=options)
        with running(driver(profile, inbox=inbox, secrets=Secrets(**secrets))) as made:  # type: ignore[arg-type]
            until(lambda: made.tried)  # what was written to a pty before is flushed when it is opened
            for number, telegram in enumerate(telegrams, 1):
                for start in range(0, len(telegram), PIECE):
                    send(telegram[start : start + PIECE])
                until(lambda number=number: len(inbox.captures) >= number * len(devices))
    assert {bytes(one.device) for one in inbox.captures} == devices
    assert len(inbox.captures) == 2 * len(devices)
    assert inbox.states[-1].refused == 0
