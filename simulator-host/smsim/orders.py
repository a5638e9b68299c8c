"""Orders to a running simulator, from the menu or its control socket: one line, one answer."""

import shlex
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from smgw.cosem import DeviceId
from smgw.errors import SmgwError

from smsim import asked_faults
from smsim.dlms.faults import DlmsFaults
from smsim.errors import FaultError
from smsim.mbus.faults import MBusFaults
from smsim.sml.faults import FIELDS, MOST_ONE_IN, MOST_SECONDS, Fault, Kind, lasting

if TYPE_CHECKING:
    from smsim.simulator import RunningMeter, Simulator

ALL = "*"
HELP = (
    f"""\
METER KIND [KEY=VALUE ...]   switch a fault on; METER is a name or a pattern: {ALL} is all, 'flat {ALL}' some
METER KIND off               switch it off
meters                       the meters and what is wrong with them
kinds: """
    + "\n       ".join(
        " ".join((kind.value, *(f"{key}={'ID' if key == 'device' else 'N'}" for key in keys)))
        for kind, keys in FIELDS.items()
    )
    + "\n"
    + "\n".join((DlmsFaults.help(), MBusFaults.help()))
)


def carry_out(simulator: "Simulator", line: str) -> str:
    """Carry out a line; returns the answer as text. FaultError if the line is wrong."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise FaultError(f"{line!r} is no order: {error}") from None
    if not words or words == ["help"]:
        return HELP
    if words == ["meters"]:
        return "\n".join([*map(_state, simulator.meters), *asked_faults.states(simulator.asked)])
    if len(words) < 2:
        raise FaultError(f"{line!r} is no order; write METER KIND, or help")
    if (answer := asked_faults.carry_out(simulator.asked, words)) is not None:
        return answer
    name, kind_name, *rest = words
    meters = [meter for meter in simulator.meters if fnmatchcase(meter.config.spec.name, name)]
    if not meters:
        raise FaultError(f"there is no meter {name}; `meters` lists them")
    kind = _kind(kind_name)
    if rest == ["off"]:
        if not lasting(kind):
            raise FaultError(f"{kind.value} cannot be switched off: it has happened")
        for meter in meters:
            meter.faults.end(kind)
        return f"{kind.value} is off: {_named(meters)}"
    fault = _fault(kind, rest)
    if fault.device is not None and len(meters) > 1:
        raise FaultError(f"device= names one meter, but {name} are {len(meters)}")
    for meter in meters:
        meter.check(fault)
    for meter in meters:
        meter.begin(fault)
    return f"{kind.value} is on: {_named(meters)}"


def _named(meters: "list[RunningMeter]") -> str:
    return f"{len(meters)} meters" if len(meters) > 1 else meters[0].config.spec.name


def _state(meter: "RunningMeter") -> str:
    return f"{meter.config.spec.name}: {', '.join(meter.faults.names()) or 'well'}"


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        raise FaultError(f"there is no fault {name}; write one of {', '.join(kind.value for kind in Kind)}") from None


def _fault(kind: Kind, words: list[str]) -> Fault:
    fault = Fault(kind)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or key not in FIELDS[kind]:
            keys = " ".join(f"{known}=..." for known in FIELDS[kind])
            raise FaultError(f"{kind.value} takes no {word!r}, but {keys}")
        try:
            fault = _with(fault, key, text)
        except (ValueError, SmgwError) as error:
            raise FaultError(f"{word!r}: {error}") from None
    return fault


def _with(fault: Fault, key: str, text: str) -> Fault:
    match key:
        case "for":
            return fault._replace(for_s=_within(float(text), 0, MOST_SECONDS))
        case "one_in":
            return fault._replace(one_in=int(_within(int(text), 2, MOST_ONE_IN)))
        case "by":
            return fault._replace(by_s=int(_within(int(text), -MOST_SECONDS, MOST_SECONDS)))
        case _:
            return fault._replace(device=DeviceId.parse(text))


def _within(number: float, low: int, high: int) -> float:
    if not low <= number <= high:
        raise ValueError(f"write {low} to {high}")
    return number
