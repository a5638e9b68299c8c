"""The simulator: all meters of a configuration in one process, and their counts."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

from smgw.cosem.units import symbol

from smsim.config import Config, MeterConfig
from smsim.d0.model import D0Pushes
from smsim.d0.service import D0Service
from smsim.dlms.line import DlmsLine
from smsim.errors import FaultError
from smsim.limits import allow_files
from smsim.load.days import utc_offset_s
from smsim.mbus.line import MBusLine
from smsim.mbus.radio import RadioLine
from smsim.p1.telegram import P1Telegrams
from smsim.ports import PtyPort, SerialPort, TcpPort, TcpPushPort
from smsim.s0 import S0Pulses
from smsim.sml.faults import Fault, Faults, Kind
from smsim.sml.line_service import LineService
from smsim.sml.meter import Meter
from smsim.sml.push import Pacer, Pusher, Source
from smsim.sml.service import Service

log = logging.getLogger(__name__)


class RunningMeter:
    """A meter with its port."""

    def __init__(self, config: MeterConfig, meter: Meter, faults: Faults, listen: str | None) -> None:
        self.config = config
        self.meter = meter
        self.faults = faults
        self.port = str(config.port)  # text for users; a free TCP port gets its number when it is open
        self.driver: Pusher | Service | LineService | D0Service
        port = config.port
        if isinstance(port, TcpPort | TcpPushPort) and not port.host:
            port = port._replace(host=listen)
        credentials, object_list = (config.username, config.password), config.object_list
        secured = None
        if config.tls is not None:
            secured = partial(config.tls.context, config.spec.name, str(config.spec.device))
        if config.d0 is not None and not config.d0.pushes and not isinstance(port, TcpPushPort):
            self.driver = D0Service(meter, port, config.d0.baud_code, config.password, faults)
        elif isinstance(port, TcpPort):
            self.driver = Service(meter, port, credentials, faults, object_list=object_list, secured=secured)
        elif config.answers and not isinstance(port, TcpPushPort):
            self.driver = LineService(meter, port, config.baud, credentials, faults, object_list=object_list)
        else:
            self.driver = Pusher(_source(config, meter), port, config.baud, config.push_interval_s, faults, secured)

    def check(self, fault: Fault) -> None:
        """FaultError if the meter cannot have this fault."""
        if self.config.s0 is not None:
            raise FaultError(f"meter {self.config.spec.name}: a pulse output has no telegrams that could be damaged")
        self.faults.check(fault)

    def begin(self, fault: Fault) -> None:
        """Switch a fault on. FaultError if the meter cannot have it."""
        self.faults.begin(fault)
        if fault.kind is Kind.REBOOT and isinstance(self.driver, Service):
            self.driver.cut_off()
        log.info("meter %s: %s", self.config.spec.name, fault.kind.value)

    @property
    def open_files(self) -> int:
        """Number of files that its port keeps open, with one client."""
        port = self.config.port
        if isinstance(port, PtyPort) and not self.config.answers:
            return 1
        return 3 if isinstance(port, SerialPort) else 2

    @property
    def how(self) -> str:
        """How the meter is read, as text."""
        over_tls = f", TLS with {self.config.tls.certificate(self.config.spec.name)}" if self.config.tls else ""
        if isinstance(self.driver, Service):
            return f"SML request and response{over_tls}"
        if isinstance(self.driver, LineService):
            return f"SML request and response at {self.config.baud} Bd"
        if isinstance(self.driver, D0Service) and self.config.d0 is not None:
            return f"D0 in mode {self.config.d0.name}"
        if self.config.s0 is not None:
            return f"{self.config.s0} pulses for a kWh"
        what = "SML" if self.config.p1 is None else f"P1 {self.config.p1.version.name}"
        what = "D0" if self.config.d0 is not None else what
        return f"{what} push every {self.config.push_interval_s:g} s at {self.config.baud} Bd{over_tls}"


class Simulator:
    """Starts, runs and stops meters. `elapsed_ms` is the PC's running time; tests pass their own."""

    def __init__(
        self, config: Config, *, listen: str | None = None, elapsed_ms: Callable[[], int] | None = None
    ) -> None:
        self.config = config
        self._elapsed_ms = elapsed_ms or _stopwatch()
        self.meters = [self._meter(meter, listen) for meter in config.meters]
        self.lines = [DlmsLine(line, config.time, self._elapsed_ms, listen) for line in config.dlms]
        self.mbus = [MBusLine(line, config.time, self._elapsed_ms, listen) for line in config.mbus]
        self.radio = [RadioLine(line, config.time, self._elapsed_ms, listen) for line in config.radio]
        self._tasks: list[asyncio.Task[None]] = []
        self._timers: list[asyncio.TimerHandle] = []

    def _meter(self, config: MeterConfig, listen: str | None) -> RunningMeter:
        meter = Meter(config.spec, self.config.time, self._elapsed_ms)
        return RunningMeter(config, meter, Faults(meter, self._elapsed_ms), listen)

    @property
    def asked(self) -> list[DlmsLine | MBusLine]:
        """The lines whose meters are asked."""
        return [*self.lines, *self.mbus]

    @property
    def _shared(self) -> list[DlmsLine | MBusLine | RadioLine]:
        """The lines with several meters."""
        return [*self.asked, *self.radio]

    async def start(self) -> list[str]:
        """Open every port and begin; returns a line of text for each meter. Raises PortError or LimitError."""
        allow_files(sum(meter.open_files for meter in self.meters) + sum(line.open_files for line in self._shared))
        lines = []
        try:
            for meter in self.meters:
                meter.port = await meter.driver.start()
                spec = meter.config.spec
                lines.append(f"meter {spec.name} ({spec.device}, {meter.how}) on {meter.port}")
            for line in self._shared:
                lines += await line.start()
        except BaseException:
            await self.stop()
            raise
        loop = asyncio.get_running_loop()
        pushers = [meter.driver for meter in self.meters if isinstance(meter.driver, Pusher)]
        runs = [meter.driver.run() for meter in self.meters if not isinstance(meter.driver, Pusher)]
        runs += [line.run() for line in self._shared]
        if pushers:
            runs.append(Pacer(pushers).run())
        self._tasks = [loop.create_task(run) for run in runs]
        for meter in self.meters:
            for fault in meter.config.faults:
                if fault.at_s:
                    self._timers.append(loop.call_later(fault.at_s, meter.begin, fault))
                else:
                    meter.begin(fault)
        return lines

    async def wait(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; an exception inside a meter ends the run."""
        stopping = asyncio.ensure_future(stop.wait())
        done, _ = await asyncio.wait({stopping, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done - {stopping}:
            task.result()

    async def stop(self) -> None:
        """Close every port."""
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        for meter in self.meters:
            meter.driver.close()
        for line in self._shared:
            line.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the closed sessions end here
        self._tasks = []

    @property
    def simulated_time(self) -> str:
        """The simulated moment as legal time with its offset."""
        lapse = self.config.time
        return legal_time(lapse.utc_s(lapse.ticks(self._elapsed_ms())))

    def report(self) -> dict[str, Any]:
        """The meters' counts and register values; whole numbers, as on the wire."""
        return {
            "elapsed_ms": self._elapsed_ms(),
            "simulated_start": legal_time(self.config.time.start_utc_s),
            "simulated_time": self.simulated_time,
            "seconds_per_quarter_hour": self.config.time.seconds_per_quarter_hour,
            "meters": [_meter_report(meter) for meter in self.meters]
            + [report for line in self._shared for report in line.report()],
        }

    def summary(self) -> list[str]:
        """One line per meter about what it sent."""
        lines = []
        for meter in self.meters:
            counts = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in meter.driver.counts().items())
            lines.append(f"meter {meter.config.spec.name}: {counts}")
        for line in self._shared:
            counts = ", ".join(f"{value} {name}" for name, value in line.counts().items())
            lines.append(f"line {line.port}: {counts}")
        return lines


