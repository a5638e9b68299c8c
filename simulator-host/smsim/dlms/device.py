"""A meter's logical device: its objects, their access rights for each client, and their present values."""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from smgw.cosem import AttributeName, CaptureObject, DeviceId, MethodName, Obis
from smgw.cosem.data import NULL, RANGE, Data, DataType, octet_string
from smgw.cosem.date_time import DateTimeError
from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import ActionResult, DataAccessResult
from smgw.dlms.data import AxdrError, decode_all, encode
from smgw.dlms.meter.access import Pieces

from smsim.dlms import table
from smsim.dlms.clock import Clock
from smsim.dlms.profile import Column, Profile
from smsim.dlms.table import CLOCK, RegisterRow, Table
from smsim.load.history import History
from smsim.load.power import Load, ProfileName
from smsim.load.registers import ENERGY, Register, RegisterBank
from smsim.load.timelapse import TimeLapse

Read = Callable[[int, Selection | None], Pieces | DataAccessResult]  # depends on the client's access point

ASSOCIATION = Obis.parse("0-0:40.0.0*255")
SAPS = Obis.parse("0-0:41.0.0*255")
DEVICE_NAME = Obis.parse("0-0:42.0.0*255")
COUNTERS = tuple(Obis(bytes((0, 0, 43, 1, number, 255))) for number in range(8))
_DAY_S = 86_400
_COUNTERS_FROM, _COUNTERS_SINCE, _COUNTERS_A_SECOND = 1 << 31, 1_767_225_600, 8  # from 2026 on; 32 bits last until 2034
_LATEST = 1 << 32  # latest time to which the clock can be set, so that it can go on counting


class CosemObject(NamedTuple):
    """One object. `attributes` by number, from 2 on; attribute 1 is the logical name of all."""

    class_id: int
    obis: Obis
    version: int
    attributes: Mapping[int, Read]
    writable: tuple[int, ...] = ()
    selectors: Mapping[int, tuple[int, ...]] = {}


class DeviceSpec(NamedTuple):
    """The properties of a meter. Its line knows the port and the clients."""

    name: str
    device: DeviceId
    model: str = "german"
    consumption_kwh: int = 1000
    generation_kwh: int = 1000
    seed: int = 0
    history_days: int = 730
    clock_error_s: int = 0


