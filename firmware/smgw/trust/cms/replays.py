"""Recognizes a message that comes a second time, for as long as it is remembered."""

from collections import OrderedDict
from threading import Lock

from smgw.trust.cms.message import Opened
from smgw.trust.errors import ReplayedError


class Replays:
    """The digests of the last `most` messages, in memory.

    A message itself carries no time and no number. So only a receiver that remembers sees a replay. Older messages,
    and those before a restart, are for the payload's own counter: rows have record numbers, so a row counts once.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._lock = Lock()

    def admit(self, opened: Opened) -> Opened:
        """The same message, remembered from now on.

        :raises ReplayedError: it came before.
        """
        with self._lock:
            if opened.digest in self._seen:
                self._seen.move_to_end(opened.digest)
                raise ReplayedError(
                    "it was accepted before",
                    "Nothing is lost. If the sender repeats messages without need, check why it missed the answer.",
                    subject=f"CMS message of {opened.signer.subject}",
                )
            self._seen[opened.digest] = None
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)
        return opened
