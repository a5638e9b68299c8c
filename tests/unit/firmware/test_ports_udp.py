"""Datagrams as a port: for the DLMS wrapper over UDP."""

import socket
from collections.abc import Iterator

import pytest
from smgw.ports import LineSettings, PortError, PortGone, PortWoken, Wake, open_port
from smgw.profiles import ConfigurationError
from smgw.profiles.toml_importer import parse

LINE = LineSettings()
METER = '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "flat"\nport = "udp://meter:4059"\n'


@pytest.fixture
def meter() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


def url_of(meter: socket.socket) -> str:
    return f"udp://127.0.0.1:{meter.getsockname()[1]}"


def test_datagrams_go_both_ways_whole_and_one_after_the_other(meter: socket.socket) -> None:
    with open_port(url_of(meter), LINE) as port:
        assert not port.paced
        assert port.read() == b""
        port.write(b"asked")
        octets, gateway = meter.recvfrom(100)
        assert octets == b"asked"
        meter.sendto(bytes(9000), gateway)
        meter.sendto(b"second", gateway)
        assert port.wait(5)
        assert port.read() == bytes(9000)
        assert port.wait(5)
        assert port.read() == b"second"


def test_datagrams_of_others_are_not_read(meter: socket.socket) -> None:
    with open_port(url_of(meter), LINE) as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        port.write(b"asked")
        _, gateway = meter.recvfrom(100)
        other.sendto(b"not asked", gateway)
        meter.sendto(b"told", gateway)
        assert port.wait(5)
        assert port.read() == b"told"
        assert port.read() == b""


def test_a_host_where_nobody_listens_is_gone_after_the_first_datagram(meter: socket.socket) -> None:
    url = url_of(meter)
    meter.close()
    with open_port(url, LINE) as port:
        port.write(b"asked")
        assert port.wait(5)
        with pytest.raises(PortGone, match="is gone"):
            port.read()


def test_what_fits_no_datagram_is_an_error_that_names_the_port(meter: socket.socket) -> None:
    with open_port(url_of(meter), LINE) as port, pytest.raises(PortError, match=r"udp://127\.0\.0\.1"):
        port.write(bytes(70_000))


@pytest.mark.parametrize(("url", "said"), [("udp://host", "no UDP port"), ("udp://no.such.host.invalid:1", "find")])
def test_what_is_no_port_says_what_would_be_right(url: str, said: str) -> None:
    with pytest.raises(PortError, match=said):
        open_port(url, LINE)


def test_a_wake_ends_the_wait(meter: socket.socket) -> None:
    wake = Wake()
    with open_port(url_of(meter), LINE, wake) as port:
        wake.set()
        assert not port.wait(5)
    with pytest.raises(PortWoken):
        open_port(url_of(meter), LINE, wake)
    wake.close()


def test_a_meter_profile_may_name_a_udp_port_for_the_wrapper() -> None:
    wrapper = 'protocol = "dlms"\ndlms = { framing = "wrapper" }\n'
    (meter,) = parse(METER + wrapper, "g.toml").meters
    assert meter.port == "udp://meter:4059"


@pytest.mark.parametrize("rest", ['protocol = "sml-poll"\n', 'protocol = "dlms"\n', 'protocol = "dlms"\ndlms = {}\n'])
def test_a_udp_port_for_anything_else_is_refused_with_what_would_be_right(rest: str) -> None:
    with pytest.raises(ConfigurationError, match="UDP carries the wrapper alone"):
        parse(METER + rest, "g.toml")
