"""A polled SML meter: its object list is read once, then only wanted objects.

The list is read by GetProcParameter on the Association. A meter that does not support this is polled by GetList, and
its values are filtered here. The list is cached by device and firmware id: only a new meter or a new firmware is asked
again.
"""

import logging
from collections.abc import Sequence

from smgw.cosem import DeviceId, Obis, ObjectName
from smgw.errors import RemoteProtocolError
from smgw.lmn import objects
from smgw.lmn.contract import Heard, Patience, Surroundings, Values
from smgw.lmn.errors import PollError
from smgw.lmn.load_profile import ProfileSource
from smgw.lmn.sml.hidden import Hidden
from smgw.lmn.sml.load_profile import SmlProfile
from smgw.lmn.sml.session import SmlSession, code, refusal
from smgw.ports import Port
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.attention import AttentionCode
from smgw.sml.messages import Body, GetListResponse, GetProcParameterResponse, ListEntry, Time
from smgw.sml.parameters import (
    FIRMWARE,
    OBJECT_LIST_PATH,
    VALUE,
    parameter_name,
    read_object,
    read_object_list,
)
from smgw.sml.readings import readings
from smgw.sml.tlv import Kind
from smgw.store.ranges import Range
from smgw.store.records import CacheKind

log = logging.getLogger(__name__)

_NO_OBJECT_LIST = (
    AttentionCode.UNEXPECTED_MESSAGE,
    AttentionCode.UNKNOWN_DESIGNATOR,
    AttentionCode.UNKNOWN_OBJECT,
    AttentionCode.NOT_READABLE,
)


class SmlPoll:
    """One meter. Each request file is independent, so there is no session to open or end."""

    idle_s = float("inf")
    unanswered = False  # answers name the request that they belong to

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        self.profile = profile
        self._clock = surroundings.clock
        self._cache = surroundings.cache
        self._session = SmlSession(profile, secrets.get("password"), surroundings)
        self._hidden = Hidden(profile.name)
        self._device: DeviceId | None = None
        self._names: tuple[ObjectName, ...] | None = None  # None: not read yet; empty: this meter supports only GetList
        self._lists: dict[tuple[DeviceId, bytes], bytes] = {}  # read in this run
        self._doubted = False  # a listed object was unknown: the list is read again, once
        self._ask_anew = False

    @property
    def patience(self) -> Patience:
        """The time-out of an answer."""
        return self._session.patience

    @patience.setter
    def patience(self, patience: Patience) -> None:
        self._session.patience = patience

    def poll(self, port: Port) -> Sequence[Heard]:
        """One poll with its retries. Raises PollError, RemoteProtocolError, PortError."""
        if self._names is None:
            self._names = self._object_list(port)
        return [(self._poll_objects(port, self._names) if self._names else self._poll_list(port),)]

    def identify(self, port: Port) -> DeviceId:
        """The identity of the meter at this port."""
        if self._device is None or self._names is None:
            self._names = self._object_list(port)
        assert self._device is not None
        return self._device

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Begin to fetch a range (microseconds UTC) of a load profile."""
        return SmlProfile(self._session, self.profile, profile, wanted)

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        """Wait; drop late answers."""
        self._session.listen(port, until)
        return []

    def close(self, _port: Port) -> None:
        """Forget the identity: another meter or firmware may be behind the port next time."""
        self._session.renew()
        self._names = None
        self._doubted = False

    def _poll_objects(self, port: Port, names: Sequence[ObjectName]) -> Values:
        answers = self._session.ask(port, [self._session.client.get_parameter(parameter_name(name)) for name in names])
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
        values = self._values(entries, answers.opened.reference_time if answers.opened else None)
        return (
            values if self.profile.objects else self._noted(values, entries)
        )  # a value that was not requested is not hidden

    def _poll_list(self, port: Port) -> Values:
        answers = self._session.ask(port, [self._session.client.get_list()])
        body = answers.bodies[0]
        if not isinstance(body, GetListResponse):
            raise PollError(f"GetList: {refusal(body)}")
        self._device = DeviceId(body.server_id)
        return self._noted(self._values(body.entries, body.sensor_time, body.list_signature), body.entries)

    def _noted(self, values: Values, entries: Sequence[ListEntry]) -> Values:
        advice, remark = self._hidden.notes(values.device, entries)
        return values._replace(advice=advice, remark=remark)

    def _values(self, entries: Sequence[ListEntry], meter_time: Time | None, signature: bytes | None = None) -> Values:
        assert self._device is not None
        profile = self.profile
        return Values(
            self._device,
            self._session.answered or self._clock.stamp(),
            meter_time.meter_time() if meter_time else None,
            readings(self._device, entries, frozenset(map(bytes, profile.objects)), correct=profile.correct_power_sign),
            signature,
        )

    def _object_list(self, port: Port) -> tuple[ObjectName, ...]:
        """The objects to poll. Empty if the meter supports only GetList."""
        client = self._session.client
        answers = self._session.ask(port, [client.get_parameter(parameter_name(FIRMWARE), VALUE)])
        if answers.opened is None:
            raise PollError(f"the meter does not open a session: {refusal(answers.attention)}")
        device = self._device = DeviceId(answers.opened.server_id)
        firmware = _firmware(answers.bodies[0])
        asked = None if self._ask_anew else self._lists.get((device, firmware))
        kept = None if self._ask_anew or asked else self._cache.get(CacheKind.OBJECT_LIST, device, firmware)
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
            self._cache.put(CacheKind.OBJECT_LIST, device, firmware, self._lists[device, firmware])
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
