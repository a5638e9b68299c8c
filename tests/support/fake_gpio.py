"""A kernel for GPIO, drawn from linux/gpio.h with ctypes: it checks each request, and a line is a pipe.

Events that a test writes into the pipe are what the gateway reads. A FIFO as a pipe outlives the gateway's process.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

from smgw.s0.edges import Edge, event_octets

U32, U64 = ctypes.c_uint32, ctypes.c_uint64


class ChipInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 32), ("label", ctypes.c_char * 32), ("lines", U32)]


class Attribute(ctypes.Structure):
    _fields_ = [("id", U32), ("padding", U32), ("value", U64)]


class ConfigAttribute(ctypes.Structure):
    _fields_ = [("attr", Attribute), ("mask", U64)]


class Config(ctypes.Structure):
    _fields_ = [("flags", U64), ("num_attrs", U32), ("padding", U32 * 5), ("attrs", ConfigAttribute * 10)]


class Request(ctypes.Structure):
    _fields_ = [
        ("offsets", U32 * 64), ("consumer", ctypes.c_char * 32), ("config", Config), ("num_lines", U32),
        ("event_buffer_size", U32), ("padding", U32 * 5), ("fd", ctypes.c_int32),
    ]  # fmt: skip


class Values(ctypes.Structure):
    _fields_ = [("bits", U64), ("mask", U64)]


class Event(ctypes.Structure):
    _fields_ = [
        ("timestamp_ns", U64), ("id", U32), ("offset", U32), ("seqno", U32), ("line_seqno", U32), ("padding", U32 * 6),
    ]  # fmt: skip


#: C name -> the structure here.
STRUCTURES = {
    "gpiochip_info": ChipInfo,
    "gpio_v2_line_config": Config,
    "gpio_v2_line_request": Request,
    "gpio_v2_line_values": Values,
    "gpio_v2_line_event": Event,
}
_CHIPINFO, _LINE, _GET, _SET = 0x8044B401, 0xC250B407, 0xC010B40E, 0xC010B40F
_INPUT, _OUTPUT = 1 << 2, 1 << 3


class Line:
    """A requested line, from the outside."""

    def __init__(self, request: Request, far_end: int) -> None:
        self.flags: int = request.config.flags
        self.events: int = request.event_buffer_size
        self.consumer: bytes = request.consumer
        self.attributes = {
            one.attr.id: one.attr.value for one in request.config.attrs[: request.config.num_attrs]
        }  # fmt: skip
        self.active = False
        self.states: list[bool] = []  #: that an output was set to
        self._far_end = far_end
        self._number = 0

    def edge(self, ns: int, *, active: bool) -> None:
        """The line changes."""
        self._number += 1
        self.active = active
        os.write(self._far_end, event_octets(Edge(ns, active, self._number)))

    def lose(self, edges: int) -> None:
        """The kernel's buffer is full."""
        self._number += edges

    def unplug(self) -> None:
        """The chip is gone."""
        os.close(self._far_end)


class FakeKernel:
    """Chips by label; `lines` has each requested line by (label, offset)."""

    def __init__(self, *labels: str, fifo: Path | None = None) -> None:
        self._labels = labels
        self._fifo = fifo
        self._chips: dict[int, str] = {}
        self._requested: dict[int, tuple[str, int]] = {}
        self.lines: dict[tuple[str, int], Line] = {}
        self.refuses = 0  #: an error number for the next request of a line
        self.told: Callable[[int, bool], None] = lambda _offset, _active: None  #: gets what an output is set to
        self.at_request = False  #: the state of a line when it is requested

    def chips(self) -> list[str]:
        return [f"/dev/gpiochip{number}" for number in range(len(self._labels))]

    def open(self, path: str) -> int:
        descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._chips[descriptor] = self._labels[int(path.removeprefix("/dev/gpiochip"))]
        return descriptor

    def ioctl(self, descriptor: int, request: int, buffer: bytearray) -> None:
        if request == _CHIPINFO:
            info = ChipInfo.from_buffer(buffer)
            label = self._chips[descriptor]
            info.name, info.label = b"gpiochip%d" % self._labels.index(label), label.encode()
            info.lines = 54
        elif request == _LINE:
            self._grant(self._chips[descriptor], Request.from_buffer(buffer))
        elif request in (_GET, _SET):
            self._exchange(self._requested[descriptor], request, Values.from_buffer(buffer))
        else:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    def _grant(self, label: str, request: Request) -> None:
        both = request.config.flags & _INPUT and request.config.flags & _OUTPUT
        if request.num_lines != 1 or any(request.padding) or any(request.config.padding) or both:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if self.refuses:
            number, self.refuses = self.refuses, 0
            raise OSError(number, os.strerror(number))
        if self._fifo is None:
            near, far = os.pipe()
        else:
            near, far = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK), -1
        request.fd = near
        name = (label, request.offsets[0])
        self._requested[near] = name
        self.lines[name] = Line(request, far)
        self.lines[name].active = self.at_request

    def _exchange(self, name: tuple[str, int], request: int, values: Values) -> None:
        assert values.mask == 1
        line, offset = self.lines[name], name[1]
        if request == _GET:
            values.bits = int(line.active)
        else:
            line.active = bool(values.bits)
            line.states.append(line.active)
            self.told(offset, line.active)
