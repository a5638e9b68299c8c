"""Poll a DLMS meter over TCP: open an association, read registers with their units, close it.

    python examples/poll_dlms_meter.py 127.0.0.1 4059 1.8.0 2.8.0

Two layers without input and output do the work: the wrapper carries APDUs, the client speaks DLMS.
This program owns the socket and the time.
"""

import socket
import sys
import time
from collections.abc import Sequence
from decimal import Decimal

from smgw.cosem import AttributeName, Obis, ScalerUnit
from smgw.cosem.units import symbol
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data import decode_all
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Event, Failed, Got, Send
from smgw.errors import SmgwError
from smgw.hdlc.events import ApduReceived, Disconnected
from smgw.wire import Transmit

PUBLIC_CLIENT, MANAGEMENT_DEVICE = 16, 1
REGISTER, VALUE, SCALER_UNIT = 3, 2, 3


class Session:
    """A client, the wrapper below it and a socket."""

    def __init__(self, host: str, port: int, timeout: float = 5.0) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        self._link = Wrapper.client(PUBLIC_CLIENT, MANAGEMENT_DEVICE, timeout=timeout)
        self._link.connect(time.monotonic())
        self.client = Client()

    def run(self, events: Sequence[Event]) -> Event:
        """Send what the client wants to send, and return the event that ends the service."""
        for event in events:
            if isinstance(event, Failed):
                raise event.error
            if not isinstance(event, Send):
                return event
            for below in self._link.send(event.apdu, time.monotonic()):
                if isinstance(below, Transmit):
                    self._socket.sendall(below.octets)
        return self.run(self._answer())

    def close(self) -> None:
        """Release the association and close the connection."""
        self.run(self.client.release())
        self._socket.close()

    def _answer(self) -> list[Event]:
        """Octets to the wrapper until it gives an APDU, then the APDU to the client."""
        while True:
            octets = self._socket.recv(4096)
            if not octets:
                raise ConnectionError("the meter closed the connection")
            for event in self._link.receive(octets, time.monotonic()):
                if isinstance(event, ApduReceived):
                    return self.client.receive(event.apdu)
                if isinstance(event, Disconnected):
                    raise ConnectionError(event.reason)


def read(session: Session, obis: Obis) -> str:
    """Value and unit of a register, as text; the exact integer of the meter, scaled."""
    wanted = [AttributeName(REGISTER, obis, attribute) for attribute in (VALUE, SCALER_UNIT)]
    got = session.run(session.client.get_with_list(wanted))
    assert isinstance(got, Got)
    value, scaler_unit = got.results
    if not isinstance(value, bytes) or not isinstance(scaler_unit, bytes):
        return "not readable: " + ", ".join(one.name for one in got.results if isinstance(one, DataAccessResult))
    scaler, unit = ScalerUnit.of(decode_all(scaler_unit))
    number = decode_all(value).value
    return f"{Decimal(number).scaleb(scaler):f} {symbol(unit)}" if isinstance(number, int) else str(number)


def main(arguments: list[str]) -> int:
    """Exit code 0, 1 if the meter cannot be read, 2 for a wrong command line."""
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    host, port, *registers = arguments
    try:
        session = Session(host, int(port))
        session.run(session.client.associate())
        for register in registers:
            print(f"{register:<8} {read(session, Obis.parse(register))}")
        session.close()
    except (OSError, SmgwError) as error:
        print(f"{host}:{port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
