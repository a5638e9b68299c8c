"""The reader of a meter that answers SML requests: its object list once, then only what is asked for.

The list comes by GetProcParameter on the Association; a meter that does not know this is asked by GetList, and its
list is filtered here. The list is kept by device and firmware id: only a new meter or a new firmware is asked again.
"""

import logging
import time
from collections.abc import Callable, Sequence

from smgw.cosem import Capture, DeviceId, Obis
from smgw.errors import RemoteProtocolError
from smgw.lmn import objects
from smgw.lmn.backfill import Backfill
from smgw.lmn.errors import PollError
from smgw.lmn.load_profile import ProfileKeeper, ProfileSource
from smgw.lmn.reader import Reader
from smgw.lmn.sink import Clock, Sink
from smgw.lmn.sml_profile import SmlProfile
from smgw.lmn.sml_session import SmlSession, code, refusal
from smgw.ports import Port
from smgw.profiles.meter import MeterProfile
from smgw.sml.attention import AttentionCode
from smgw.sml.habits import PIN_ADVICE, pin_locked
from smgw.sml.messages import Body, GetListResponse, GetProcParameterResponse, ListEntry, Time
from smgw.sml.parameters import FIRMWARE, OBJECT_LIST_PATH, VALUE, ObjectName, read_object, read_object_list
from smgw.sml.readings import readings
from smgw.sml.tlv import Kind
from smgw.store.ranges import Range
from smgw.store.records import CacheKind

log = logging.getLogger(__name__)

_LONGEST_BACK_OFF = 60.0
_NO_OBJECT_LIST = (
    AttentionCode.UNEXPECTED_MESSAGE,
    AttentionCode.UNKNOWN_DESIGNATOR,
    AttentionCode.UNKNOWN_OBJECT,
    AttentionCode.NOT_READABLE,
)


