"""The protection of one association in both directions: ciphering of each APDU, and APDUs accepted in the clear.

Imports `cryptography` through `suites`. A session without ciphering never imports this module.
"""

from enum import Enum
from typing import NamedTuple

from smgw.dlms.apdus.cursor import ApduError
from smgw.dlms.apdus.envelope import GENERAL_DED, GENERAL_GLO, PLAIN_TAG, Ciphered
from smgw.dlms.errors import ReplayError, SecurityError
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import (
    HEADER_LENGTH,
    TAG_LENGTH,
    Keys,
    Opened,
    Protection,
    Reserve,
    check_title,
    reserved,
    seal,
    unseal,
)

_GLOBAL = {plain: tag for tag, plain in PLAIN_TAG.items() if tag in range(0x20, 0x40) or tag in range(0xC8, 0xD0)}
_DEDICATED = {plain: tag for tag, plain in PLAIN_TAG.items() if tag not in _GLOBAL.values()}


class Form(Enum):
    """The form of a ciphered APDU."""

    SERVICE = "glo- or ded-, by service"
    GENERAL = "general-glo or general-ded"  # holds the sender's system title each time


class Setting(NamedTuple):
    """Our own side: configured once, valid for every association.

    `reserve` gives an invocation counter that is stored durably before it is used (R10).
    """

    keys: Keys
    title: bytes
    reserve: Reserve
    protection: Protection = Protection.BOTH
    form: Form = Form.SERVICE


class Received:
    """The newest invocation counter that the peer used with each of its keys.

    A meter keeps it across associations. A client must do so too, if its meter does not authenticate itself each time.
    """

    def __init__(self) -> None:
        self._newest: dict[bytes, int] = {}

    def take(self, key: bytes, counter: int) -> None:
        """ReplayError unless it is larger than all before."""
        newest = self._newest.get(key, -1)
        if counter <= newest:
            raise ReplayError(counter, newest + 1)
        self._newest[key] = counter


def open_ciphered(ciphered: Ciphered, keys: Keys, title: bytes = b"", *, verify: bool = True) -> Opened:
    """The APDU inside; SecurityError if the keys do not open it. `title` is used if the envelope has none.

    Without `verify` its authentication tag is not looked at.

    Nothing is stored here, so a replay is not noticed. For dumps, and for pushes, whose reader checks the counter.
    """
    opened = unseal(keys, ciphered.system_title or title, ciphered.octets, verify=verify)
    inside = PLAIN_TAG.get(ciphered.tag)
    if inside is not None and opened.text[:1] != bytes((inside,)):
        raise SecurityError(f"opened well, but {inside:02x} is not inside where {ciphered.tag:02x} is outside")
    return opened


class Ciphering:
    """Protects sent APDUs and opens received ones. `peer_title` may come from the association's answer."""

    def __init__(
        self,
        setting: Setting,
        *,
        peer_title: bytes = b"",
        dedicated: Secret | None = None,
        received: Received | None = None,
    ) -> None:
        check_title(setting.title)
        self.title = setting.title
        self.peer_title = peer_title
        self.protection = setting.protection
        self._keys = setting.keys
        self._reserve = setting.reserve
        self._form = setting.form
        self._received = received or Received()
        self._dedicated = self._with_dedicated(dedicated)

    def dedicate(self, key: bytes | None) -> None:
        """The key that the client chose for this association alone; None: the global one."""
        self._dedicated = self._with_dedicated(key)

    @property
    def dedicated_key(self) -> Secret | None:
        """That key."""
        return self._dedicated.encryption if self._dedicated else None

    def answer_like(self, request: Ciphered) -> None:
        """Wrap APDUs from now on in the form of this request."""
        self._form = Form.GENERAL if request.system_title is not None else Form.SERVICE

    @property
    def general(self) -> bool:
        """True if APDUs are sent as general-glo or general-ded."""
        return self._form is Form.GENERAL

    @property
    def overhead(self) -> int:
        """Most octets that protection adds to an APDU."""
        return 1 + 1 + len(self.title) + 4 + HEADER_LENGTH + TAG_LENGTH

    def protect(self, apdu: bytes, *, initiate: bool = False) -> bytes:
        """The APDU, protected. `initiate`: it opens or ends the association, and does not use the dedicated key."""
        keys = self._dedicated if self._dedicated and not initiate else self._keys
        tag = (_DEDICATED if keys is self._dedicated else _GLOBAL).get(apdu[0])
        title = None
        if tag is None or (self._form is Form.GENERAL and not initiate):
            tag = GENERAL_DED if keys is self._dedicated else GENERAL_GLO
            title = self.title
        sealed = seal(keys, self.protection, self.title, reserved(self._reserve), apdu)
        return Ciphered(tag, sealed, title).encode()

    def unprotect(self, ciphered: Ciphered) -> bytes:
        """The APDU inside. SecurityError if it is not from the peer, is repeated, or has less protection than ours."""
        dedicated = ciphered.tag == GENERAL_DED or ciphered.tag in _DEDICATED.values()
        keys = self._dedicated if dedicated else self._keys
        if keys is None:
            raise SecurityError("ciphered with a dedicated key, and this association has none")
        title = ciphered.system_title
        if title and self.peer_title and title != self.peer_title:
            raise SecurityError(f"from system title {title.hex()}, while the peer is {self.peer_title.hex()}")
        opened = open_ciphered(ciphered, keys, self.peer_title)
        if opened.protection is not self.protection and (missing := self.protection & ~opened.protection):
            raise SecurityError(f"its protection lacks what this association wants: {missing!r}")
        self._received.take(keys.broadcast or b"" if opened.broadcast else keys.encryption, opened.counter)
        if not opened.text:
            raise ApduError(0, "nothing is inside a ciphered APDU")
        return opened.text

    def _with_dedicated(self, key: bytes | None) -> Keys | None:
        if key is None:
            return None
        return Keys.of(self._keys.suite, key, self._keys.authentication)