class Device:
    """A running meter. It is the model behind `smgw.dlms.meter.server.Server`."""

    def __init__(self, spec: DeviceSpec, lapse: TimeLapse, elapsed_ms: Callable[[], int]) -> None:
        self.spec = spec
        self.table: Table = table.load(spec.model)
        self.clock = Clock(spec.clock_error_s)
        self.title = _title(self.table.maker, spec.device)
        self.own_counter = itertools.count(_first_counter()).__next__
        self.restricted: set[int] = set()  # clients that may read only the public objects
        self._lapse = lapse
        self._elapsed_ms = elapsed_ms
        self._first = lapse.start_utc_s - spec.history_days * _DAY_S
        self._bank = self._new_bank()
        self._history = History(self._registers, self._new_bank, lapse, self._first)
        self._objects: dict[Obis, CosemObject] = {}
        self._make()

    @property
    def _registers(self) -> list[Register]:
        return [row.register for row in self.table.registers]

    def _new_bank(self) -> RegisterBank:
        spec = self.spec
        return RegisterBank(
            self._registers,
            Load(ProfileName.H0, spec.consumption_kwh, spec.seed, spec.device),
            Load(ProfileName.PV0, spec.generation_kwh, spec.seed, spec.device),
            self._lapse,
            self._first * self._lapse.ticks_per_second,
        )

    @property
    def logical_name(self) -> bytes:
        """The COSEM logical device name: maker and serial number, 16 octets at most."""
        return (self.table.maker + self.serial)[:16].encode()

    @property
    def serial(self) -> str:
        """The serial number as printed on the meter."""
        return str(int.from_bytes(self.spec.device[-4:], "big")).zfill(8)

    def now(self) -> int:
        """The simulated moment, in seconds since 1970."""
        return self._lapse.utc_s(self._lapse.ticks(self._elapsed_ms()))

    def values(self) -> list[tuple[RegisterRow, int]]:
        """All registers with their present values, in 10^scaler of their unit."""
        self._bank.advance(self._lapse.ticks(self._elapsed_ms()))
        return [(row, _part(row, self._bank.value(row.register))) for row in self.table.registers]

    def objects_for(self, client: int) -> list[CosemObject]:
        """The objects that this client sees."""
        seen = self.table.public if client in self.restricted else self._objects
        return [one for one in self._objects.values() if one.obis in seen]

    def add(self, one: CosemObject) -> None:
        """Another object, of the line or of the association."""
        self._objects[one.obis] = one

    # ObjectModel

    def read(self, client: int, attribute: AttributeName, selection: Selection | None) -> Pieces | DataAccessResult:
        """See `smgw.dlms.meter.access.ObjectModel`."""
        found = self._find(client, attribute)
        if isinstance(found, DataAccessResult):
            return found
        if selection is not None and attribute.attribute not in found.selectors:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        if attribute.attribute == 1:
            return encode(octet_string(bytes(found.obis)))
        read = found.attributes.get(attribute.attribute)
        return DataAccessResult.READ_WRITE_DENIED if read is None else read(client, selection)

    def write(
        self,
        client: int,
        attribute: AttributeName,
        value: bytes,
        selection: Selection | None,  # noqa: ARG002
    ) -> DataAccessResult:
        """See `smgw.dlms.meter.access.ObjectModel`. The clock can be set; nothing else can."""
        found = self._find(client, attribute)
        if isinstance(found, DataAccessResult):
            return found
        if attribute.attribute not in found.writable:
            return DataAccessResult.READ_WRITE_DENIED
        try:
            octets = decode_all(value).value
            moment = self.clock.utc_s(octets) if isinstance(octets, bytes) else None
        except (AxdrError, DateTimeError):
            moment = None
        if moment is None or not 0 <= moment < _LATEST:
            return DataAccessResult.TYPE_UNMATCHED
        self.clock.error_s = moment - self.now()
        return DataAccessResult.SUCCESS

    def invoke(self, client: int, method: MethodName, parameter: bytes | None) -> Outcome:  # noqa: ARG002
        """See `smgw.dlms.meter.access.ObjectModel`. Nothing can be reset or switched."""
        found = self._find(client, method)
        if isinstance(found, DataAccessResult):
            return Outcome(ActionResult(found))
        return Outcome(ActionResult.READ_WRITE_DENIED)

    def _find(self, client: int, name: AttributeName | MethodName) -> CosemObject | DataAccessResult:
        found = self._objects.get(name.obis)
        if found is None or (client in self.restricted and found.obis not in self.table.public):
            return DataAccessResult.OBJECT_UNDEFINED
        return found if found.class_id == name.class_id else DataAccessResult.OBJECT_CLASS_INCONSISTENT

    # Objects

    def _make(self) -> None:
        words = {
            "{device}": str(self.spec.device), "{serial}": self.serial,
            "{firmware}": self.table.firmware, "{name}": self.spec.name,
        }  # fmt: skip
        self.add(data_object(DEVICE_NAME, octet_string(self.logical_name)))
        for row in self.table.data:
            value = words.get(str(row.value), row.value)
            self.add(data_object(row.obis, Data(row.type, value.encode() if isinstance(value, str) else value)))
        self.add(data_object(self.table.status, Data(DataType.UNSIGNED, 0)))
        self.add(self._clock_object())
        for register in self.table.registers:
            self.add(self._register_object(register))
        for profile in self.table.profiles:
            self.add(self._profile_object(profile))

    def _clock_object(self) -> CosemObject:
        switch = (("march", 0x03, 0x02), ("october", 0x0A, 0x03))
        begin, end = (bytes((0xFF, 0xFF, month, 0xFE, 7, hour, 0, 0, 0, 0x80, 0, 0xFF)) for _, month, hour in switch)
        attributes: dict[int, Read] = {
            2: lambda *_: encode(octet_string(self.clock.octets(self.now()))),
            3: constant(Data(DataType.LONG, -60)),
            4: constant(Data(DataType.UNSIGNED, 0)),
            5: constant(octet_string(begin)),
            6: constant(octet_string(end)),
            7: constant(Data(DataType.INTEGER, -60)),
            8: constant(Data(DataType.BOOLEAN, 1)),
            9: constant(Data(DataType.ENUM, 1)),
        }
        return CosemObject(8, CLOCK, 0, attributes, (2,))

    def _register_object(self, row: RegisterRow) -> CosemObject:
        def value(*_: object) -> bytes:
            self._bank.advance(self._lapse.ticks(self._elapsed_ms()))
            return encode(_fitting(row.type, _part(row, self._bank.value(row.register))))

        unit = Data(
            DataType.STRUCTURE,
            (Data(DataType.INTEGER, row.register.scaler), Data(DataType.ENUM, row.register.unit)),
        )
        return CosemObject(row.class_id, row.register.obis, 0, {2: value, 3: constant(unit)})

    def _profile_object(self, row: table.ProfileRow) -> CosemObject:
        energies = [register.obis for register in self._registers if register.drive in ENERGY]
        types = {one.register.obis: one.type for one in self.table.registers}
        columns = [
            Column(CaptureObject(8, obis, 2), None, DataType.OCTET_STRING)
            if obis == CLOCK
            else Column(CaptureObject(1, obis, 2), None, DataType.UNSIGNED)
            if obis == self.table.status
            else Column(CaptureObject(3, obis, 2), energies.index(obis), types[obis])
            for obis in row.columns
        ]
        profile = Profile(row, columns, self._history, self._first, self.now, self.clock)
        attributes: dict[int, Read] = {
            2: lambda _, selection: profile.buffer(selection),
            3: constant(Data(DataType.ARRAY, tuple(column.capture.data() for column in columns))),
            4: constant(Data(DataType.DOUBLE_LONG_UNSIGNED, row.period_s)),
            5: constant(Data(DataType.ENUM, 1)),  # FIFO
            6: constant(columns[0].capture.data()),
            7: lambda *_: encode(Data(DataType.DOUBLE_LONG_UNSIGNED, len(profile.moments()))),
            8: constant(Data(DataType.DOUBLE_LONG_UNSIGNED, row.entries)),
        }
        return CosemObject(7, row.obis, 1, attributes, (), {2: (1, 2)})


