"""A DLMS meter of our own as a process, for measurements: HDLC on one TCP port, the wrapper on another.

Prints the two ports and serves until standard input ends. Client 16 needs nothing; client 1 has HLS 5 and suite 0.
With --general-blocks it has general block transfer and no other.
"""

import selectors
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(Path(__file__).parent)]

from dlms_pair import ENERGY, SCALER_UNIT, profile_octets  # noqa: E402
from smgw.cosem import AttributeName, MethodName, Obis  # noqa: E402
from smgw.dlms.apdus.action import Outcome  # noqa: E402
from smgw.dlms.apdus.conformance import Conformance  # noqa: E402
from smgw.dlms.apdus.descriptors import Selection  # noqa: E402
from smgw.dlms.apdus.results import ActionResult, DataAccessResult  # noqa: E402
from smgw.dlms.carriers.wrapper import Wrapper  # noqa: E402
from smgw.dlms.meter.access import SERVER, Admission  # noqa: E402
from smgw.dlms.meter.server import Server  # noqa: E402
from smgw.dlms.security.ciphering import Ciphering, Setting  # noqa: E402
from smgw.dlms.security.suites import Gmac, Keys, Suite  # noqa: E402
from smgw.dlms.session.events import Send  # noqa: E402
from smgw.hdlc.address import Address  # noqa: E402
from smgw.hdlc.events import ApduReceived, Connected, Disconnected  # noqa: E402
from smgw.hdlc.link import Link  # noqa: E402
from smgw.hdlc.parameters import LinkParameters  # noqa: E402
from smgw.wire import Transmit  # noqa: E402

PUBLIC, SECURE = 16, 1
GENERAL_BLOCKS = "--general-blocks" in sys.argv
SERVICE_BLOCKS = Conformance.BLOCK_GET | Conformance.BLOCK_SET | Conformance.BLOCK_ACTION
SIZES = (96, 1000, 35_040)
KEYS = Keys.of(Suite.AES_GCM_128, bytes(range(16)), bytes(range(0xD0, 0xE0)))
TITLE = b"UTBMTR01"


def profile(rows: int) -> AttributeName:
    """The profile with so many rows: 1-0:99.n.0."""
    return AttributeName(7, Obis(bytes((1, 0, 99, 1 + SIZES.index(rows), 0, 255))), 2)


class Model:
    """One register, and a profile of each size, ready made."""

    def __init__(self) -> None:
        self.values = {profile(rows): profile_octets(rows) for rows in SIZES}
        self.values[ENERGY] = bytes.fromhex("060012d687")
        self.values[SCALER_UNIT] = bytes.fromhex("02020f00161e")

    def read(self, client: int, attribute: AttributeName, selection: Selection | None) -> bytes | DataAccessResult:
        return self.values.get(attribute, DataAccessResult.OBJECT_UNDEFINED)

    def write(
        self, client: int, attribute: AttributeName, value: bytes, selection: Selection | None
    ) -> DataAccessResult:
        return DataAccessResult.READ_WRITE_DENIED

    def invoke(self, client: int, method: MethodName, parameter: bytes | None) -> Outcome:
        return Outcome(ActionResult.OBJECT_UNDEFINED)


def admission(client: int, max_pdu_size: int = 1024) -> Admission:
    """How that client is admitted. Counters begin anew, so a meter is for one association of client 1."""
    if client == PUBLIC:
        return Admission(conformance=SERVER & ~SERVICE_BLOCKS if GENERAL_BLOCKS else SERVER, max_pdu_size=max_pdu_size)
    count = iter(range(1, 1 << 32)).__next__
    return Admission(Gmac(KEYS, count), lambda: Ciphering(Setting(KEYS, TITLE, count)), max_pdu_size=max_pdu_size)


class Meter:
    """One connection: the link below, the session above. `carry` takes octets and returns octets."""

    def __init__(self, link: Link | Wrapper, model: Model) -> None:
        self.link = link
        self.model = model
        self.session: Server | None = None

    def carry(self, data: bytes) -> bytes:
        return b"".join(self._done(self.link.receive(data, time.monotonic())))

    def _done(self, events: list[Any]) -> list[bytes]:
        octets: list[bytes] = []
        for event in events:
            if isinstance(event, Transmit):
                octets.append(event.octets)
            elif isinstance(event, Connected):
                self.session = Server(self.model, event.peer, admission(event.peer))
            elif isinstance(event, Disconnected):
                self.session = None
            elif isinstance(event, ApduReceived) and self.session:
                for answer in self.session.receive(event.apdu):
                    if isinstance(answer, Send):
                        octets += self._done(self.link.send(answer.apdu, time.monotonic()))
        return octets


def make_link(hdlc: bool) -> Link | Wrapper:
    if not hdlc:
        return Wrapper.server(1)
    return Link.server(Address(1), LinkParameters.of(2030, 7), inactivity=None)


def main() -> None:
    model = Model()
    selector = selectors.DefaultSelector()
    ports = []
    for hdlc in (True, False):
        listening = socket.create_server(("127.0.0.1", 0))
        ports.append(listening.getsockname()[1])
        selector.register(listening, selectors.EVENT_READ, hdlc)
    print(*ports, flush=True)

    def serve() -> None:
        while True:
            for key, _ in selector.select():
                ready: Any = key.fileobj
                if isinstance(key.data, bool):
                    connection, _ = ready.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(connection, selectors.EVENT_READ, Meter(make_link(key.data), model))
                    continue
                try:
                    data = ready.recv(65536)
                    if data:
                        ready.sendall(key.data.carry(data))
                except OSError:
                    data = b""
                if not data:
                    selector.unregister(ready)
                    ready.close()

    threading.Thread(target=serve, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
