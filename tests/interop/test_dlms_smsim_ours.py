"""Our own client reads smsim over real sockets and ptys: every framing, echo, and sign-on with a change of speed."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from dlms_driver import Driver, Line
from dlms_smsim import CONFIRMATIONS, energy_of, running_meters, same_device
from smgw.cosem import AttributeName, Obis
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data import decode_all
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Got
from smgw.hdlc import Address, Link, LinkParameters
from smgw.iec62056.events import ChangeBaud, SignedOn
from smgw.iec62056.sign_on import Event, SignOn
from smgw.ports import LineSettings, Port, open_port
from smgw.wire import Transmit

ENERGY = AttributeName(3, Obis.parse("1.8.0"), 2)
METER = Address(1, 17)


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with running_meters(tmp_path_factory.mktemp("meters")) as found:
        yield found


def energy_read(line: Line, link: Link | Wrapper) -> object:
    driver = Driver(line, link, Client())
    driver.connect()
    driver.expect(driver.client.associate(), Associated)
    (octets,) = driver.expect(driver.client.get(ENERGY), Got).results
    driver.disconnect()
    assert isinstance(octets, bytes)
    return decode_all(octets).value


@pytest.mark.parametrize(("information", "window"), [(128, 1), (2030, 7)])
def test_over_tcp_with_hdlc(meters: dict[str, Any], information: int, window: int) -> None:
    link = Link.client(Address(16), Address(1), LinkParameters.of(information, window))
    line = Line.tcp(meters["hdlc"])
    try:
        assert energy_read(line, link) == energy_of(same_device())
        assert link.parameters == LinkParameters.of(information, window)
    finally:
        line.close()


def test_over_tcp_with_the_wrapper(meters: dict[str, Any]) -> None:
    line = Line.tcp(meters["wrapper"])
    try:
        assert energy_read(line, Wrapper.client(16, 1)) == energy_of(same_device())
    finally:
        line.close()


def test_over_a_pty_that_echoes(meters: dict[str, Any]) -> None:
    """R2."""
    link = Link.client(Address(16), METER)
    with open_port(meters["echo"], LineSettings()) as port:
        assert energy_read(Line(port.fileno(), lambda: None), link) == energy_of(same_device())
    assert link.echo


@pytest.mark.parametrize("confirmation", CONFIRMATIONS)
def test_after_sign_on_at_the_meters_own_speed(meters: dict[str, Any], confirmation: str) -> None:
    """R20, R21, R22: 7E1 in software on a pty, and the speed changed while it is open; else there is only garbage."""
    with open_port(meters[f"optical-{confirmation}"], LineSettings(300)) as port:
        signed_on = sign_on(port)
        assert (signed_on.baudrate, signed_on.identification.maker) == (9600, "UTB")
        assert port.settings == LineSettings(9600)
        energy = energy_read(Line(port.fileno(), lambda: None), Link.client(Address(16), METER))
        assert energy == energy_of(same_device())


def sign_on(port: Port) -> SignedOn:
    """As a driver does it."""
    signing = SignOn()
    done: list[SignedOn] = []

    def carry(events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                port.write(event.octets)
            elif isinstance(event, ChangeBaud):
                port.change_baud(event.baudrate)
            else:
                assert isinstance(event, SignedOn), event
                done.append(event)

    carry(signing.start(time.monotonic()))
    while (due := signing.deadline(time.monotonic())) is not None:
        if port.wait(max(0.0, due - time.monotonic())):
            carry(signing.receive(port.read(), time.monotonic()))
        else:
            carry(signing.expire(time.monotonic()))
    while port.wait(0.0):
        port.read()
    return done[0]