def _source(config: MeterConfig, meter: Meter) -> Source:
    """What gives the telegrams of a meter that pushes."""
    if config.d0 is not None:
        return D0Pushes(meter)
    if config.s0 is not None:
        return S0Pulses(meter, config.s0)
    if config.p1 is None:
        return meter
    if config.p1.key is None:
        return P1Telegrams(meter, config.p1.version, config.p1.sub_meters, meter.utc_s)
    from smsim.p1.sealing import sealing  # few meters encrypt

    title = bytes(config.spec.device)[2:10]
    sealed = sealing(config.p1.key, title, int(time.time()))  # the counter rises, in the next run too
    return P1Telegrams(meter, config.p1.version, config.p1.sub_meters, meter.utc_s, sealed)


def _meter_report(meter: RunningMeter) -> dict[str, Any]:
    return {
        "name": meter.config.spec.name,
        "device": str(meter.meter.device),
        "port": meter.port,
        "faults": meter.faults.names(),
        **meter.driver.counts(),
        "registers": [
            {
                "obis": str(register.obis),
                "value": value,
                "scaler": register.scaler,
                "unit": register.unit,
                "symbol": symbol(register.unit),
            }
            for register, value in meter.meter.values()
        ],
    }


def legal_time(utc_s: int) -> str:
    """Seconds since 1970 as German legal time: `2026-01-01T00:00:00+01:00`."""
    zone = timezone(timedelta(seconds=utc_offset_s(utc_s)))
    return datetime.fromtimestamp(utc_s, UTC).astimezone(zone).isoformat()


def _stopwatch() -> Callable[[], int]:
    begin = time.monotonic_ns()
    return lambda: (time.monotonic_ns() - begin) // 1_000_000
