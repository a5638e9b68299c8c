"""Recognises an old push of a meter that ciphers: its invocation counter must rise, after a restart too."""

import logging

from smgw.errors import SmgwError
from smgw.lmn.contract import PushKeeper
from smgw.store.digest import sha256

log = logging.getLogger(__name__)


def key_id(key: bytes) -> str:
    """A digest that names a key and does not tell it."""
    return sha256(b"smgw key id" + key).hex()[:16]


class Replays:
    """The newest invocation counter of each system title that used one key."""

    def __init__(self, meter: str, scope: str, keeper: PushKeeper | None) -> None:
        self._meter = meter
        self._scope = scope
        self._keeper = keeper
        self._newest: dict[bytes, int] = {}
        self._stored: set[bytes] = set()  # titles whose newest counter was found in the store

    def is_new(self, title: bytes, counter: int) -> bool:
        """True if the counter is above all before, those before a restart too, or if a person has forgotten them."""
        newest = self._newest.get(title)
        if newest is not None and counter > newest:
            return True
        try:
            stored = None if self._keeper is None else self._keeper.newest(self._scope, title)
        except SmgwError as error:  # a faulty store must not cost readings
            log.debug("meter %s: the counter of its last push cannot be read: %s", self._meter, error)
            return newest is None
        if stored is None:
            return newest is None or title in self._stored
        self._stored.add(title)
        return newest is None and counter > stored

    def take(self, title: bytes, counter: int) -> None:
        """A push with this counter was read: older ones are refused from here on."""
        self._newest[title] = counter
        self._stored.discard(title)  # until this counter is found there
        if self._keeper is not None:
            self._keeper.note(self._scope, self._meter, title, counter)
