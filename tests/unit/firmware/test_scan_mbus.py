"""The search of `smgw scan` on an M-Bus, on a real socket."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from mbus_bus import HEAT, WATER, energy, meter
from smgw.cli.scan import table
from smgw.lmn.mbus import scan as scan_mbus
from smgw.lmn.scan import Found, Scan
from smgw.mbus.slave import Bus, Slave
from smgw.mbus.telegram import Identity
from smgw.profiles.mbus import MBusProfile


@contextmanager
def converter(slaves: Sequence[Slave], *, noise: bool = False) -> Iterator[str]:
    """A bridge of TCP to a bus; the URL of its port. It serves one connection after the other."""
    listener = socket.create_server(("127.0.0.1", 0))
    bus, stop = Bus(slaves), threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while octets := connection.recv(4096):
                    if answer := bus.receive(octets):
                        connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(30)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_mbus, "answer_time", lambda _: 0.05)


def found(port: str) -> tuple[list[Found], list[str]]:
    said: list[str] = []
    return list(scan_mbus.POLL.run(Scan(port, said.append))), said


def test_each_meter_of_a_bus_is_found_with_its_address_and_its_objects() -> None:
    slaves = [meter(1), Slave(2, HEAT, lambda _: [energy(5)])]
    with converter(slaves) as port:
        meters, _ = found(port)
    by_device = {one.device: one for one in reversed(meters)}
    assert sorted(by_device) == ["6LUG0766660205", "8KAM0114839120"]
    heat = by_device["6LUG0766660205"]
    assert heat.profile.options == MBusProfile(secondary="66660205A7320704")
    assert heat.remark == "heat"
    assert [str(one) for one in heat.objects] == ["6-0:1.0.0*255"]
    assert {one.address for one in meters} >= {"address 1", "address 2"}


def test_a_line_without_a_meter_of_the_bus_is_left_after_two_requests() -> None:
    with converter([]) as port:
        meters, said = found(port)
    assert not meters
    assert said == ["M-Bus, any meter"]


def test_a_line_that_is_not_silent_is_not_searched() -> None:
    scan = Scan("socket://127.0.0.1:9", lambda _: None)
    scan.others.append(None)  # type: ignore[arg-type]
    assert not list(scan_mbus.POLL.run(scan))


def test_a_meter_without_an_identity_is_told_with_the_reason() -> None:
    slave = meter(0, Identity("14839120", "KAM", 1, 7))
    slave.error = 9
    with converter([slave]) as port:
        meters, _ = found(port)
    assert all("read too often" in one.remark for one in meters)
    assert meters
    assert slave.identity == WATER


def test_history_values_are_told_apart_in_the_table() -> None:
    with converter([Slave(2, HEAT, lambda _: [energy(5) + b"\x44\x03\4\0\0\0"])]) as port:
        meters, _ = found(port)
    assert "6-0:1.0.0, 6-0:1.0.0*1" in table(port, meters, [])[1]
