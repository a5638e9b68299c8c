"""A running line of DLMS meters: opens its port, serves clients, and counts."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from smgw.cosem.units import symbol
from smgw.errors import reason
from smgw.iec62056.identification import INITIAL_BAUD_RATE
from smgw.iec62056.responder import Responder

from smsim.asked_line import MOST_CLIENTS, AskedLine
from smsim.asked_line import Bus as AskedBus
from smsim.channel import TtyChannel
from smsim.dlms.association import Associations
from smsim.dlms.bus import Bus
from smsim.dlms.config import LineConfig
from smsim.dlms.device import Device
from smsim.dlms.station import Station
from smsim.dlms.udp import UdpEnd
from smsim.errors import PortError
from smsim.load.timelapse import TimeLapse
from smsim.ports import PtyPort, SerialPort


class DlmsLine(AskedLine):
    """One line with its meters. `listen` is the address of TCP ports that have none of their own."""

    def __init__(
        self, config: LineConfig, lapse: TimeLapse, elapsed_ms: Callable[[], int], listen: str | None = None
    ) -> None:
        super().__init__(config.port, config.baud, listen)
        self.config = config
        self.faults = config.faults
        self.devices = [Device(meter.spec, lapse, elapsed_ms) for meter in config.meters]
        self._associations = [
            Associations(
                device,
                meter.clients,
                logical_device=meter.framing.address.upper,
                max_pdu=meter.max_pdu,
                short_names=meter.short_names,
            )
            for device, meter in zip(self.devices, config.meters, strict=True)
        ]
        self.faults.begin(" ".join(f"{device.spec.device} {device.spec.seed}" for device in self.devices))
        self._udp: UdpEnd | None = None
        self._buses: list[Bus] = []
        self._done = {"requests": 0, "associations": 0}

    @property
    def names(self) -> list[str]:
        """The names of its meters."""
        return [device.spec.name for device in self.devices]

    @property
    def open_files(self) -> int:
        """Number of files that its port keeps open, with one client."""
        return 3 if self.config.wrapper else 2

    @property
    def how(self) -> str:
        """How its meters are read, as text."""
        if self.config.tls is not None:
            framing = "wrapper" if self.config.wrapper else "HDLC"
            return f"DLMS, {framing}, TLS with {self.config.tls.certificate(self.devices[0].spec.name)}"
        if self.config.wrapper:
            return "DLMS, wrapper over TCP and UDP"
        return "DLMS, HDLC after sign-on (mode E)" if self.config.sign_on else "DLMS, HDLC"

    async def start(self) -> list[str]:
        """Open the port; returns a line of text for each meter. Raises PortError."""
        for device in self.devices:
            device.values()  # compute the past now, so that the first client does not wait for it
        await self._open_port()
        return [
            f"meter {meter.spec.name} ({meter.spec.device}, {self.how}, address {meter.framing.address}) on {self.port}"
            for meter in self.config.meters
        ]

    def _open(self, port: PtyPort | SerialPort) -> TtyChannel:
        signs_on = self.config.sign_on is not None
        channel = TtyChannel(port, self.config.baud, heeds_speed=signs_on)
        if signs_on:
            channel.change_baud(INITIAL_BAUD_RATE)
        return channel

    def _context(self) -> ssl.SSLContext | None:
        tls, first = self.config.tls, self.devices[0].spec
        return tls.context(first.name, str(first.device)) if tls is not None else None

    async def _listening(self, host: str, number: int) -> None:
        if self.config.wrapper and self.config.tls is None:  # datagrams would be a way around TLS
            await self._listen_to_datagrams(host, number)

    async def _listen_to_datagrams(self, host: str, number: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self._udp = await loop.create_datagram_endpoint(
                lambda: UdpEnd(self._new_bus, self._gone, MOST_CLIENTS), (host, number)
            )
        except OSError as error:
            raise PortError(
                f"udp:{host}:{number}", f"cannot listen: {reason(error)}", "name another address or port"
            ) from None

    def _new_bus(self) -> Bus:
        stations = [
            Station(device, associations, meter.framing, self.faults)
            for device, associations, meter in zip(self.devices, self._associations, self.config.meters, strict=True)
        ]
        bus = Bus(stations, self.faults, self._responder if self.config.sign_on else None)
        self._buses.append(bus)
        return bus

    def _responder(self) -> Responder:
        sign_on = self.config.sign_on
        assert sign_on is not None
        return Responder(
            sign_on.identification, device_address=sign_on.device_address, confirmation=sign_on.confirmation
        )

    def _gone(self, bus: AskedBus) -> None:
        assert isinstance(bus, Bus)
        self._buses.remove(bus)
        for station in bus.stations:
            self._done["requests"] += station.requests
            self._done["associations"] += station.associated

    def counts(self) -> dict[str, int]:
        """Counts of answers."""
        counts = dict(self._done)
        for station in (station for bus in self._buses for station in bus.stations):
            counts["requests"] += station.requests
            counts["associations"] += station.associated
        return counts

    def report(self) -> list[dict[str, Any]]:
        """Each meter with the values of its registers; whole numbers, as on the wire."""
        return [
            {
                "name": device.spec.name,
                "device": str(device.spec.device),
                "port": self.port,
                "faults": self.faults.names(),
                **self.counts(),
                "registers": [
                    {
                        "obis": str(row.register.obis),
                        "value": value,
                        "scaler": row.register.scaler,
                        "unit": row.register.unit,
                        "symbol": symbol(row.register.unit),
                    }
                    for row, value in device.values()
                ],
            }
            for device in self.devices
        ]

    def close(self) -> None:
        """Close the port and the connections."""
        super().close()
        if self._udp is not None:
            self._udp.close()
