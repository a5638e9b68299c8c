"""One simulated meter: its identity, its registers, its seconds of operation, and the telegram it sends."""

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from smgw.cosem import DeviceId, ObjectName
from smgw.sml import tlv
from smgw.sml.attention import AttentionCode, Denied
from smgw.sml.messages import ListEntry, Time
from smgw.sml.parameters import parameter_name
from smgw.sml.profiles import LOAD_PROFILE, Column, LoadProfile, Row
from smgw.wire import Crc

from smsim.load.days import QUARTER_HOUR_S
from smsim.load.history import History, Moment
from smsim.load.power import Load, ProfileName
from smsim.load.registers import USUAL_REGISTERS, Register, RegisterBank
from smsim.load.timelapse import TimeLapse
from smsim.sml import style
from smsim.sml.style import Counting, Style
from smsim.sml.template import Contents, Template, status_word

FIRMWARE = b"smsim-1"
_U32 = 0xFFFF_FFFF
_TIMESTAMP, _LOCAL_TIMESTAMP = 2, 3  # SML's choices for Unix seconds
#: A profile is named by its OBIS code alone, or as an object of class 7 (profile generic).
_PROFILE_PATHS = (
    (LOAD_PROFILE,),
    (parameter_name(ObjectName(7, 0, LOAD_PROFILE)),),
    (parameter_name(ObjectName(7, 1, LOAD_PROFILE)),),
)


class MeterSpec(NamedTuple):
    """What a meter is; where it is reached is the business of a port. With a `style`, its registers are the style's."""

    name: str
    device: DeviceId
    registers: tuple[Register, ...] = USUAL_REGISTERS
    consumption_kwh: int = 1000
    generation_kwh: int = 1000
    seed: int = 0
    crc: Crc = Crc.X25
    style: Style | None = None