def constant(data: Data) -> Read:
    """An attribute that never changes."""
    octets = encode(data)
    return lambda *_: octets


def data_object(obis: Obis, data: Data) -> CosemObject:
    """An object of class 1."""
    return CosemObject(1, obis, 0, {2: constant(data)})


def structure(*members: Data) -> Data:
    """A structure."""
    return Data(DataType.STRUCTURE, members)


def array(members: Iterable[Data]) -> Data:
    """An array."""
    return Data(DataType.ARRAY, tuple(members))


def _part(row: RegisterRow, value: int) -> int:
    return max(0, row.sign * value) if row.sign else value


def _fitting(kind: DataType, value: int) -> Data:
    """The value in its type's range: a register rolls over, a power stops at the limit."""
    low, high = RANGE[kind]
    if low <= value <= high:
        return Data(kind, value)
    return Data(kind, value % (high + 1)) if value > high and not low else NULL


def _first_counter() -> int:
    """A counter above those before a restart, if a meter ciphers at most 8 APDUs a second on average."""
    return _COUNTERS_FROM + max(0, int((time.time() - _COUNTERS_SINCE) * _COUNTERS_A_SECOND))


def _title(maker: str, device: DeviceId) -> bytes:
    """The system title: the maker's three letters, then octets that differ for each meter."""
    return maker.encode() + device[-5:].rjust(5, b"\0")
