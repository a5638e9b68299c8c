"""A running line of DLMS meters: opens its port, serves clients, and counts."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from smgw.cosem.units import symbol
from smgw.errors import reason
from smgw.iec62056.identification import INITIAL_BAUD_RATE
from smgw.iec62056.responder import Responder
from smgw.wire import Transmit

from smsim.channel import Channel, Gone, TcpChannel, TtyChannel
from smsim.dlms.association import Associations
from smsim.dlms.bus import Bus, Out
from smsim.dlms.config import LineConfig
from smsim.dlms.device import Device
from smsim.dlms.station import Station
from smsim.dlms.udp import UdpEnd
from smsim.errors import PortError
from smsim.load.timelapse import TimeLapse
from smsim.ports import LOOPBACK, PtyPort, SerialPort, TcpPort

MOST_CLIENTS = 32
_REOPEN_S = 1.0

log = logging.getLogger(__name__)


class DlmsLine:
    """One line with its meters. `listen` is the address of TCP ports that have none of their own."""

    def __init__(
        self, config: LineConfig, lapse: TimeLapse, elapsed_ms: Callable[[], int], listen: str | None = None
    ) -> None:
        self.config = config
        self.faults = config.faults
        self.port = str(config.port)
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
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._udp: UdpEnd | None = None
        self._channel: Channel | None = None
        self._sessions: set[asyncio.Task[None]] = set()
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
        port = self.config.port
        if isinstance(port, TcpPort):
            self.port = await self._listen_at(port)
        else:
            self._channel = self._open(port)
        return [
            f"meter {meter.spec.name} ({meter.spec.device}, {self.how}, address {meter.framing.address}) on {self.port}"
            for meter in self.config.meters
        ]

    async def run(self) -> None:
        """Serve until cancelled."""
        port = self.config.port
        while self._channel is not None and not isinstance(port, TcpPort):
            await self._converse(self._channel)
            log.warning("%s is gone; it is opened again when it is back", port)
            self._channel.close()
            self._channel = await self._reopened(port)
        await asyncio.Event().wait()

    def _open(self, port: PtyPort | SerialPort) -> TtyChannel:
        signs_on = self.config.sign_on is not None
        channel = TtyChannel(port, self.config.baud, heeds_speed=signs_on)
        if signs_on:
            channel.change_baud(INITIAL_BAUD_RATE)
        return channel

    async def _reopened(self, port: PtyPort | SerialPort) -> TtyChannel:
        while True:
            await asyncio.sleep(_REOPEN_S)
            try:
                return self._open(port)
            except PortError as error:
                log.debug("%s", error)

    async def _listen_at(self, port: TcpPort) -> str:
        host = (port.host or self._listen or LOOPBACK).strip("[]")
        tls, first = self.config.tls, self.devices[0].spec
        context = tls.context(first.name, str(first.device)) if tls is not None else None
        try:
            self._server = await asyncio.start_server(self._accept, host, port.port, ssl=context)
        except OSError as error:
            raise PortError(
                f"tcp:{host}:{port.port}", f"cannot listen: {reason(error)}", "name another address or port"
            ) from None
        number = self._server.sockets[0].getsockname()[1]
        if self.config.wrapper and tls is None:  # datagrams would be a way around TLS
            await self._listen_to_datagrams(host, number)
        return str(TcpPort(number, f"[{host}]" if ":" in host else host))

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

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if len(self._sessions) >= MOST_CLIENTS or task is None:
            log.warning("%s: more than %d clients; one turned away", self.port, MOST_CLIENTS)
            writer.transport.abort()
            return
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sessions.add(task)
        channel = TcpChannel(reader, writer)
        try:
            await self._converse(channel)
        finally:
            self._sessions.discard(task)
            channel.close()

    async def _converse(self, channel: Channel) -> None:
        """Serve one connection, or the line itself, until it ends."""
        bus = self._new_bus()
        loop = asyncio.get_running_loop()
        try:
            while True:
                now = loop.time()
                due = bus.deadline(now)
                data = await channel.read(None if due is None else max(0.0, due - now))
                now = loop.time()
                await self._do(channel, bus.receive(data, now) if data else bus.expire(now))
        except Gone:
            log.debug("%s: closed by the other side", self.port)
        finally:
            self._gone(bus)

    @staticmethod
    async def _do(channel: Channel, out: list[Out]) -> None:
        for event in out:
            if isinstance(event, Transmit):
                await channel.write(event.octets)
            else:
                channel.change_baud(event.baudrate)

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

    def _gone(self, bus: Bus) -> None:
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
        if self._server is not None:
            self._server.close()
        if self._udp is not None:
            self._udp.close()
        for session in self._sessions:
            session.cancel()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
