"""What a meter answers, whatever the requests come over, and how often it did."""

from collections.abc import Iterator

from smgw.sml.server import Reply, Server

from smsim.sml.meter import Meter
from smsim.sml.push import Disturber, Undisturbed


class Answers:
    """One meter's answers to all who ask. `object_list=False`: an older meter, which knows GetList only."""

    def __init__(
        self,
        meter: Meter,
        credentials: tuple[str | None, str | None] = (None, None),
        disturber: Disturber | None = None,
        *,
        object_list: bool = True,
    ) -> None:
        self.answers = 0  # request files answered
        self.requests = 0
        self.octets = 0
        self.refused = 0  # frames that were no request file
        self._meter = meter
        self._username, self._password = (text.encode() if text else None for text in credentials)
        self._disturber = disturber or Undisturbed()
        self._object_list = object_list

    def session(self) -> Server:
        """A session for one who asks."""
        crc = self._meter.spec.crc
        return Server(self._meter, self._username, self._password, crc=crc, object_list=self._object_list)

    def to(self, session: Server, octets: bytes) -> Iterator[bytes]:
        """What leaves the meter for octets that came in; nothing while it is silent."""
        for event in session.receive(octets):
            if not isinstance(event, Reply):
                self.refused += 1
            elif not self._disturber.silent:
                wire, _ = self._disturber.on_the_line(event.octets)
                self.answers += 1
                self.requests += event.requests
                self.octets += len(event.octets)
                yield wire

    def counts(self) -> dict[str, int]:
        """What was answered."""
        return {
            "answers": self.answers,
            "requests": self.requests,
            "octets": self.octets,
            "refused": self.refused,
        }
