"""A telegram as the P1 port of a DSMR 5 meter sends it, made of the live values of one meter.

    /SMG5SMGW-ESMG0000000001                 header; the id is the gateway's
    1-3:0.2.8(50)                            version
    0-0:1.0.0(260301010000W)                 time of the capture, legal time: W in winter, S in summer
    0-0:96.1.1(3145...)                      the meter's id, in hex of its text
    1-0:1.8.0(001234.567*kWh)  2.8.0         totals
    1-0:1.8.1  1.8.2  2.8.1  2.8.2           tariffs
    1-0:1.7.0(00.412*kW)  2.7.0              power; for each phase 21.7.0, 22.7.0 and so on
    1-0:32.7.0(230.1*V)  31.7.0(001.23*A)    of each phase
    0-0:96.13.0(...)                         a text in hex: why no bill may use the values
    !1A2B                                    CRC-16 of all before it

Readers of DSMR expect tariffs. A meter with totals alone has them in 1.8.1 and 2.8.1, and 0 in 1.8.2 and 2.8.2. Of a
balance of power (16.7.0) import or export is made. Currents have two decimals, as in Belgium.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.han.live.points import Shown
from smgw.wire.crc_arc import crc_arc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TEXT = 512  # octets of 96.13.0
_IMPORT, _EXPORT, _CURRENT, _VOLTAGE, _BALANCE, _OF_PHASE = 1, 2, 11, 12, 16, 20
_ENERGY, _NOW = 8, 7  # group D
_ELECTRICITY, _PRESENT = 1, 255  # groups A and F
_MILLI = 3

_Found = dict[tuple[int, int, int], tuple[int, int]]


def telegram(found: Shown, gateway: DeviceId, zone: tzinfo) -> bytes:
    """The octets of one telegram."""
    text = "\r\n".join((*_lines(found, gateway, zone), "!")).encode("ascii")
    return text + b"%04X\r\n" % crc_arc(text)


def _lines(found: Shown, gateway: DeviceId, zone: tzinfo) -> Iterator[str]:
    yield f"/SMG5SMGW-{gateway}"
    yield ""
    yield "1-3:0.2.8(50)"
    yield f"0-0:1.0.0({_legal(found.utc_us, zone)})"
    yield f"0-0:96.1.1({str(found.device).encode().hex().upper()})"
    values = _electricity(found)
    yield from _energy(values)
    for phase in (0, 1, 2, 3):
        yield from _power(values, phase * _OF_PHASE)
    for phase in (1, 2, 3):
        at = phase * _OF_PHASE
        if (volts := values.get((at + _VOLTAGE, _NOW, 0))) is not None:
            yield f"1-0:{at + _VOLTAGE}.7.0({_fixed(*volts, 3, 1)}*V)"
        if (amperes := values.get((at + _CURRENT, _NOW, 0))) is not None:
            yield f"1-0:{at + _CURRENT}.7.0({_fixed(*amperes, 3, 2)}*A)"
    reasons = f"not for billing: {', '.join(found.unfit)}" if found.unfit else ""
    yield f"0-0:96.13.0({reasons.encode('ascii', 'replace')[:_MOST_TEXT].hex().upper()})"


def _electricity(found: Shown) -> _Found:
    """Groups C, D and E -> value and scaler. Of a meter with several channels the lowest counts."""
    values: _Found = {}
    for obis, value, scaler, _ in found.points:
        a, _, c, d, e, f = Obis(obis)
        if a == _ELECTRICITY and f == _PRESENT:
            values.setdefault((c, d, e), (value, scaler))
    return values


def _energy(values: _Found) -> Iterator[str]:
    for flow in (_IMPORT, _EXPORT):
        total = values.get((flow, _ENERGY, 0))
        tariffs = {tariff: values.get((flow, _ENERGY, tariff)) for tariff in (1, 2)}
        if not any(tariffs.values()) and total is not None:
            tariffs = {1: total, 2: (0, 0)}
        for tariff, found in ((0, total), *tariffs.items()):
            if found is not None and found[0] >= 0:
                yield f"1-0:{flow}.8.{tariff}({_fixed(found[0], found[1] - _MILLI, 6, 3)}*kWh)"


def _power(values: _Found, of_phase: int) -> Iterator[str]:
    """Import and export in kW, which a balance has in one number."""
    balance = values.get((of_phase + _BALANCE, _NOW, 0))
    for flow, sign in ((_IMPORT, 1), (_EXPORT, -1)):
        found = values.get((of_phase + flow, _NOW, 0))
        if found is None and balance is not None:
            found = max(0, sign * balance[0]), balance[1]
        if found is not None and found[0] >= 0:
            yield f"1-0:{of_phase + flow}.7.0({_fixed(found[0], found[1] - _MILLI, 2, 3)}*kW)"


def _fixed(value: int, scaler: int, whole: int, decimals: int) -> str:
    """`value * 10^scaler` with that many digits; what is smaller is cut off, as on the meter's display."""
    shift = scaler + decimals
    number = value * 10**shift if shift >= 0 else value // 10**-shift
    digits = str(abs(number)).rjust(whole + decimals, "0")
    return f"{'-' if number < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"


def _legal(utc_us: int, zone: tzinfo) -> str:
    try:
        local = (_EPOCH + timedelta(microseconds=utc_us)).astimezone(zone)
    except OverflowError:  # of a clock that was never set
        local = _EPOCH.astimezone(zone)
    return f"{local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'}"
