"""Serve a DLMS meter on TCP: two registers that anybody may read, one client at a time.

    python examples/serve_meter.py [PORT]          without a port, a free one; the first line names it

The server speaks DLMS and knows no socket. `Meter` is its object model: it answers for the COSEM objects.
"""

import socket
import sys
import time

from smgw.cosem import AttributeName, MethodName, Obis, ScalerUnit
from smgw.cosem.data import Data, DataType, octet_string
from smgw.dlms.apdus.action import Outcome
from smgw.dlms.apdus.descriptors import Selection
from smgw.dlms.apdus.results import ActionResult, DataAccessResult
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data import encode
from smgw.dlms.meter.access import Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.session.events import Send
from smgw.hdlc.events import ApduReceived
from smgw.wire import Transmit

WATT_HOUR = 30
REGISTERS = {Obis.parse("1.8.0"): 1_234_567, Obis.parse("2.8.0"): 89_012}
PUBLIC_CLIENT, MANAGEMENT_DEVICE = 16, 1


class Meter:
    """The objects of the meter. Attribute 1 is the name, 2 the value, 3 scaler and unit."""

    def read(self, client: int, attribute: AttributeName, selection: Selection | None) -> bytes | DataAccessResult:
        """One attribute as A-XDR octets, or why there is none."""
        class_id, obis, number = attribute
        if class_id != 3 or obis not in REGISTERS:
            return DataAccessResult.OBJECT_UNDEFINED
        values = {
            1: octet_string(bytes(obis)),
            2: Data(DataType.DOUBLE_LONG_UNSIGNED, REGISTERS[obis]),
            3: ScalerUnit(-1, WATT_HOUR).data(),
        }
        return encode(values[number]) if number in values else DataAccessResult.OBJECT_UNDEFINED

    def write(
        self, client: int, attribute: AttributeName, value: bytes, selection: Selection | None
    ) -> DataAccessResult:
        """Nothing can be written."""
        return DataAccessResult.READ_WRITE_DENIED

    def invoke(self, client: int, method: MethodName, parameter: bytes | None) -> Outcome:
        """There are no methods."""
        return Outcome(ActionResult.OBJECT_UNDEFINED)


def serve(connection: socket.socket) -> None:
    """One client, until it closes the connection."""
    link = Wrapper.server(MANAGEMENT_DEVICE)
    server = Server(Meter(), PUBLIC_CLIENT, Admission())
    while octets := connection.recv(4096):
        for event in link.receive(octets, time.monotonic()):
            if not isinstance(event, ApduReceived):
                continue
            for answer in server.receive(event.apdu):
                if isinstance(answer, Send):
                    for below in link.send(answer.apdu, time.monotonic()):
                        if isinstance(below, Transmit):
                            connection.sendall(below.octets)


def main(arguments: list[str]) -> int:
    """Serve until the process is stopped."""
    port = int(arguments[0]) if arguments else 0
    with socket.create_server(("127.0.0.1", port)) as listener:
        print(f"meter on 127.0.0.1 {listener.getsockname()[1]}", flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                serve(connection)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
