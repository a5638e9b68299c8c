"""One simulated meter: its identity, its registers, its seconds of operation, and the telegram it sends (an eHZ's)."""

from collections.abc import Callable
from typing import NamedTuple

from smgw.cosem import DeviceId, Obis
from smgw.sml import tlv
from smgw.sml.attention import AttentionCode, Denied
from smgw.sml.crc import Crc
from smgw.sml.file import encode_messages
from smgw.sml.messages import Body, CloseResponse, GetListResponse, ListEntry, Message, OpenResponse, Time
from smgw.sml.parameters import ObjectName
from smgw.sml.profiles import LOAD_PROFILE, Column, LoadProfile, Row
from smgw.sml.transport import encode_frame

from smsim.days import QUARTER_HOUR_S
from smsim.history import History
from smsim.load import Load, ProfileName
from smsim.registers import USUAL_REGISTERS, Drive, Register, RegisterBank
from smsim.timelapse import TimeLapse

MANUFACTURER = Obis(bytes.fromhex("8181C78203FF"))
DEVICE_ID = Obis(bytes.fromhex("0100000009FF"))
#: Name of the list that an eHZ pushes: 1-0:98.10.255*255.
LIST_NAME = bytes.fromhex("0100620AFFFF")
#: Status of an EDL meter beside its import register; bit 5 says that energy flows out.
EDL_STATUS = 0x0182
EDL_EXPORT = 0x20
FIRMWARE = b"smsim-1"
_TRANSACTION_PREFIX = b"\x00\x1c"
_U32 = 0xFFFF_FFFF
_TIMESTAMP, _LOCAL_TIMESTAMP = 2, 3  # SML's choices for Unix seconds
#: A profile is named by its OBIS code alone, or as an object of class 7 (profile generic).
_PROFILE_PATHS = ((LOAD_PROFILE,), (ObjectName(LOAD_PROFILE, 7, 0).octets,), (ObjectName(LOAD_PROFILE, 7, 1).octets,))


class MeterSpec(NamedTuple):
    """What a meter is; where it is reached is the business of a port."""

    name: str
    device: DeviceId
    registers: tuple[Register, ...] = USUAL_REGISTERS
    consumption_kwh: int = 1000
    generation_kwh: int = 1000
    seed: int = 0
    crc: Crc = Crc.X25


class Meter:
    """A running meter. It is also the model behind the gateway's own `smgw.sml.server.Server`."""

    def __init__(self, spec: MeterSpec, time: TimeLapse, elapsed_ms: Callable[[], int]) -> None:
        self.spec = spec
        self.time = time
        self._elapsed_ms = elapsed_ms
        self._telegrams = 0
        self.server_id = bytes(spec.device)
        self.firmware = FIRMWARE
        self.bank = self._new_bank()
        self._history = History(self._new_bank, time)

    def _new_bank(self) -> RegisterBank:
        spec = self.spec
        return RegisterBank(
            spec.registers,
            Load(ProfileName.H0, spec.consumption_kwh, spec.seed, spec.device),
            Load(ProfileName.PV0, spec.generation_kwh, spec.seed, spec.device),
            self.time,
        )

    def sec_index(self) -> int:
        """Seconds of operation, on the PC's clock: a time-lapse calendar does not make the meter's own clock run."""
        return self._elapsed_ms() // 1000 & _U32

    def values(self) -> list[tuple[Register, int]]:
        """All registers now, in 10^scaler of their unit."""
        self.bank.advance(self.time.ticks(self._elapsed_ms()))
        return [(register, self.bank.value(register)) for register in self.bank.registers]

    def entries(self) -> list[ListEntry]:
        """The list that the meter pushes: who made it, who it is, its registers now."""
        maker = (self.spec.device.maker or "SIM").encode()
        entries = [
            ListEntry(MANUFACTURER, value=tlv.octets(maker)),
            ListEntry(DEVICE_ID, value=tlv.octets(self.server_id)),
        ]
        for register, value in self.values():
            energy = register.drive in (Drive.IMPORT, Drive.IMPORT_T1, Drive.IMPORT_T2, Drive.EXPORT)
            status = None
            if register.drive is Drive.IMPORT:
                status = tlv.unsigned(EDL_STATUS | (EDL_EXPORT if self.bank.power < 0 else 0), 2)
            entries.append(
                ListEntry(
                    register.obis,
                    status=status,
                    unit=register.unit,
                    scaler=register.scaler,
                    value=tlv.signed(value, 8 if energy or not -(1 << 31) <= value < 1 << 31 else 4),
                )
            )
        return entries

    def profile(self, path: tuple[bytes, ...], begin: Time | None, end: Time | None) -> LoadProfile | None:
        """Load profile 1: the energy registers at the end of each quarter hour of the simulated past, in UTC."""
        if path not in _PROFILE_PATHS:
            return None
        if any(time is not None and time.choice not in (_TIMESTAMP, _LOCAL_TIMESTAMP) for time in (begin, end)):
            raise Denied(AttentionCode.RANGE)  # its rows tell no seconds of operation
        now = self.time.utc_s(self.time.ticks(self._elapsed_ms()))
        moments = self._history.moments(begin.seconds if begin else 0, min(now, end.seconds if end else now))
        columns = tuple(Column(register.obis, register.unit, register.scaler) for register in self._history.columns())
        rows = (
            Row(Time(_TIMESTAMP, utc_s), EDL_STATUS, tuple(tlv.unsigned(value, 8) for value in values))
            for utc_s, values in moments
        )
        return LoadProfile(Time(_TIMESTAMP, now), QUARTER_HOUR_S, columns, tuple(rows))

    def messages(self) -> list[Message]:
        """The three messages of the next telegram, all in group 0, ids counting on, as real meters do."""
        number = self._telegrams
        self._telegrams += 1
        time = Time(1, self.sec_index())
        file_id = _TRANSACTION_PREFIX + (number & _U32).to_bytes(4, "big")
        bodies: tuple[Body, ...] = (
            OpenResponse(file_id, self.server_id),
            GetListResponse(self.server_id, tuple(self.entries()), list_name=LIST_NAME, sensor_time=time),
            CloseResponse(),
        )
        return [
            Message(_TRANSACTION_PREFIX + (3 * number + place & _U32).to_bytes(4, "big"), body)
            for place, body in enumerate(bodies)
        ]

    def telegram(self) -> bytes:
        """The next telegram in its frame, as it goes over the line."""
        return encode_frame(encode_messages(self.messages(), self.spec.crc), self.spec.crc)
