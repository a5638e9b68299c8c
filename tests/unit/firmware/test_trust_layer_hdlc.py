"""The seam for TLS over HDLC (TR-03109-1, LKS): the layer stands on a link without a change of either."""

from pathlib import Path

import pytest
from hdlc_wire import Wire
from lmn_tls import Lmn
from smgw.hdlc import Address, Link, LinkParameters
from smgw.trust.layer import Layer


class Stacked:
    """A gateway and a meter, each a link with a layer on it. A flight of TLS goes as one APDU, which the link cuts."""

    def __init__(self, client: Layer, meter: Layer, parameters: LinkParameters) -> None:
        self.client, self.meter = client, meter
        ends = Address(16), Address(1, 17)
        self.wire = Wire(Link.client(*ends, parameters), Link.server(ends[1], parameters), self._answer)
        self.wire.connect()
        client.begin()
        while not client.established:
            self._exchange()

    def ask(self, request: bytes) -> bytes:
        """One request of the protocol above, and its answer."""
        self.client.send(request)
        return self._exchange()

    def _exchange(self) -> bytes:
        answer = self.wire.ask(self.client.take())
        assert answer is not None
        return self.client.receive(answer)

    def _answer(self, flight: bytes) -> bytes:
        if asked := self.meter.receive(flight):
            self.meter.send(asked[::-1])
        return self.meter.take()


@pytest.mark.parametrize("information", [128, 2030])
@pytest.mark.parametrize("curve", ["brainpool", "p256"])
def test_a_layer_stands_on_a_link(tmp_path: Path, curve: str, information: int) -> None:
    lmn = Lmn(tmp_path, curve)
    stacked = Stacked(lmn.client(), lmn.server(), LinkParameters.of(information, 1))
    for size in (1, 300, 20_000):
        request = bytes(place % 251 for place in range(size))
        assert stacked.ask(request) == request[::-1]
    assert all(b"\x01\x02\x03\x04" not in octets for _, octets in stacked.wire.transmissions)
