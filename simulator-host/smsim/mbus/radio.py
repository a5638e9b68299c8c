"""A radio stick and the street of meters that it hears, with faults of the air and of whoever listens in."""

import asyncio
import contextlib
import heapq
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from smgw.mbus.radio import sending
from smgw.mbus.radio.compact import compacted
from smgw.mbus.readings import device_of

from smsim.errors import PortError
from smsim.line import Line, open_line
from smsim.load.timelapse import TimeLapse
from smsim.mbus.meters import MBusMeter, MBusMeterConfig
from smsim.ports import PtyPort, PushPort, SerialPort, TcpPushPort

log = logging.getLogger(__name__)

_REPEATER_S = 0.3  # a repeater sends its copy so much later
_WHOLE = 8  # a meter with compact telegrams sends one in so many whole
_WORST, _BEST = 20, 180  # octets of the signal

NONE, MODE_5, MODE_7, CTR = "none", "mode-5", "mode-7", "ctr"
SECURITIES = (NONE, MODE_5, MODE_7, CTR)
#: Stick -> what it makes of a telegram and its signal, and its usual speed.
STICKS: Mapping[str, tuple[Callable[[bytes, int], bytes], int]] = {
    "im871a": (sending.by_imst, 57_600),
    "amber": (sending.by_amber, 9600),
    "cul": (sending.by_cul, 38_400),
}


class RadioFaults(NamedTuple):
    """One telegram in so many; 0 means none."""

    damaged: int = 0  # a bit is wrong where the stick hands it over
    repeated: int = 0  # a repeater sends it again
    replayed: int = 0  # somebody sends the meter's first telegram again
    wrong_key: int = 0  # it is sealed with another key


class RadioMeterConfig(NamedTuple):
    """One meter: what it counts, how it seals its telegrams, and how often it sends."""

    meter: MBusMeterConfig
    security: str = NONE
    key: bytes = b""
    interval_s: float = 16.0

    def __repr__(self) -> str:  # a key never reaches a log
        return f"RadioMeterConfig({self.meter.name!r}, {self.security})"


class RadioConfig(NamedTuple):
    """One stick and its meters."""

    port: PushPort
    stick: str
    meters: tuple[RadioMeterConfig, ...]
    faults: RadioFaults
    baud: int


class RadioMeter:
    """A running meter."""

    def __init__(self, config: RadioMeterConfig, lapse: TimeLapse, elapsed_ms: Callable[[], int]) -> None:
        self.config = config
        self.counted = MBusMeter(config.meter, lapse, elapsed_ms)
        self.first = b""  # its first telegram
        self.sent = 0
        self._counter = int(time.time())  # it rises, in the next run too

    def telegram(self, *, wrong_key: bool = False) -> bytes:
        """The next telegram of the link layer."""
        key = bytes(octet ^ 0x55 for octet in self.config.key) if wrong_key else self.config.key
        identity, access = self.config.meter.identity, self.sent & 0xFF
        (records,) = self.counted.telegrams(0)
        self.sent += 1
        self._counter += 1
        if self.config.security == MODE_5:
            made = sending.by_mode_5(identity, access, records, key)
        elif self.config.security == MODE_7:
            made = sending.by_mode_7(identity, access, records, key, self._counter)
        elif self.config.security == CTR:
            whole = self.sent % _WHOLE == 1
            content = records if whole else compacted(records)
            made = sending.by_session(identity, access, content, key, self._counter, 0x78 if whole else 0x79)
        else:
            made = sending.in_the_clear(identity, access, records)
        self.first = self.first or made
        return made


class _Due(NamedTuple):
    moment: float
    number: int  # of the meter; equal moments keep an order
    copy: bytes  # what a repeater sends; empty: the meter sends