class Meter:
    """A running meter. It is also the model behind the gateway's own `smgw.sml.server.Server`."""

    def __init__(self, spec: MeterSpec, time: TimeLapse, elapsed_ms: Callable[[], int]) -> None:
        self.spec = spec
        self.time = time
        self.firmware = FIRMWARE
        self._elapsed_ms = elapsed_ms
        self._free = spec.style or style.generic(spec.registers)
        self._locked = style.load(self._free.locked) if self._free.locked else None
        self._style = self._free
        self._booted_ms = 0
        self._clock_s = 0  # what its clock was set to at that moment
        self._boots = 0
        self._install(spec.device, time.start)
        self._start_ids()

    def _install(self, device: DeviceId, since: int) -> None:
        """A meter with this id begins to count at `since`, in ticks. The household behind it stays what it is."""
        self.device = device
        self.server_id = bytes(device)
        self._since = since
        self.bank = self._new_bank()
        self._history = History(self._free.registers, self._new_bank, self.time, self.time.utc_s(since))
        self._change_style(self._free)

    def _new_bank(self) -> RegisterBank:
        spec = self.spec
        registers = (*self._free.registers, *(self._locked.registers if self._locked else ()))
        return RegisterBank(
            registers,
            Load(ProfileName.H0, spec.consumption_kwh, spec.seed, spec.device),
            Load(ProfileName.PV0, spec.generation_kwh, spec.seed, spec.device),
            self.time,
            self._since,
        )

    def _change_style(self, new: Style) -> None:
        self._style = new
        self._template = Template(new, self.device, self.spec.crc)

    def sec_index(self) -> int:
        """Seconds of operation, on the PC's clock: a time-lapse calendar does not make the meter's own clock run."""
        return (self._elapsed_ms() - self._booted_ms) // 1000 + self._clock_s & _U32

    def utc_s(self) -> int:
        """The simulated moment in seconds since 1970, as a clock of this meter shows it that may have jumped."""
        return self.time.utc_s(self.time.ticks(self._elapsed_ms())) + self._clock_s

    def values(self) -> list[tuple[Register, int]]:
        """The registers that it shows, now, in 10^scaler of their unit."""
        bank = self.bank
        bank.advance(self.time.ticks(self._elapsed_ms()))
        return [(register, bank.value(register)) for register in self._style.registers]

    def entries(self) -> list[ListEntry]:
        """The list that the meter pushes, now."""
        return self._template.entries(self._contents())

    def telegram(self) -> bytes:
        """The next telegram in its frame, as it goes over the line; ids count on, as real meters' do."""
        contents = self._contents()
        self._telegrams += 1
        return self._template.encode(contents)

    def _contents(self) -> Contents:
        made, values = self._style, [value for _, value in self.values()]
        first_transaction, first_file = self._first_ids
        file = 0 if isinstance(made.file, bytes) else self._counted(made.file, first_file)
        status = status_word(made, self.bank.power)
        return Contents(self._counted(made.transaction, first_transaction), file, self.sec_index(), status, values)

    def _counted(self, counting: Counting, first: int) -> int:
        if counting.seconds:
            return self.sec_index()
        if counting.fixed is not None:
            return counting.fixed
        return first + self._telegrams * counting.step

    def _start_ids(self) -> None:
        """The ids of telegrams begin anywhere, but at the same place in every run."""
        self._telegrams = 0
        text = b"%s %d" % (self.server_id.hex().encode(), self._boots)
        draw = hashlib.blake2b(text, digest_size=16).digest()
        self._first_ids = int.from_bytes(draw[:8], "big"), int.from_bytes(draw[8:], "big")

    @property
    def lockable(self) -> bool:
        """True if its style knows what it sends while it waits for its PIN."""
        return self._locked is not None

    def lock(self, *, locked: bool) -> None:
        """Wait for the PIN, or show everything. It counts on in either state."""
        if self._locked is not None:
            self._change_style(self._locked if locked else self._free)

    def reboot(self, dark_ms: int = 0) -> None:
        """Begin the seconds of operation, after so much darkness, and the ids of telegrams anew; registers stay."""
        self._booted_ms = self._elapsed_ms() + dark_ms
        self._clock_s = 0
        self._boots += 1
        self._start_ids()

    def jump_clock(self, seconds: int) -> None:
        """Let the seconds of operation jump, forward or back."""
        self._clock_s += seconds

    def exchange(self, device: DeviceId) -> None:
        """Another meter hangs here from now on; its registers and its clock begin at zero."""
        self._install(device, self.time.ticks(self._elapsed_ms()))
        self.reboot()

    @property
    def columns(self) -> tuple[Register, ...]:
        """The registers of its load profile."""
        return self._history.columns

    def moments(self, begin_s: int, end_s: int) -> Iterator[Moment]:
        """The ends of quarter hours (seconds UTC) in a range of the past, each with the values of the columns."""
        return self._history.moments(begin_s, min(end_s, self.time.utc_s(self.time.ticks(self._elapsed_ms()))))

    def profile(self, path: tuple[bytes, ...], begin: Time | None, end: Time | None) -> LoadProfile | None:
        """Load profile 1: the energy registers at the end of each quarter hour of the simulated past, in UTC."""
        if path not in _PROFILE_PATHS:
            return None
        if any(time is not None and time.choice not in (_TIMESTAMP, _LOCAL_TIMESTAMP) for time in (begin, end)):
            raise Denied(AttentionCode.RANGE)  # its rows tell no seconds of operation
        now = self.time.utc_s(self.time.ticks(self._elapsed_ms()))
        moments = self._history.moments(begin.seconds if begin else 0, min(now, end.seconds if end else now))
        columns = tuple(Column(register.obis, register.unit, register.scaler) for register in self._history.columns)
        rows = (
            Row(Time(_TIMESTAMP, utc_s), self._free.status.base, tuple(tlv.unsigned(value, 8) for value in values))
            for utc_s, values in moments
        )
        return LoadProfile(Time(_TIMESTAMP, now), QUARTER_HOUR_S, columns, tuple(rows))
