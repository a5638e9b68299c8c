"""The tries of `smgw scan` for SML."""

import logging
from collections.abc import Iterator, Sequence

from smgw.cosem import Obis
from smgw.errors import RemoteProtocolError
from smgw.lmn.errors import AccessRefusedError, PollError
from smgw.lmn.scan import Ask, Found, Listen, Scan, device_text
from smgw.lmn.sml.session import SmlSession, refusal
from smgw.profiles.meter import MeterProfile
from smgw.sml.messages import AttentionResponse, GetListResponse, ListEntry
from smgw.sml.telegram import Telegram, TelegramReader

log = logging.getLogger(__name__)

_SPEEDS = (9600, 38_400, 19_200, 115_200, 2400, 300)
_OBIS = 6  # octets of an OBIS code


class _Ear:
    def __init__(self, profile: MeterProfile) -> None:
        self._profile = profile
        self._telegrams = TelegramReader()

    def hear(self, octets: bytes) -> Found | None:
        for telegram in self._telegrams.receive(octets):
            if isinstance(telegram, Telegram) and telegram.lists:
                values = telegram.lists[0]
                return Found(self._profile, device_text(values.server_id), objects=_objects(values.entries))
        return None


def _objects(entries: Sequence[ListEntry]) -> tuple[Obis, ...]:
    return tuple(Obis(entry.obj_name) for entry in entries if len(entry.obj_name) == _OBIS)


def _asked(scan: Scan) -> Iterator[Found]:
    """The meter at the first speed with an answer: SML has no addresses on a line."""
    for baudrate in _SPEEDS[: 1 if scan.on_network else None]:
        if found := _ask(scan, scan.candidate("sml-poll", baudrate)):
            yield found
            return


def _ask(scan: Scan, profile: MeterProfile) -> Found | None:
    scan.say(f"{scan.line(profile)}SML, asked for its values")
    session = SmlSession(profile, None, scan.surroundings)
    with scan.open(profile) as port:
        try:
            body = session.ask(port, [session.client.get_list()]).bodies[0]
        except AccessRefusedError as error:
            return Found(profile, "", str(error))
        except (PollError, RemoteProtocolError) as error:
            log.debug("%s", error)
            return None
    match body:
        case GetListResponse():
            return Found(profile, device_text(body.server_id), objects=_objects(body.entries))
        case AttentionResponse():
            return Found(profile, device_text(body.server_id), refusal(body))
    return None  # our own request, from a head that echoes


PUSH = Listen(1, ((9600, "N"), (115_200, "N")), _Ear)
POLL = Ask(1, _asked)
