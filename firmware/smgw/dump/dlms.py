"""DLMS on a line: frames, APDUs and their content as a tree, or one JSON object for each APDU."""

import json
import sys
from collections.abc import Sequence

from smgw.dlms.apdus.acse import AARE_TAG, AARQ_TAG, RLRE_TAG, RLRQ_TAG, Aare, Aarq, Release
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.envelope import PLAIN_TAG, Ciphered
from smgw.dlms.apdus.get import GetResponse, GetResponseBlock
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.push.blocks import PushedBlocks
from smgw.dump.dlms_stream import Event, Item, Stream
from smgw.dump.dlms_tree import Message, as_object, data_lines, lines, title
from smgw.dump.keys import Keys
from smgw.dump.printer import Options, look_alike
from smgw.errors import RemoteProtocolError
from smgw.wire import Refused
from smgw.wire.guess import LINE_ENDS_TRANSLATED

_DEEPEST = 5  # APDUs inside APDUs: block, cipher, cipher, and what is in them
_LONGEST = 16 << 20  # octets of a value in blocks
#: Tags of ciphered APDUs that only a client sends.
_FROM_CLIENT = frozenset(tag for tag, plain in PLAIN_TAG.items() if plain in (0x01, 0xC0, 0xC1, 0xC3))


class Printer:
    """Prints APDUs to stdout and refused octets to stderr, and counts both."""

    def __init__(self, keys: Keys, *, as_json: bool, most: int = 0, live: bool = False) -> None:
        self._stream = Stream(live=live)
        self._live = live
        self._keys = keys
        self._as_json = as_json
        self._most = most
        self._blocks = PushedBlocks()
        self._values: dict[str, tuple[int, bytearray]] = {}  # of a long GET, by who answers: last block, octets
        self._unverified = False  # the tag of the next APDU was not checked
        self._titles: dict[bool, bytes] = {}  # system titles: True is the client's
        self.delivered = 0
        self.refused = 0
        self.frames = 0

    @property
    def enough(self) -> bool:
        """True once as many as were asked for have been printed."""
        return bool(self._most) and self.delivered >= self._most

    def receive(self, data: bytes) -> bool:
        """Print what these octets complete; True if there was anything."""
        return self._take(self._stream.receive(data))

    def finish(self) -> None:
        """No more octets come."""
        self._take(self._stream.finish())
        for octets in self._blocks.clear():
            self._refuse("the last blocks of an APDU did not come", octets)

    def summary(self) -> None:
        """Print the numbers of frames, APDUs and refused octets; without a frame, a description of the octets."""
        hint = str(LINE_ENDS_TRANSLATED) if self.refused and self._stream.line_ends_translated else ""
        if not hint and not self.frames and not self._live:
            hint = look_alike("dlms", self._stream.unframed)
        if hint:
            print(f"hint: {hint}", file=sys.stderr)
        print(f"{self.frames} frames seen, {self.delivered} APDUs delivered, {self.refused} refused", file=sys.stderr)

    def _take(self, events: Sequence[Event]) -> bool:
        for event in events:
            if self.enough:
                break
            if isinstance(event, Refused):
                self._refuse(event.reason, event.octets)
            else:
                self._item(event)
        return bool(events)

    def _refuse(self, reason: str, octets: int) -> None:
        self.refused += 1
        print(f"refused: {octets} octets: {reason}", file=sys.stderr)

    def _item(self, item: Item) -> None:
        self.frames += 1
        if not self._as_json:
            print(item.head, flush=True)
        for octets in item.apdus:
            self._unverified = False
            try:
                whole = self._apdu(octets, item.sender, 1)
            except RemoteProtocolError as error:
                self._refuse(str(error), len(octets))
                continue
            self.delivered += whole
            if self.enough:
                break

    def _apdu(self, octets: bytes, sender: str, depth: int) -> bool:
        """Print an APDU and its content; True if it is complete, False for a block that is not the last."""
        if depth > _DEEPEST:
            raise RemoteProtocolError("APDUs in APDUs, too deep")
        apdu = _decode(octets)
        inner, value = None, None
        if isinstance(apdu, GeneralBlock):
            self._line(title(apdu), depth)
            inner = self._blocks.add(apdu, sender)
            if inner is None:
                return False
        elif isinstance(apdu, Ciphered):
            unverified = self._keys.unverified(apdu)
            self._line(title(apdu) + (", NOT AUTHENTICATED: its tag is not checked" if unverified else ""), depth)
            inner = self._keys.open(apdu, self._title(apdu))
            self._unverified |= unverified
        if inner is not None:
            return self._apdu(inner, sender, depth + 1)
        if isinstance(apdu, GetResponseBlock):
            value = self._value(apdu, sender)
            if apdu.stray:
                print(f"ignored: {apdu.stray} octets behind the last block of an answer", file=sys.stderr)
            if value is None:
                self._line(title(apdu), depth)
                return False
        self._whole(apdu, depth, value)
        if isinstance(apdu, Aarq | Aare | Release):
            self._association(apdu, sender, depth)
        return True

    def _whole(self, apdu: Message, depth: int, value: bytes | None) -> None:
        if self._as_json:
            shown = GetResponse(0, value) if value is not None else apdu
            print(json.dumps(as_object(shown) | ({"authenticated": False} if self._unverified else {})), flush=True)
            return
        inside = "  " * (depth + 1)
        below = [f"\n{inside}{line}" for line in (lines(apdu) if value is None else data_lines(value))]
        self._line(title(apdu) + "".join(below), depth)

    def _association(self, apdu: Aarq | Aare | Release, sender: str, depth: int) -> None:
        if isinstance(apdu, Aarq) and apdu.calling_title:
            self._titles[True] = apdu.calling_title
        if isinstance(apdu, Aare) and apdu.responding_title:
            self._titles[False] = apdu.responding_title
        if not apdu.user_information:
            return
        try:
            self._apdu(apdu.user_information, sender, depth + 1)
        except RemoteProtocolError as error:
            self._line(f"user information not read: {error}", depth + 1)

    def _title(self, apdu: Ciphered) -> bytes:
        """The system title of the sender: from the APDU, else from the association."""
        found = apdu.system_title or self._titles.get(apdu.tag in _FROM_CLIENT)
        if found is None:
            raise RemoteProtocolError("ciphered in an association whose beginning, with the system titles, is not here")
        return found

    def _value(self, apdu: GetResponseBlock, sender: str) -> bytes | None:
        """The value of a long GET, once its last block is there."""
        number, octets = self._values.pop(sender, (0, bytearray()))
        if isinstance(apdu.result, DataAccessResult):
            raise RemoteProtocolError(f"a long GET ended at block {apdu.block_number}: {apdu.result.words}")
        if apdu.block_number == 1:
            number, octets = 0, bytearray()
        if apdu.block_number != number + 1 or len(octets) > _LONGEST:
            raise RemoteProtocolError(f"block {apdu.block_number} of a long GET, whose other blocks are not all here")
        octets += apdu.result
        if apdu.last:
            return bytes(octets)
        self._values[sender] = apdu.block_number, octets
        return None

    def _line(self, text: str, depth: int) -> None:
        if not self._as_json:
            print(f"{'  ' * depth}{text}", flush=True)


def _decode(octets: bytes) -> Message:
    if octets[:1] == bytes((AARQ_TAG,)):
        return Aarq.decode(octets)
    if octets[:1] == bytes((AARE_TAG,)):
        return Aare.decode(octets)
    for tag in (RLRQ_TAG, RLRE_TAG):
        if octets[:1] == bytes((tag,)):
            return Release.decode(octets, tag)
    return decode_apdu(octets)


def make(options: Options) -> Printer:
    """For `smgw dump dlms`. Raises PasswordFileError, KeyFileError."""
    keys = Keys.of(options.keys, options.authentication_keys)
    return Printer(keys, as_json=options.as_json, most=options.most, live=options.live)
