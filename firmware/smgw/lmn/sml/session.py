"""Asks a meter by SML over an open port: one request file at a time, with retries."""

import logging
import math
import os
from collections.abc import Sequence

from smgw.cosem import Stamp
from smgw.lmn.contract import Patience, Surroundings
from smgw.lmn.errors import AccessRefusedError, NoAnswerError, PollError, StoppedError
from smgw.ports import Port
from smgw.ports.port import GATHER_S
from smgw.profiles.meter import MeterProfile
from smgw.sml.attention import AttentionCode, attention_code, explain
from smgw.sml.client import Answers, Client, Request
from smgw.sml.messages import AttentionResponse, Body

log = logging.getLogger(__name__)

_CLIENT_ID = b"SMGW"
#: An answer may continue for at most the time of this number of octets on the line.
_LONGEST_ANSWER = 16_384


class SmlSession:
    """The client of one meter."""

    def __init__(self, profile: MeterProfile, password: bytes | None, surroundings: Surroundings) -> None:
        self._profile = profile
        self._password = password
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._stopping = surroundings.stopping
        self.patience = Patience(profile.timeout, profile.retries)
        self.answered: Stamp | None = None  # begin of the present or last answer
        self.renew()

    def renew(self) -> None:
        """Use another port: earlier requests are not answered on it."""
        profile = self._profile
        self.client = Client(
            _CLIENT_ID, os.urandom(4), username=profile.username, password=self._password, timeout=profile.timeout
        )

    def ask(self, port: Port, requests: Sequence[Request]) -> Answers:
        """Send a request file and wait for its answer. Raises PollError if none comes, or a refusal of the whole."""
        reason = ""
        for _ in range(self.patience.retries + 1):
            if self._stopping():
                raise StoppedError
            answers, refused = self._ask_once(port, requests)
            if answers is None:
                reason = refused or reason
                continue
            if answers.attention is not None:
                raise _refused(answers.attention)
            for body in answers.bodies:
                if code(body) is AttentionCode.USER_OR_PASSWORD:
                    raise AccessRefusedError(refusal(body))
            return answers
        tried = f"no answer within {self.patience.timeout:g} s, asked {self.patience.retries + 1} times"
        raise NoAnswerError(f"{tried}; {reason}" if reason else tried)

    def _ask_once(self, port: Port, requests: Sequence[Request]) -> tuple[Answers | None, str]:
        """The time-out starts when the request is on the wire, and again with octets of an unfinished answer."""
        self.answered = None
        reason = ""
        octet_time = port.settings.octet_time if port.paced else 0.0
        octets = self.client.send(requests, self._now())
        port.write(octets)
        due = self._now() + len(octets) * octet_time + self.patience.timeout
        latest = due + _LONGEST_ANSWER * octet_time
        while not self._stopping() and (left := due - self._now()) > 0:
            answers, refused = self._receive(port, left)
            if answers is not None:
                return answers, ""
            reason = refused or reason
            if self.client.receiving:
                due = min(self._now() + self.patience.timeout, latest)
        self.client.expire(math.inf)
        return None, reason

    def _receive(self, port: Port, seconds: float) -> tuple[Answers | None, str]:
        """An answer within `seconds`, or the fault of a received one."""
        reason = ""
        if port.wait(max(seconds, 0)):
            self.answered = self.answered or self._clock.stamp()  # of the first octets
            port.gather(GATHER_S / 10)
            for event in self.client.receive(port.read()):
                if isinstance(event, Answers):
                    return event, ""
                self.answered = None
                reason = event.reason
                log.debug("meter %s: %s", self._profile.name, reason)
        return None, reason

    def listen(self, port: Port, until: float) -> None:
        """Wait until the next poll: read and drop late answers."""
        while not self._stopping() and (left := until - self._now()) > 0:
            self._receive(port, left)


def code(body: Body | None) -> AttentionCode | int | None:
    """The attention in an answer, if it is one."""
    return attention_code(body.number) if isinstance(body, AttentionResponse) else None


def refusal(body: Body | None) -> str:
    """The fault of an answer, in words."""
    if isinstance(body, AttentionResponse):
        return explain(body.number)
    return "no answer" if body is None else f"an answer of another kind ({type(body).__name__})"


def _refused(body: AttentionResponse) -> PollError:
    if attention_code(body.number) is AttentionCode.USER_OR_PASSWORD:
        return AccessRefusedError(explain(body.number))
    return PollError(f"the meter refuses: {explain(body.number)}")
