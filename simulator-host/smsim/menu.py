"""The menu of the jOSEF paper's simulator: shows the settings while the meters run, and switches faults."""

import asyncio
import os
import sys
import threading

from smgw.cosem import plain
from smgw.cosem.units import symbol
from smgw.errors import SmgwError
from smgw.mbus.readings import device_of

from smsim import orders
from smsim.dlms.line import DlmsLine
from smsim.mbus.line import MBusLine
from smsim.simulator import RunningMeter, Simulator
from smsim.sml.service import Service

CHOICES = "[1] View server settings\n[2] View simulator settings\n[3] Faults: how to switch them on\n[0] Exit"
_STDIN = 0


async def run(simulator: Simulator, stop: asyncio.Event) -> None:
    """Answer choices until 0, the end of input, or `stop`."""
    answers: asyncio.Queue[str | None] = asyncio.Queue()
    # A thread, since standard input may be a file, a pipe or a terminal; a daemon, since a read cannot be cancelled.
    threading.Thread(target=_read_lines, args=(asyncio.get_running_loop(), answers), daemon=True).start()
    print(CHOICES, flush=True)
    while not stop.is_set():
        choice = await answers.get()
        if choice in (None, "0"):
            stop.set()
        elif choice == "1":
            told = [line for meter in simulator.meters for line in server_settings(meter)]
            told += [line for dlms in simulator.lines for line in dlms_settings(dlms)]
            print("\n".join(told + [line for mbus in simulator.mbus for line in mbus_settings(mbus)]))
        elif choice == "2":
            print("\n".join(simulator_settings(simulator)))
        elif choice == "3":
            print(orders.HELP)
        elif choice.isdigit():
            print(f"{choice!r} is no choice; type 1, 2, 3, 0 or an order and Enter")
        elif choice:
            print(_carried_out(simulator, choice))
        if not stop.is_set():
            print(CHOICES, flush=True)


def _carried_out(simulator: Simulator, order: str) -> str:
    try:
        return orders.carry_out(simulator, order)
    except SmgwError as error:
        return str(error)


def _read_lines(loop: asyncio.AbstractEventLoop, answers: "asyncio.Queue[str | None]") -> None:
    rest = b""
    while octets := os.read(_STDIN, 1024):
        *lines, rest = (rest + octets).split(b"\n")
        for line in lines:
            _put(loop, answers, line.decode(errors="replace").strip())
    _put(loop, answers, None)


def _put(loop: asyncio.AbstractEventLoop, answers: "asyncio.Queue[str | None]", line: str | None) -> None:
    try:
        loop.call_soon_threadsafe(answers.put_nowait, line)
    except RuntimeError:  # the loop has ended in the meantime
        sys.exit()


def server_settings(meter: RunningMeter) -> list[str]:
    """The port of a meter, and its counts."""
    spec = meter.config.spec
    lines = [
        f"Meter {spec.name}",
        f"  device id      {meter.meter.device} ({meter.meter.device.hex()})",
        f"  port           {meter.port}",
        f"  faults         {', '.join(meter.faults.names()) or 'none'}",
        f"  protocol       {meter.how}, CRC {spec.crc.value}",
        f"  style          {spec.style.name if spec.style else 'generic'}",
    ]
    if isinstance(meter.driver, Service):
        lines.append(f"  clients now    {meter.driver.clients}")
        lines.append(f"  credentials    {'asked for' if meter.config.username else 'none'}")
    for name, value in meter.driver.counts().items():
        lines.append(f"  {name.replace('_', ' '):<14} {value}")
    return lines


def dlms_settings(line: DlmsLine) -> list[str]:
    """The port, clients and requests of the meters of a DLMS line."""
    lines = []
    for meter in line.config.meters:
        clients = ", ".join(f"{client.sap} ({client.mechanism.name.lower()})" for client in meter.clients)
        lines += [
            f"Meter {meter.spec.name}",
            f"  device id      {meter.spec.device} ({meter.spec.device.hex()})",
            f"  port           {line.port}, address {meter.framing.address}",
            f"  faults         {', '.join(line.faults.names()) or 'none'}",
            f"  protocol       {line.how}",
            f"  model          {meter.spec.model}",
            f"  clients        {clients}",
        ]
    return lines + [f"  {name:<14} {value}" for name, value in line.counts().items()]


def mbus_settings(line: MBusLine) -> list[str]:
    """The port and addresses of the meters of an M-Bus line."""
    lines = []
    for meter in line.meters:
        config = meter.config
        lines += [
            f"Meter {config.name}",
            f"  device id      {device_of(config.identity)}",
            f"  port           {line.port}, address {config.address}, secondary {config.identity.id}",
            f"  faults         {', '.join(line.faults.names()) or 'none'}",
            f"  protocol       M-Bus at {line.config.baud} Bd",
        ]
    return lines + [f"  {name:<14} {value}" for name, value in line.counts().items()]


def simulator_settings(simulator: Simulator) -> list[str]:
    """The simulated calendar, the profiles and the registers now."""
    time = simulator.config.time
    lines = [
        "Simulator",
        f"  simulated time             {simulator.simulated_time}",
        f"  seconds per quarter hour   {time.seconds_per_quarter_hour}",
        f"  resolution                 {time.resolution_ms} ms",
    ]
    for meter in simulator.meters:
        spec = meter.config.spec
        lines += [
            f"Meter {spec.name}",
            f"  consumption (H0)           {spec.consumption_kwh} kWh a year",
            f"  generation (PV0)           {spec.generation_kwh} kWh a year",
            f"  seed                       {spec.seed}",
        ]
        for register, value in meter.meter.values():
            shown = f"{plain(value, register.scaler)} {symbol(register.unit)}".rstrip()
            lines.append(f"  {register.obis!s:<26} {shown}")
    for device in (device for line in simulator.lines for device in line.devices):
        lines.append(f"Meter {device.spec.name}")
        for row, value in device.values():
            shown = f"{plain(value, row.register.scaler)} {symbol(row.register.unit)}".rstrip()
            lines.append(f"  {row.register.obis!s:<26} {shown}")
    for counter in (meter for line in simulator.mbus for meter in line.meters):
        lines += [f"Meter {counter.config.name}", f"  {'counter':<26} {plain(counter.total, -3)} {counter.unit}"]
    return lines
