"""One gateway and one EMP, and what the EMP refuses: helpers for the tests of forged messages."""

import pytest
from forging import resigned
from sealing import OTHER_EMP, OTHER_GATEWAY, Party, Peers, party
from smgw.trust.certificate import Purpose
from smgw.trust.cms.message import Opened, open_sealed, seal
from smgw.trust.cms.profile import Suite
from smgw.trust.errors import TrustError

PEERS = Peers.on()
STRANGER = party(OTHER_GATEWAY, Purpose.SIGNATURE)
NEIGHBOUR = party(OTHER_EMP, Purpose.ENCRYPTION)
PAYLOAD = b"<object>" + b"4711;" * 200 + b"</object>"
CBC = Suite.AES_128_CBC_CMAC
BOTH = pytest.mark.parametrize("suite", Suite)


def sealed(suite: Suite = Suite.AES_128_GCM, *, payload: bytes = PAYLOAD, compress: bool = False) -> bytes:
    gateway, emp = PEERS
    return seal(payload, gateway.keys, gateway.certificate, emp.certificate, suite, compress=compress)


def opened(octets: bytes, emp: Party = PEERS.emp, gateway: Party = PEERS.gateway) -> Opened:
    return open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate])


def refused(octets: bytes, error: type[TrustError]) -> TrustError:
    with pytest.raises(error) as caught:
        opened(octets)
    assert type(caught.value) is error
    return caught.value


def enveloped(change: object, path: tuple[int, ...], octets: bytes | None = None) -> bytes:
    """A message whose envelope the gateway itself made wrong."""
    return resigned(octets or sealed(), PEERS.gateway, path, change)  # type: ignore[arg-type]