class PollReader(Reader):
    """Asks every `interval` seconds; `cached` gives the object list kept for a device and firmware, if there is one."""

    def __init__(
        self,
        profile: MeterProfile,
        clock: Clock,
        sink: Sink,
        password: bytes | None = None,
        cached: Callable[[CacheKind, DeviceId, bytes], bytes | None] | None = None,
        keeper: ProfileKeeper | None = None,
    ) -> None:
        super().__init__(profile, clock, sink)
        self._cached = cached
        self._session = SmlSession(profile, clock, password, self._stop)
        self._backfill = Backfill(profile, clock, keeper) if keeper is not None and profile.load_profile else None
        self._device: DeviceId | None = None
        self._names: tuple[ObjectName, ...] | None = None  # None: not asked yet; empty: this meter knows GetList only
        self._lists: dict[tuple[DeviceId, bytes], bytes] = {}  # asked in this run
        self._doubted = False  # a listed object turned out unknown: the list was or is to be asked again, once
        self._ask_anew = False

    def _serve(self, port: Port) -> None:
        self._session.renew()
        self._names = None  # another meter, or another firmware, may be behind it now
        self._doubted = False
        back_off = 0.0
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                self.read_once(port)
                self._heard()
                back_off = 0.0
            except (PollError, RemoteProtocolError) as error:
                if self._stop.is_set():
                    return
                self.watch.refused(str(error))
                back_off = min(max(2 * back_off, self.profile.interval), _LONGEST_BACK_OFF)
            self.watch.tick()
            now = time.monotonic()
            if now >= due:  # polls that were missed are not made up for
                due = now + self.profile.interval - (now - due) % self.profile.interval
            until = min(max(due, now + back_off), now + self._until_target())
            if self._backfill is not None and not back_off:
                self._backfill.between_polls(port, self, until, self._stop)
            self._session.listen(port, until)

    def read_once(self, port: Port) -> None:
        """One poll with its retries; the capture goes to the sink. Raises PollError."""
        if self._names is None:
            self._names = self._object_list(port)
        if not self._names:
            self._poll_list(port)
        else:
            self._poll_objects(port, self._names)

    def identify(self, port: Port) -> DeviceId:
        """Who answers on this port."""
        if self._device is None or self._names is None:
            self._names = self._object_list(port)
        assert self._device is not None
        return self._device

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Begin to fetch a range (microseconds UTC) of a load profile."""
        return SmlProfile(self._session, self.profile, profile, wanted)

    def close(self, port: Port) -> None:
        """Nothing: each request file of SML stands alone."""

    def _poll_objects(self, port: Port, names: Sequence[ObjectName]) -> None:
        answers = self._session.ask(port, [self._session.client.get_parameter(name.octets) for name in names])
        if answers.opened is not None and DeviceId(answers.opened.server_id) != self._device:
            self._names = None
            raise PollError(f"another meter answers: {answers.opened.server_id.hex()}; its object list is asked")
        entries = []
        for name, body in zip(names, answers.bodies, strict=True):
            if not isinstance(body, GetProcParameterResponse):
                if code(body) is AttentionCode.UNKNOWN_OBJECT and not self._doubted:
                    self._names, self._doubted, self._ask_anew = None, True, True  # the meter's objects changed
                log.debug("meter %s: %s: %s", self.profile.name, name.obis, refusal(body))
                continue
            try:
                found = read_object(body.tree)
            except RemoteProtocolError as error:
                log.debug("meter %s: %s: %s", self.profile.name, name.obis, error)
                continue
            entries.append(ListEntry(bytes(name.obis), found.status, None, found.unit, found.scaler, found.value))
        if not entries:
            raise PollError(f"none of {len(names)} objects came: {refusal(answers.bodies[0])}")
        self._yield(entries, answers.opened.reference_time if answers.opened else None)

    def _poll_list(self, port: Port) -> None:
        answers = self._session.ask(port, [self._session.client.get_list()])
        body = answers.bodies[0]
        if not isinstance(body, GetListResponse):
            raise PollError(f"GetList: {refusal(body)}")
        self._device = DeviceId(body.server_id)
        self._yield(body.entries, body.sensor_time)

    def _yield(self, entries: Sequence[ListEntry], meter_time: Time | None) -> None:
        assert self._device is not None
        profile = self.profile
        capture = Capture(
            profile.name,
            self._device,
            self._session.answered or self._clock.stamp(),
            meter_time.meter_time() if meter_time else None,
            readings(self._device, entries, frozenset(map(bytes, profile.objects)), correct=profile.correct_power_sign),
        )
        self.watch.good(capture, PIN_ADVICE if pin_locked(entries) else None)

    def _object_list(self, port: Port) -> tuple[ObjectName, ...]:
        """What to poll. Empty if the meter knows GetList only."""
        client = self._session.client
        answers = self._session.ask(port, [client.get_parameter(FIRMWARE.octets, VALUE)])
        if answers.opened is None:
            raise PollError(f"the meter does not open a session: {refusal(answers.attention)}")
        device = self._device = DeviceId(answers.opened.server_id)
        firmware = _firmware(answers.bodies[0])
        asked = None if self._ask_anew else self._lists.get((device, firmware))
        kept = (
            None
            if self._ask_anew or asked or not self._cached
            else self._cached(CacheKind.OBJECT_LIST, device, firmware)
        )
        known = objects.from_octets(asked or kept or b"[]")
        if known or asked:
            log.info("meter %s: object list of %s known, %d objects", self.profile.name, device, len(known))
        else:
            body = self._session.ask(port, [client.get_parameter(*OBJECT_LIST_PATH)]).bodies[0]
            if isinstance(body, GetProcParameterResponse):
                known = read_object_list(body.tree)
            elif code(body) not in _NO_OBJECT_LIST:
                raise PollError(f"object list: {refusal(body)}")
            log.info("meter %s: object list of %s asked, %d objects", self.profile.name, device, len(known))
            self._ask_anew = False
            self._lists[device, firmware] = objects.to_octets(known)
            self._sink.cache(CacheKind.OBJECT_LIST, device, firmware, self._lists[device, firmware])
        selection = objects.select(known, self.profile.objects)
        if known and selection.missing:
            missing = [str(obis) for obis in selection.missing]
            log.warning(
                "meter %s: %s has no %s", self.profile.name, device, ", ".join(missing),
                extra={"event": "object-missing", "METER": self.profile.name, "OBIS": missing},
            )  # fmt: skip
        if known and not selection.names:
            have = ", ".join(str(name.obis) for name in known[:20])
            raise PollError(f"none of the wanted objects is in the meter's list; it has {have}")
        return selection.names


def _firmware(body: Body | None) -> bytes:
    if isinstance(body, GetProcParameterResponse):
        for child in body.tree.children:
            if child.name == VALUE and child.value is not None and child.value.content.kind is Kind.OCTETS:
                return child.value.content.value  # type: ignore[return-value]
    return b""
