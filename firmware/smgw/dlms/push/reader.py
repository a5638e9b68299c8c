"""Turns the APDUs of a line into notifications. Joins blocks and decrypts ciphered APDUs with a given key.

APDU -> general block transfer, where used -> general-glo, where ciphered -> notification
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple

from smgw.dlms.apdus.apdu import Apdu, decode_apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.push.blocks import PushedBlocks
from smgw.errors import RemoteProtocolError
from smgw.wire import Refused

#: Decrypts a ciphered APDU; RemoteProtocolError if no key opens it.
Open = Callable[[Ciphered], bytes]


class Push(NamedTuple):
    """One notification. `ciphered` is what it came in, for its system title and counter; None if it came plain."""

    notification: DataNotification | EventNotification
    ciphered: Ciphered | None = None


class PushReader:
    """Takes the APDUs of a line on which meters push."""

    def __init__(self, open_ciphered: Open | None = None) -> None:
        self._open = open_ciphered
        self._blocks = PushedBlocks()

    @property
    def receiving(self) -> bool:
        """True while a push is unfinished."""
        return bool(self._blocks)

    def receive(self, apdu: bytes, source: Hashable = None) -> list[Push | Refused]:
        """The notification that this APDU completes. `source` separates the meters of one line."""
        try:
            decoded = decode_apdu(apdu)
            if isinstance(decoded, GeneralBlock):
                whole = self._blocks.add(decoded, source)
                if whole is None:
                    return []
                decoded = decode_apdu(whole)
            ciphered = None
            if isinstance(decoded, Ciphered):
                ciphered = decoded
                decoded = _inside(self._opened(ciphered))
        except RemoteProtocolError as error:
            return [Refused(str(error), len(apdu))]
        if isinstance(decoded, DataNotification | EventNotification):
            return [Push(decoded, ciphered)]
        return [Refused(f"{type(decoded).__name__} is no notification", len(apdu))]

    def finish(self) -> list[Push | Refused]:
        """The line was silent for long: give up unfinished blocks. The next push begins anew."""
        return [Refused("the last blocks of a push did not come", octets) for octets in self._blocks.clear()]

    def _opened(self, ciphered: Ciphered) -> bytes:
        if self._open is None:
            title = "" if ciphered.system_title is None else f" by the meter {ciphered.system_title.hex()}"
            raise RemoteProtocolError(f"a push ciphered{title}, and no key is given to open it")
        return self._open(ciphered)


def _inside(octets: bytes) -> Apdu:
    try:
        return decode_apdu(octets)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(
            f"what was ciphered is no APDU ({error}); most often the encryption key is that of another meter"
        ) from None
