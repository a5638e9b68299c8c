"""The tries of `smgw scan` for M-Bus."""

from collections.abc import Iterator

from smgw.lmn.mbus.line import MBusLine
from smgw.lmn.scan import Ask, Found, Listen, Scan, device_text
from smgw.mbus.master import NORMALISE, TEST, Answer, Master, Secondary, normalise, select
from smgw.mbus.master import Found as Heard
from smgw.mbus.readings import device_of, readings
from smgw.mbus.requests import RequestDecoder, Short
from smgw.mbus.telegram import medium_name
from smgw.ports import Port
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile

_SPEEDS = (2400, 300, 9600, 1200, 4800, 600, 19_200, 38_400)
_FEW = range(6)  # addresses that are tried at each speed
_ALL = range(251)
_ENOUGH_CALLS = 2


def _asked(scan: Scan) -> Iterator[Found]:
    """The meters at the first speed with an answer. A bus is silent until a meter is asked."""
    if scan.others:
        return
    for baudrate in _SPEEDS[: 1 if scan.on_network else None]:
        profile = scan.candidate("mbus", baudrate, "E")
        scan.say(f"{scan.line(profile)}M-Bus, any meter")
        with scan.open(profile) as port:
            line = MBusLine(scan.surroundings, answer_time(baudrate))
            if not _anybody(line, port):
                continue
            yield from _all(scan, line, port, profile)
            return


def answer_time(baudrate: int) -> float:
    """Seconds that a meter may take to answer, with 100 ms for a bridge: 330 bits and 50 ms."""
    return 0.15 + 330 / baudrate


def _anybody(line: MBusLine, port: Port) -> bool:
    """True if one or more meters answer in any way: the address of all, or a selection of all."""
    requests = (normalise(TEST), select(Secondary()))
    return any(line.exchange(port, request) is not Answer.SILENCE for request in requests)


def _all(scan: Scan, line: MBusLine, port: Port, profile: MeterProfile) -> Iterator[Found]:
    """By secondary address first: meters from the factory share the primary address 0."""
    scan.say(f"{scan.line(profile)}M-Bus, searching secondary addresses")
    master = Master(1)
    for heard in line.search(port, master.search()):
        yield _found(profile, heard)
    if master.gave_up:
        scan.say("  given up: only damaged answers; check the converter, the cable and the parity")
    addresses = scan.addresses or (_ALL if scan.whole else _FEW)
    scan.say(f"{scan.line(profile)}M-Bus, trying {len(addresses)} primary addresses")
    for heard in line.search(port, Master(1).search_primary(addresses)):
        yield _found(profile, heard)


def _found(profile: MeterProfile, heard: Heard) -> Found:
    address = heard.address
    if isinstance(address, int):
        made, told = profile._replace(options=MBusProfile(address=address)), f"address {address}"
    else:
        made = profile._replace(options=MBusProfile(secondary=str(address), fabrication=address.fabrication))
        told = f"secondary {address}" + (f", fabrication {address.fabrication}" if address.fabrication else "")
    telegram = heard.telegram
    if telegram is None or telegram.identity is None:
        return Found(made, "", heard.remark, told)
    identity = telegram.identity
    remark = "; ".join(filter(None, (medium_name(identity.medium), *telegram.alarms, heard.remark)))
    objects = tuple(reading.obis for reading in readings(telegram, identity.medium))
    return Found(made, device_text(device_of(identity)), remark, told, objects)


class _Ear:
    """A meter that acts as a master calls until it is acknowledged. Nobody acknowledges here, so it has no id yet."""

    def __init__(self, profile: MeterProfile) -> None:
        self._profile = profile
        self._decoder = RequestDecoder()
        self._calls = 0

    def hear(self, octets: bytes) -> Found | None:
        for event in self._decoder.receive(octets):
            self._calls += isinstance(event, Short) and event.control == NORMALISE
        if self._calls < _ENOUGH_CALLS:
            return None
        return Found(self._profile._replace(options=MBusProfile()), "", "it calls, and waits for an acknowledgement")


PUSH = Listen(5, ((9600, "E"),), _Ear)
POLL = Ask(3, _asked)
