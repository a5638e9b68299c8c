"""Writes the content of a gateway's file as AR 2418-6, piece by piece: a year of quarter hours needs no memory.

The order of elements is the schema's. UsagePoints, UsagePoint and:

    espi:ServiceCategory/kind, usagePointId, Customer, InvoicingParty, SMGW, VendorConfig, Certificate ..., tariffName,
    LogEntry ..., MeterReading ...
    SMGW             certId ..., smgwId, FirmwareVersion, FirmwareComponent ...
    MeterReading     Meter, meterReadingId, ReadingType, IntervalBlock
    ReadingType      espi:powerOfTenMultiplier, espi:uom, scaler, obisCode, qualifiedLogicalName, measurementPeriod
    IntervalBlock    interval, IntervalReading ...
    IntervalReading  espi:value, timePeriod, targetTime, measurementTimeMeter, signature, statusFNN, statusPTB

TRuDI refuses some elements that the schema allows (parentRecordNumber, repetitionCounter, SystemTime and others). None
of them is written.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from lxml import etree

from smgw.transparency.document import LogEntry, UsagePoint, Value, ValueList
from smgw.transparency.errors import TransparencyError

AR = "http://vde.de/AR_2418-6.xsd"
ESPI = "http://naesb.org/espi"
ATOM = "http://www.w3.org/2005/Atom"
#: Unit of DLMS -> unit of the file (`uom`).
UNITS = {30: 72, 27: 38, 13: 42, 14: 42, 35: 29, 33: 5, 44: 33, 28: 61, 29: 63, 31: 71, 32: 73, 15: 125, 16: 125}
_MOST_CERTIFICATES = 255  # certId is one octet
_MOST_TEXT = 16_384
_LEVELS, _OUTCOMES, _PTB = range(1, 6), range(3), range(5)
_INT64 = range(-(1 << 63), 1 << 63)


def write(usage_point: UsagePoint, out: BinaryIO) -> None:
    """Write the file.

    :raises TransparencyError: something is missing, or does not fit the format. The file is then not whole.
    """
    _Writer(usage_point, out).write()


def write_file(usage_point: UsagePoint, file: Path) -> None:
    """Write the file whole or not at all; its owner alone can read it. Errors: see `write`."""
    new = file.with_name(f"{file.name}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            write(usage_point, out)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


class _Writer:
    def __init__(self, usage_point: UsagePoint, out: BinaryIO) -> None:
        self._point = usage_point
        self._zone = ZoneInfo(usage_point.zone)
        self._out = out
        self._file: Any = None

    def write(self) -> None:
        self._check()
        with etree.xmlfile(self._out, encoding="utf-8") as file:
            self._file = file
            file.write_declaration()
            root = file.element(f"{{{AR}}}UsagePoints", nsmap={None: AR, "espi": ESPI, "atom": ATOM})
            with root, self._element("UsagePoint"):
                self._usage_point()
            self._file = None

    def _check(self) -> None:
        point = self._point
        _text("usagePointId", point.usage_point, 256)
        _text("customerId", point.customer, 64)
        _text("invoicingPartyId", point.invoicing_party, 64)
        _text("smgwId", point.gateway, 29)
        _text("tariffName", point.tariff, 256)
        if not 1 <= len(point.certificates) <= _MOST_CERTIFICATES:
            raise TransparencyError(
                f"Certificate: {len(point.certificates)} certificates; the file needs 1 to {_MOST_CERTIFICATES}. "
                "Install the gateway's certificates: smgw keys install"
            )
        for one in point.lists:
            if one.unit not in UNITS:
                raise TransparencyError(f"uom: {one.logical_name} has the unit {one.unit}, which the file cannot name")

    def _usage_point(self) -> None:
        point = self._point
        with self._element("ServiceCategory", ESPI):
            self._leaf("kind", point.kind, ESPI)
        self._leaf("usagePointId", point.usage_point)
        with self._element("Customer"):
            self._leaf("customerId", point.customer)
        with self._element("InvoicingParty"):
            self._leaf("invoicingPartyId", point.invoicing_party)
        self._gateway()
        if point.profile:
            with self._element("VendorConfig"):
                self._leaf("tafProfile", point.profile.hex())
        for number, certificate in enumerate(point.certificates, 1):
            with self._element("Certificate"):
                self._leaf("certId", number)
                self._leaf("certType", certificate.kind)
                if certificate.parent is not None:
                    self._leaf("parentCertId", certificate.parent + 1)
                self._leaf("certContent", certificate.der.hex())
        self._leaf("tariffName", point.tariff)
        for entry in point.log:
            self._log_entry(entry)
        for one in point.lists:
            self._list(one)

    def _gateway(self) -> None:
        point = self._point
        with self._element("SMGW"):
            for number in range(1, len(point.certificates) + 1):
                self._leaf("certId", number)
            self._leaf("smgwId", f"{point.gateway}.sm")
            if point.firmware_version:
                self._leaf("FirmwareVersion", _text("FirmwareVersion", point.firmware_version, 64))
            for part in point.components:
                with self._element("FirmwareComponent"):
                    self._leaf("name", _text("name", part.name, 64))
                    if part.version:
                        self._leaf("version", _text("version", part.version, 256))
                    if part.checksum:
                        self._leaf("checksum", _text("checksum", part.checksum, 256))

    def _log_entry(self, entry: LogEntry) -> None:
        with self._element("LogEntry"):
            self._leaf("recordNumber", _within("recordNumber", entry.record_number, range(1 << 32)))
            with self._element("LogEvent"):
                if entry.event is not None:
                    with self._element("type"):
                        self._leaf("eventId", _within("eventId", entry.event, range(1 << 32)))
                self._leaf("level", _within("level", entry.level, _LEVELS))
                self._leaf("text", _printable(entry.text)[:_MOST_TEXT])
                self._leaf("outcome", _within("outcome", entry.outcome, _OUTCOMES))
                if entry.seconds_index is not None:
                    self._leaf("secondsIndex", _within("secondsIndex", entry.seconds_index, range(1 << 32)))
                if entry.subject:
                    self._leaf("subjectIdentity", _printable(entry.subject)[:256])
                self._leaf("timestamp", self._time(entry.time_s))
                if entry.user:
                    self._leaf("userIdentity", _printable(entry.user)[:256])

    def _list(self, one: ValueList) -> None:
        with self._element("MeterReading"):
            with self._element("Meter"):
                self._leaf("meterId", _text("meterId", one.meter, 64))
            self._leaf("meterReadingId", _text("meterReadingId", one.logical_name, 256))
            with self._element("ReadingType"):
                self._leaf("powerOfTenMultiplier", 0, ESPI)
                self._leaf("uom", UNITS[one.unit], ESPI)
                self._leaf("scaler", _within("scaler", one.scaler, range(-(1 << 15), 1 << 15)))
                self._leaf("obisCode", one.obis)
                self._leaf("qualifiedLogicalName", one.logical_name)
                if one.period_s:
                    self._leaf("measurementPeriod", one.period_s)
            with self._element("IntervalBlock"):
                with self._element("interval"):
                    self._interval(one.end_s - one.begin_s, one.begin_s)
                before = one.begin_s * 1_000_000
                for value in one.values:
                    before = self._value(one, value, before)

    def _value(self, one: ValueList, value: Value, before: int) -> int:
        """Write a value; its time, which is never before the one of the value before."""
        at = value.capture_us if value.target_us is None else value.target_us
        if not before <= at <= one.end_s * 1_000_000:
            raise TransparencyError(
                f"IntervalReading: {one.logical_name} has a value of {self._time(at // 1_000_000)}, which is before "
                "the value in front of it or outside of the interval"
            )
        with self._element("IntervalReading"):
            self._leaf("value", _within("value", value.value, _INT64), ESPI)
            with self._element("timePeriod"):
                self._interval(0, value.capture_us // 1_000_000)
            if value.target_us is not None:
                self._leaf("targetTime", self._time(value.target_us // 1_000_000))
            if value.meter_us is not None:
                self._leaf("measurementTimeMeter", self._time(value.meter_us // 1_000_000))
            if value.signature:
                self._leaf("signature", value.signature.hex())
            if value.status is not None:
                self._leaf("statusFNN", value.status.msb0)  # bit 0 first, as TRuDI of 2021 reads it
            if value.ptb is not None:
                self._leaf("statusPTB", _within("statusPTB", value.ptb, _PTB))
        return at

    def _interval(self, duration_s: int, begin_s: int) -> None:
        self._leaf("duration", _within("duration", duration_s, range(1 << 32)))
        self._leaf("start", self._time(begin_s))

    def _time(self, time_s: int) -> str:
        return datetime.fromtimestamp(time_s, self._zone).isoformat(timespec="seconds")

    @contextmanager
    def _element(self, name: str, namespace: str = AR) -> Iterator[None]:
        with self._file.element(f"{{{namespace}}}{name}"):
            yield

    def _leaf(self, name: str, content: object, namespace: str = AR) -> None:
        with self._file.element(f"{{{namespace}}}{name}"):
            self._file.write(str(content))


def _text(name: str, text: str, longest: int) -> str:
    """The text, if it is there and short enough."""
    if not text:
        raise TransparencyError(f"{name} is empty; the file needs it")
    if len(text) > longest or text != _printable(text):
        raise TransparencyError(f"{name}: {text!r:.80} does not fit; at most {longest} printable characters")
    return text


def _within(name: str, number: int, numbers: range) -> int:
    if number not in numbers:
        raise TransparencyError(f"{name}: {number} does not fit; {numbers.start} to {numbers.stop - 1}")
    return number


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
