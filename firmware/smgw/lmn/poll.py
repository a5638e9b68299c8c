"""The reader of a meter that answers SML requests: its object list once, then only what is asked for.

The list comes by GetProcParameter on the Association; a meter that does not know this is asked by GetList, and its
list is filtered here. The list is kept by device and firmware id: only a new meter or a new firmware is asked again.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence

from smgw.cosem import Capture, DeviceId, Stamp
from smgw.errors import RemoteProtocolError, SmgwError
from smgw.lmn import objects
from smgw.lmn.reader import Reader
from smgw.lmn.sink import Clock, Sink
from smgw.ports import Port
from smgw.ports.port import GATHER_S
from smgw.profiles.meter import MeterProfile
from smgw.sml.attention import AttentionCode, attention_code, explain
from smgw.sml.client import Answers, Client, Request
from smgw.sml.habits import PIN_ADVICE, pin_locked
from smgw.sml.messages import AttentionResponse, Body, GetListResponse, GetProcParameterResponse, ListEntry, Time
from smgw.sml.parameters import FIRMWARE, OBJECT_LIST_PATH, VALUE, ObjectName, read_object, read_object_list
from smgw.sml.readings import readings
from smgw.sml.tlv import Kind

log = logging.getLogger(__name__)

_LONGEST_BACK_OFF = 60.0
#: A grid takes captures within 2 s of a target time at least (metering); the extra poll comes just after it.
_NARROWEST_WINDOW = 2
_PAST_TARGET = 0.05
_CLIENT_ID = b"SMGW"
_NO_OBJECT_LIST = (
    AttentionCode.UNEXPECTED_MESSAGE,
    AttentionCode.UNKNOWN_DESIGNATOR,
    AttentionCode.UNKNOWN_OBJECT,
    AttentionCode.NOT_READABLE,
)


class PollError(SmgwError):
    """The meter gave no answer, or a refusal."""


class AccessRefused(PollError):  # noqa: N818 - the meter's answer, as the meter means it
    """The meter does not know the user or the password."""

    def __init__(self, refusal: str) -> None:
        super().__init__(f"{refusal}; put username and password_file of this meter's profile right")


class PollReader(Reader):
    """Asks every `interval` seconds; `cached` gives the object list kept for a device and firmware, if there is one."""

    def __init__(
        self,
        profile: MeterProfile,
        clock: Clock,
        sink: Sink,
        password: bytes | None = None,
        cached: Callable[[DeviceId, bytes], bytes | None] | None = None,
    ) -> None:
        super().__init__(profile, clock, sink)
        self._cached = cached
        self._password = password
        self._client = self._new_client()
        self._device: DeviceId | None = None
        self._names: tuple[ObjectName, ...] | None = None  # None: not asked yet; empty: this meter knows GetList only
        self._lists: dict[tuple[DeviceId, bytes], bytes] = {}  # asked in this run
        self._doubted = False  # a listed object turned out unknown: the list was or is to be asked again, once
        self._ask_anew = False
        self._answered: Stamp | None = None  # when the answer that is being received began

    def _new_client(self) -> Client:
        profile = self.profile
        return Client(
            _CLIENT_ID, os.urandom(4), username=profile.username, password=self._password, timeout=profile.timeout
        )

    def _serve(self, port: Port) -> None:
        self._client = self._new_client()  # what was asked on the port before is not answered on this one
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
            self._listen(port, min(max(due, now + back_off), now + self._until_target()))

    def _until_target(self) -> float:
        """Seconds until the next target time, where polls by the interval alone could miss its window."""
        period = self.profile.registration_period
        if not period or self.profile.interval <= _NARROWEST_WINDOW:
            return float("inf")
        return period - self._clock.stamp().utc_us % (period * 1_000_000) / 1e6 + _PAST_TARGET

    def read_once(self, port: Port) -> None:
        """One poll with its retries; the capture goes to the sink. Raises PollError."""
        if self._names is None:
            self._names = self._object_list(port)
        if not self._names:
            self._poll_list(port)
        else:
            self._poll_objects(port, self._names)

    def _poll_objects(self, port: Port, names: Sequence[ObjectName]) -> None:
        answers = self._ask(port, [self._client.get_parameter(name.octets) for name in names])
        if answers.opened is not None and DeviceId(answers.opened.server_id) != self._device:
            self._names = None
            raise PollError(f"another meter answers: {answers.opened.server_id.hex()}; its object list is asked")
        entries = []
        for name, body in zip(names, answers.bodies, strict=True):
            if not isinstance(body, GetProcParameterResponse):
                if _code(body) is AttentionCode.UNKNOWN_OBJECT and not self._doubted:
                    self._names, self._doubted, self._ask_anew = None, True, True  # the meter's objects changed
                log.debug("meter %s: %s: %s", self.profile.name, name.obis, _refusal(body))
                continue
            try:
                found = read_object(body.tree)
            except RemoteProtocolError as error:
                log.debug("meter %s: %s: %s", self.profile.name, name.obis, error)
                continue
            entries.append(ListEntry(bytes(name.obis), found.status, None, found.unit, found.scaler, found.value))
        if not entries:
            raise PollError(f"none of {len(names)} objects came: {_refusal(answers.bodies[0])}")
        self._yield(entries, answers.opened.reference_time if answers.opened else None)

    def _poll_list(self, port: Port) -> None:
        answers = self._ask(port, [self._client.get_list()])
        body = answers.bodies[0]
        if not isinstance(body, GetListResponse):
            raise PollError(f"GetList: {_refusal(body)}")
        self._device = DeviceId(body.server_id)
        self._yield(body.entries, body.sensor_time)

    def _yield(self, entries: Sequence[ListEntry], meter_time: Time | None) -> None:
        assert self._device is not None
        profile = self.profile
        capture = Capture(
            profile.name,
            self._device,
            self._answered or self._clock.stamp(),
            meter_time.meter_time() if meter_time else None,
            readings(self._device, entries, frozenset(map(bytes, profile.objects)), correct=profile.correct_power_sign),
        )
        self.watch.good(capture, PIN_ADVICE if pin_locked(entries) else None)

    def _object_list(self, port: Port) -> tuple[ObjectName, ...]:
        """What to poll. Empty if the meter knows GetList only."""
        client = self._client
        answers = self._ask(port, [client.get_parameter(FIRMWARE.octets, VALUE)])
        if answers.opened is None:
            raise PollError(f"the meter does not open a session: {_refusal(answers.attention)}")
        device = self._device = DeviceId(answers.opened.server_id)
        firmware = _firmware(answers.bodies[0])
        asked = None if self._ask_anew else self._lists.get((device, firmware))
        kept = None if self._ask_anew or asked or not self._cached else self._cached(device, firmware)
        known = objects.from_octets(asked or kept or b"[]")
        if known or asked:
            log.info("meter %s: object list of %s known, %d objects", self.profile.name, device, len(known))
        else:
            body = self._ask(port, [client.get_parameter(*OBJECT_LIST_PATH)]).bodies[0]
            if isinstance(body, GetProcParameterResponse):
                known = read_object_list(body.tree)
            elif _code(body) not in _NO_OBJECT_LIST:
                raise PollError(f"object list: {_refusal(body)}")
            log.info("meter %s: object list of %s asked, %d objects", self.profile.name, device, len(known))
            self._ask_anew = False
            self._lists[device, firmware] = objects.to_octets(known)
            self._sink.object_list(device, firmware, self._lists[device, firmware])
        selection = objects.select(known, self.profile.objects)
        if known and selection.missing:
            log.warning(
                "meter %s: %s has no %s", self.profile.name, device, ", ".join(str(obis) for obis in selection.missing)
            )
        if known and not selection.names:
            have = ", ".join(str(name.obis) for name in known[:20])
            raise PollError(f"none of the wanted objects is in the meter's list; it has {have}")
        return selection.names

    def _ask(self, port: Port, requests: Sequence[Request]) -> Answers:
        """Send a request file and wait for its answer; repeat it as often as the profile says."""
        reason = ""
        for _ in range(self.profile.retries + 1):
            if self._stop.is_set():
                raise PollError("stopping")
            self._answered = None
            port.write(self._client.send(requests, time.monotonic()))
            while True:
                now = time.monotonic()
                deadline = self._client.deadline(now)
                if deadline is None:
                    break
                answers, refused = self._receive(port, deadline - now)
                if answers is not None:
                    if answers.attention is not None:
                        raise _refused(answers.attention)
                    for body in answers.bodies:
                        if _code(body) is AttentionCode.USER_OR_PASSWORD:
                            raise AccessRefused(_refusal(body))
                    return answers
                reason = refused or reason
                if self._stop.is_set() or self._client.expire(time.monotonic()):
                    break
        tried = f"no answer within {self.profile.timeout} s, asked {self.profile.retries + 1} times"
        raise PollError(f"{tried}; {reason}" if reason else tried)

    def _receive(self, port: Port, seconds: float) -> tuple[Answers | None, str]:
        """Whatever comes within `seconds`: an answer, or why something that came was none."""
        reason = ""
        if port.wait(max(seconds, 0)):
            self._answered = self._answered or self._clock.stamp()  # of the first octets
            port.gather(GATHER_S / 10)
            for event in self._client.receive(port.read()):
                if isinstance(event, Answers):
                    return event, ""
                self._answered = None
                reason = event.reason
                log.debug("meter %s: %s", self.profile.name, reason)
        return None, reason

    def _listen(self, port: Port, until: float) -> None:
        """Until the next poll: late answers are read, recognised and let go."""
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            self._receive(port, left)


def _firmware(body: Body | None) -> bytes:
    if isinstance(body, GetProcParameterResponse):
        for child in body.tree.children:
            if child.name == VALUE and child.value is not None and child.value.content.kind is Kind.OCTETS:
                return child.value.content.value  # type: ignore[return-value]
    return b""


def _code(body: Body | None) -> AttentionCode | int | None:
    return attention_code(body.number) if isinstance(body, AttentionResponse) else None


def _refused(body: AttentionResponse) -> PollError:
    if attention_code(body.number) is AttentionCode.USER_OR_PASSWORD:
        return AccessRefused(explain(body.number))
    return PollError(f"the meter refuses: {explain(body.number)}")


def _refusal(body: Body | None) -> str:
    if isinstance(body, AttentionResponse):
        return explain(body.number)
    return "no answer" if body is None else f"an answer of another kind ({type(body).__name__})"
