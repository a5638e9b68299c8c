"""Until when certificates are valid: those of each gateway, and what ends soon of anything in the trust folder."""

import logging
import threading
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.trust.errors import TrustError
from smgw.trust.folder import AUTHORITIES, CERTIFICATE, OWN, PEERS, REVOCATION_LIST, stamp
from smgw.trust.inventory import STEPS, Ending, Item, endings, inventory
from smgw.trust.names import Role

from emp.store.storage import GatewayView
from emp.trust.room import Room

_LOG = logging.getLogger(__name__)
_DAY: Final = 86_400
_LOOK_S: Final = 60.0
USES: Final = ("TLS", "SIG")
_GATEWAY: Final = f".{Role.SMGW.value}"


class Validity(NamedTuple):
    """Until when the certificate of a gateway is valid: its client's (TLS), or that for signatures (SIG)."""

    use: str
    until_s: int

    def days_left(self, now_s: float) -> int:
        """Whole days; negative after its end."""
        return int((self.until_s - now_s) // _DAY)

    def warning(self, now_s: float) -> int | None:
        """The smallest of 60, 30 and 7 days that it has passed, 0 after its end; None while there is time."""
        if now_s > self.until_s:
            return 0
        return min((step for step in STEPS if self.until_s - now_s <= step * _DAY), default=None)


class Expiries:
    """Looks into the trust folder once a minute, and reads it when something changed. Thread-safe; it may take time."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._stamp: object = None
        self._look_again_s = 0.0
        self._items: list[Item] = []
        self._pinned: dict[str, dict[str, int]] = {}
        self._clients: dict[DeviceId, int] = {}
        self._told: set[tuple[object, ...]] = set()

    def note_client(self, gateway: DeviceId, until_s: int) -> None:
        """Note the certificate that a gateway connects with. What it uses counts more than what lies in the folder."""
        self._clients[gateway] = until_s

    def of(self, gateway: DeviceId, view: GatewayView | None = None) -> tuple[Validity, ...]:
        """The certificates of a gateway. `view`: as the store knows it, with the last signer."""
        self._look()
        found = dict(self._pinned.get(str(gateway), {}))
        if (client := self._clients.get(gateway)) is not None:
            found["TLS"] = client
        if view is not None and view.signers:
            found["SIG"] = view.signers[0].signer.not_after_us // 1_000_000
        return tuple(Validity(use, found[use]) for use in USES if use in found)

    def gateways(self) -> list[DeviceId]:
        """All gateways that have a certificate here."""
        self._look()
        return [DeviceId.parse(name) for name in self._pinned]

    def silent(self, views: Iterable[GatewayView]) -> list[tuple[DeviceId, tuple[Validity, ...]]]:
        """The gateways with a certificate here that have delivered nothing under their name."""
        known = {view.gateway for view in views}
        return [(one, self.of(one)) for one in sorted(self.gateways(), key=str) if one not in known]

    def endings(self) -> list[Ending]:
        """What ends within 60 days or has ended, the most urgent first."""
        self._look()
        return endings(self._items, self._room.now().utc_s)

    def tell(self) -> None:
        """Log what ends soon: each step once."""
        for one in self.endings():
            key = (one.items[0].file, one.items[0].until_s, one.step)
            if key not in self._told:
                self._told.add(key)
                _LOG.log(logging.ERROR if one.is_urgent else logging.WARNING, "%s", one.text)

    def _look(self) -> None:
        with self._lock:
            if time.monotonic() < self._look_again_s:
                return
            folder = self._room.folder
            try:
                seen = [
                    stamp(folder / part, (CERTIFICATE, REVOCATION_LIST), deep=True)
                    for part in (OWN, PEERS, AUTHORITIES)
                    if (folder / part).exists()
                ]
            except TrustError as error:
                _LOG.warning("%s", error)
                seen = []
            if seen and seen != self._stamp:
                self._read()
                self._stamp = seen
            self._look_again_s = time.monotonic() + _LOOK_S

    def _read(self) -> None:
        self._items, faults = inventory(self._room.folder)
        for fault in faults:
            _LOG.warning("%s", fault)
        pinned: dict[str, dict[str, int]] = {}
        for one in self._items:
            if one.kind == "pinned" and one.in_use and one.use in USES and one.subject.endswith(_GATEWAY):
                pinned.setdefault(one.subject.removesuffix(_GATEWAY), {})[one.use] = one.until_s
        self._pinned = pinned
