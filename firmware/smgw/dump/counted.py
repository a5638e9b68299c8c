"""What the printers of D0, P1 and M-Bus share: octets go to a reader, telegrams to stdout, refusals to stderr."""

import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from smgw.cosem.printable import printable
from smgw.dump.printer import look_alike
from smgw.errors import RemoteProtocolError
from smgw.wire import Refused
from smgw.wire.unread import SAMPLE


class Reader(Protocol):
    """Octets in; telegrams and refused octets out."""

    def receive(self, octets: bytes, /) -> Sequence[Any]:
        """What these octets complete."""

    def finish(self) -> Sequence[Any]:
        """What is left."""


class Counted:
    """Prints telegrams to stdout and refused octets to stderr, and counts both. A format fills in what they look like.

    `dump` is the name of the format, `what` what a telegram of it is called.
    """

    dump: str
    what = "telegram"

    def __init__(self, reader: Reader, *, as_json: bool, most: int = 0) -> None:
        self._reader = reader
        self._as_json = as_json
        self._most = most
        self._sample = b""
        self.delivered = 0
        self.refused = 0

    def shown(self, telegram: Any) -> tuple[dict[str, Any], list[str]]:
        """A telegram for programs, and its lines for people. RemoteProtocolError: it is refused."""
        raise NotImplementedError

    def length(self, telegram: Any) -> int:
        """Its octets, where it may be refused."""
        raise NotImplementedError

    @property
    def enough(self) -> bool:
        """True once as many as were asked for have been printed."""
        return bool(self._most) and self.delivered >= self._most

    def receive(self, data: bytes) -> bool:
        """Print the telegrams that these octets complete; True if there was one."""
        if not self.delivered:
            self._sample = (self._sample + data)[:SAMPLE]
        return self._take(self._reader.receive(data))

    def finish(self) -> None:
        """Print or refuse what is left; if there was no telegram at all, say what the octets look like."""
        self._take(self._reader.finish())
        if not self.delivered and (found := look_alike(self.dump, self._sample)):
            print(f"no {self.what}: {found}", file=sys.stderr)

    def summary(self) -> None:
        """Telegrams seen, delivered, refused."""
        seen = self.delivered + self.refused
        print(f"{seen} telegrams seen, {self.delivered} delivered, {self.refused} refused", file=sys.stderr)

    def _take(self, events: Sequence[Any]) -> bool:
        before = self.delivered
        for event in events:
            if self.enough:
                break
            if isinstance(event, Refused):
                self._refuse(event.octets, event.reason)
                continue
            try:
                plain, lines = self.shown(event)
            except RemoteProtocolError as error:
                self._refuse(self.length(event), str(error))
                continue
            self.delivered += 1  # before it is printed: who has seen it and interrupts is told so
            print(json.dumps(plain) if self._as_json else "\n".join(lines), flush=True)
        return self.delivered > before

    def _refuse(self, octets: int, reason: str) -> None:
        self.refused += 1
        print(f"refused: {octets} octets: {printable(reason)}", file=sys.stderr)