class RadioLine:
    """One stick and its meters. Its telegrams come whether somebody reads them or not."""

    def __init__(
        self, config: RadioConfig, lapse: TimeLapse, elapsed_ms: Callable[[], int], listen: str | None = None
    ) -> None:
        port = config.port
        if isinstance(port, TcpPushPort) and not port.host:
            port = port._replace(host=listen)
        self.port = str(port)
        self.config = config
        self.meters = [RadioMeter(meter, lapse, elapsed_ms) for meter in config.meters]
        self._where = port
        self._line: Line | None = None
        self._random = random.Random(" ".join(self.names))  # noqa: S311 - to be repeated
        self._signals = [self._random.randrange(_WORST, _BEST) for _ in self.meters]
        self._wrap = STICKS[config.stick][0]
        self._done = {"telegrams": 0, "lost": 0, "damaged": 0, "repeated": 0, "replayed": 0, "wrong key": 0}

    @property
    def names(self) -> list[str]:
        """The names of its meters."""
        return [meter.config.meter.name for meter in self.meters]

    @property
    def open_files(self) -> int:
        """Number of files that its port keeps open, with one client."""
        return 1 if isinstance(self._where, PtyPort) else 3 if isinstance(self._where, SerialPort) else 2

    async def start(self) -> list[str]:
        """Open the port; returns a line of text for each meter. Raises PortError."""
        self._line = open_line(self._where, self.config.baud)
        self.port = str(self._line.port)
        return [
            f"meter {one.meter.name} ({device_of(one.meter.identity)}, M-Bus by radio every {one.interval_s:g} s, "
            f"security {one.security}) on {self.port}"
            for one in self.config.meters
        ]

    async def run(self) -> None:
        """Send until cancelled."""
        now = asyncio.get_running_loop().time
        began = now()
        due = [
            _Due(began + self._random.uniform(0, meter.config.interval_s), number, b"")
            for number, meter in enumerate(self.meters)
        ]
        heapq.heapify(due)
        while True:
            moment, number, copy = due[0]
            if (left := moment - now()) > 0:
                await asyncio.sleep(left)
                continue
            heapq.heappop(due)
            for later, octets in self._of(number, copy):
                heapq.heappush(due, _Due(moment + later, number, octets))
            await asyncio.sleep(0)

    def _of(self, number: int, copy: bytes) -> Iterable[tuple[float, bytes]]:
        """Send what is due of a meter; gives what comes later, and how many seconds later."""
        if copy:
            self._send(copy, number)
            return
        meter, faults = self.meters[number], self.config.faults
        wrong_key = bool(meter.config.key) and self._hit("wrong key", faults.wrong_key)
        telegram = meter.telegram(wrong_key=wrong_key)
        self._send(telegram, number)
        if self._hit("repeated", faults.repeated):
            yield _REPEATER_S, sending.repeated(telegram)
        if meter.sent > 1 and self._hit("replayed", faults.replayed):
            yield 2 * _REPEATER_S, meter.first
        yield meter.config.interval_s, b""

    def _hit(self, name: str, one_in: int) -> bool:
        hit = bool(one_in) and not self._random.randrange(one_in)
        self._done[name] += hit
        return hit

    def _send(self, telegram: bytes, number: int) -> None:
        octets = self._wrap(telegram, self._signals[number])
        if self._hit("damaged", self.config.faults.damaged):
            place = self._random.randrange(8, len(octets) - 4)
            octets = octets[:place] + bytes((octets[place] ^ 1 << self._random.randrange(7),)) + octets[place + 1 :]
        if self._line is None:
            self._reopen()
        taken = False
        if self._line is not None:
            try:
                taken = self._line.has_reader() and self._line.write(octets)
            except OSError as error:
                log.warning("%s is gone (%s); it is opened again when it is back", self.port, error)
                self._line.close()
                self._line = None
        self._done["telegrams" if taken else "lost"] += 1

    def _reopen(self) -> None:
        with contextlib.suppress(PortError):
            self._line = open_line(self._where, self.config.baud)

    def counts(self) -> dict[str, int]:
        """Counts of telegrams and faults."""
        return dict(self._done)

    def report(self) -> list[dict[str, Any]]:
        """Each meter with its counter, in Wh or litres."""
        return [
            {
                "name": meter.config.meter.name,
                "device": str(device_of(meter.config.meter.identity)),
                "port": self.port,
                "telegrams": meter.sent,
                "total": meter.counted.total,
            }
            for meter in self.meters
        ]

    def close(self) -> None:
        """Close the port."""
        if self._line is not None:
            self._line.close()
            self._line = None
