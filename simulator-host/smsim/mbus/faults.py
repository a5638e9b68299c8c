"""Faults of a line of M-Bus meters and of its level converter."""

from dataclasses import dataclass
from typing import ClassVar

from smgw.mbus.frame import Frame
from smgw.mbus.telegram import ERROR

from smsim.asked_faults import AskedFaults

_NOISE = b"\xfc\xfd\xfe\x00"
_ENDLESS = 65_536
_BUSY = 8
_FROM_METER = 0x08


@dataclass
class MBusFaults(AskedFaults):
    """0 and False mean no fault. Numbers: one answer in so many."""

    WHAT: ClassVar[str] = "M-Bus"
    USUAL: ClassVar = {
        "lost-answer": 10, "wrong-octet": 10, "cut-answer": 10, "endless-answer": 10, "collision": 10, "busy": 10,
        "noise": True, "echo": True,
    }  # fmt: skip

    lost_answer: int = 0  #: it does not arrive
    wrong_octet: int = 0  #: it has a wrong bit
    cut_answer: int = 0  #: it ends early
    endless_answer: int = 0  #: 64 KiB of it come
    collision: int = 0  #: another meter answers at the same time
    busy: int = 0  #: the meter says that it is busy
    noise: bool = False  #: octets of the converter before each answer
    echo: bool = False  #: the converter echoes requests

    def on_the_line(self, answer: bytes) -> bytes:
        """What arrives of an answer."""
        if self.one_in(self.lost_answer):
            return b""
        if len(answer) > 1 and self.one_in(self.busy):
            answer = Frame(_FROM_METER, answer[5], ERROR, bytes((_BUSY,))).encode()
        if self.one_in(self.collision):
            answer = bytes(octet & self._random.randrange(256) for octet in answer)
        if self.one_in(self.cut_answer):
            answer = answer[: len(answer) // 2]
        if self.one_in(self.wrong_octet):
            answer = self.damaged(answer, 0, len(answer))
        if len(answer) > 1 and self.one_in(self.endless_answer):
            answer = (answer[:-2] * (_ENDLESS // len(answer)))[:_ENDLESS]
        return (_NOISE if self.noise else b"") + answer
