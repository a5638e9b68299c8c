"""Whether the values of stored rows were signed by their gateway (inner signatures)."""

from collections import Counter

from smgw.cosem.device_id import DeviceId
from smgw.cosemxml.value_signatures import SIGNATURES, SignaturesError, values_of_row
from smgw.trust.peers import PeersFolder
from smgw.trust.value_verdict import Verdict, judged, signers_of

from emp.store.storage import RowView


class Verdicts:
    """Judges rows by the certificates SIG of gateways in the trust folder. Thread-safe."""

    def __init__(self, peers: PeersFolder) -> None:
        self._peers = peers

    def of(self, device: DeviceId, row: RowView) -> Counter[Verdict]:
        """How many values of a row have which verdict; none for a row without signatures."""
        if not is_signed(row):
            return Counter()
        try:
            values = list(values_of_row(device, row.record_number, row.status, row.capture_time_us, row.cells))
        except SignaturesError:
            return Counter({Verdict.WRONG: 1})
        signers = signers_of(str(row.gateway), self._peers.every())
        return Counter(
            judged(one.signed_octets, one.signature.octets, one.signature.signer, signers)
            if one.signature
            else Verdict.UNSIGNED
            for one in values
        )


def is_signed(row: RowView) -> bool:
    """True for a row with signatures, whether good or not."""
    return any(register.column == SIGNATURES for register, _ in row.cells)
