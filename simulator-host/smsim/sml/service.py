"""A meter's SML server on TCP: each client has a session of its own, and none can harm another."""

import asyncio
import logging
import socket

from smgw.errors import reason

from smsim.errors import PortError
from smsim.ports import LOOPBACK, TcpPort
from smsim.sml.answers import Answers
from smsim.sml.meter import Meter
from smsim.sml.push import Disturber, Secured

IDLE_S = 3600.0  # a client that says nothing for so long has gone
SLOW_S = 10.0  # a client that does not take an answer for so long is cut off
MOST_CLIENTS = 32
_READ = 4096
_KEEP_UP_S = 30.0
_WRITE_BUFFER = 16_384

log = logging.getLogger(__name__)


class Service:
    """Listens for one meter."""

    def __init__(
        self,
        meter: Meter,
        port: TcpPort,
        credentials: tuple[str | None, str | None] = (None, None),
        disturber: Disturber | None = None,
        *,
        object_list: bool = True,
        secured: Secured | None = None,
        idle_s: float = IDLE_S,
        slow_s: float = SLOW_S,
        most_clients: int = MOST_CLIENTS,
    ) -> None:
        self.port = port
        self.clients_seen = 0
        self._meter = meter
        self._answers = Answers(meter, credentials, disturber, object_list=object_list)
        self._secured = secured
        self._idle_s = idle_s
        self._slow_s = slow_s
        self._most_clients = most_clients
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    @property
    def clients(self) -> int:
        """Clients connected now."""
        return len(self._sessions)

    async def start(self) -> str:
        """Listen and serve; PortError if that cannot be done. Returns the port to name to people."""
        host = (self.port.host or LOOPBACK).strip("[]")
        context = self._secured() if self._secured else None
        try:
            self._server = await asyncio.start_server(self._accept, host, self.port.port, ssl=context)
        except OSError as error:
            raise PortError(
                f"tcp:{host}:{self.port.port}", f"cannot listen: {reason(error)}", "name another address or port"
            ) from None
        number = self._server.sockets[0].getsockname()[1]
        return str(TcpPort(number, f"[{host}]" if ":" in host else host))

    async def run(self) -> None:
        """Until cancelled, keep the registers near the present, so that no answer waits for days to be computed."""
        while True:
            await asyncio.sleep(_KEEP_UP_S)
            self._meter.values()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= self._most_clients:
            log.warning("meter %s: more than %d clients; one turned away", self._meter.spec.name, self._most_clients)
            writer.transport.abort()
            return
        self.clients_seen += 1
        session = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._sessions.add(session)
        session.add_done_callback(self._sessions.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._session(reader, writer)
        except (TimeoutError, OSError) as error:
            log.info("meter %s: client gone: %s", self._meter.spec.name, error or "too slow")
        except Exception:
            log.exception("meter %s: a client's session failed", self._meter.spec.name)
        finally:
            writer.transport.abort()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # Answers that a client does not take pile up here and in the kernel: both are bounded.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WRITE_BUFFER)
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        session = self._answers.session()
        while data := await self._received(reader):
            for octets in self._answers.to(session, data):
                writer.write(octets)
                async with asyncio.timeout(self._slow_s):
                    await writer.drain()
        async with asyncio.timeout(self._slow_s):
            await _sent(writer)

    async def _received(self, reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(self._idle_s):
            return await reader.read(_READ)

    def cut_off(self) -> None:
        """Cut the clients off."""
        for session in self._sessions:
            session.cancel()

    def close(self) -> None:
        """Stop listening and cut the clients off."""
        if self._server is not None:
            self._server.close()
        self.cut_off()

    def counts(self) -> dict[str, int]:
        """What was answered."""
        return {**self._answers.counts(), "clients_seen": self.clients_seen}


async def _sent(writer: asyncio.StreamWriter) -> None:
    """Wait until a client that has said its last has taken every answer."""
    writer.transport.set_write_buffer_limits(high=0)
    await writer.drain()
