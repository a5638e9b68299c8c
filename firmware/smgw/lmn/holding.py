"""Meters that refused our password are held: they are not asked again without an order, not even after a restart.

A meter that is said to expect an invocation counter far ahead is held, too: see `store.lmn.budget`.

A hold ends in one of three ways: the meter's password or keys change, `smgw retry` removes it from the store, or the
meter accepts us after all.
"""

import logging
from collections.abc import Callable

from smgw.errors import SmgwError
from smgw.lmn.contract import HoldKeeper
from smgw.lmn.errors import AccessRefusedError

log = logging.getLogger(__name__)

#: Time between two checks for an order to ask a held meter again.
LOOK_S = 2.0
_NOT_AGAIN = ". It is not asked again, because "


class Hold:
    """The hold of one meter. Without a `keeper` it lasts until the driver ends."""

    def __init__(self, meter: str, secret: bytes, keeper: HoldKeeper | None) -> None:
        """`secret`: the password or keys that authenticate us."""
        self._meter = meter
        self._secret = secret
        self._keeper = keeper
        self.reason = self._read(secret) or ""  #: of the refusal; empty: the meter may be asked

    def begin(self, reason: str, because: str) -> None:
        """The meter refused us; `because`: why it is not asked again."""
        self.reason = reason = f"{reason}{_NOT_AGAIN}{because}"
        self._try(lambda keeper: keeper.hold(self._meter, self._secret, reason), "it is held until the next restart")

    def ended(self) -> bool:
        """True if a user has ended it."""
        if self._keeper is None or self._read(None) is not None:
            return False
        self.reason = ""
        return True

    def accepted(self) -> None:
        """The meter accepts us: remove a hold for an older secret."""
        if self._read(None) is not None:
            self._try(lambda keeper: keeper.release(self._meter), "its old hold stays in the store")

    def advice(self) -> str:
        """The text for the user."""
        # A reason that an older version stored ends before the second sentence.
        reason = self.reason if _NOT_AGAIN in self.reason else f"{self.reason}{_NOT_AGAIN}{AccessRefusedError.because}"
        return f"{reason}. Reload the corrected configuration, or run: smgw retry {self._meter}"

    def _read(self, secret: bytes | None) -> str | None:
        try:
            return None if self._keeper is None else self._keeper.held(self._meter, secret)
        except SmgwError as error:  # an unreadable store neither holds nor releases a meter
            log.debug("meter %s: %s", self._meter, error)
            return self.reason if secret is None else None

    def _try(self, write: Callable[[HoldKeeper], None], otherwise: str) -> None:
        if self._keeper is not None:
            try:
                write(self._keeper)
            except SmgwError as error:
                log.warning("meter %s: %s: %s", self._meter, otherwise, error)
