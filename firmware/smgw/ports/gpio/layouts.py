"""What is exchanged with the kernel's GPIO character device, version 2 (linux/gpio.h):

struct gpiochip_info                                       68 octets
    name[32]  label[32]  lines u32
struct gpio_v2_line_config                                272 octets
    flags u64  num_attrs u32  zero[20]  attrs[10] of 24 octets
struct gpio_v2_line_config_attribute                       24 octets
    id u32  zero u32  value u64 (a debounce period: u32, then zero)  mask u64
struct gpio_v2_line_request                               592 octets
    offsets[64] u32  consumer[32]  config  num_lines u32  event_buffer_size u32  zero[20]  fd s32
struct gpio_v2_line_values                                 16 octets
    bits u64  mask u64

All numbers have the byte order of the computer. Edges that come then are in `s0.edges`.
"""

import struct
from enum import IntFlag
from typing import NamedTuple

_CHIP = struct.Struct("=32s32sI")
_ATTRIBUTE = struct.Struct("=II8sQ")
_CONFIG = struct.Struct("=QI20x240s")
_REQUEST = struct.Struct("=256s32s272sII20xi")
_VALUES = struct.Struct("=QQ")
_U32 = struct.Struct("=I")
_DEBOUNCE = 3  # GPIO_V2_LINE_ATTR_ID_DEBOUNCE
_OUTPUT_VALUES = 2  # GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES
CHIP_OCTETS, REQUEST_OCTETS, VALUES_OCTETS = _CHIP.size, _REQUEST.size, _VALUES.size

# _IOR and _IOWR of linux/ioctl.h: direction, size, type 0xB4, number.
_READ, _BOTH = 2 << 30, 3 << 30
GET_CHIPINFO = _READ | _CHIP.size << 16 | 0xB401
GET_LINE = _BOTH | _REQUEST.size << 16 | 0xB407
GET_VALUES = _BOTH | _VALUES.size << 16 | 0xB40E
SET_VALUES = _BOTH | _VALUES.size << 16 | 0xB40F


class Flag(IntFlag):
    """enum gpio_v2_line_flag."""

    ACTIVE_LOW = 1 << 1
    INPUT = 1 << 2
    OUTPUT = 1 << 3
    EDGE_RISING = 1 << 4
    EDGE_FALLING = 1 << 5
    BIAS_PULL_UP = 1 << 8
    BIAS_PULL_DOWN = 1 << 9
    BIAS_DISABLED = 1 << 10


class ChipInfo(NamedTuple):
    """A chip. Its number in `name` may change from one kernel to the next; its label does not."""

    name: str
    label: str
    lines: int


def chip_info(octets: bytes) -> ChipInfo:
    """The answer to GET_CHIPINFO."""
    name, label, lines = _CHIP.unpack(octets)
    return ChipInfo(_text(name), _text(label), lines)


def line_request(offset: int, flags: int, *, events: int = 0, debounce_us: int = 0, active: bool = False) -> bytes:
    """A request of one line. `events`: how many edges the kernel shall hold. `active`: the first state of an output."""
    attributes = []
    if debounce_us:
        attributes.append(_ATTRIBUTE.pack(_DEBOUNCE, 0, _U32.pack(debounce_us), 1))
    if flags & Flag.OUTPUT:
        attributes.append(_ATTRIBUTE.pack(_OUTPUT_VALUES, 0, struct.pack("=Q", active), 1))
    config = _CONFIG.pack(flags, len(attributes), b"".join(attributes))
    return _REQUEST.pack(_U32.pack(offset), b"smgw", config, 1, events, -1)


def granted(octets: bytes) -> int:
    """The descriptor of the line in the answered request."""
    descriptor: int = _REQUEST.unpack(octets)[5]
    return descriptor


def one_value(*, active: bool = False) -> bytes:
    """The state of the only line of a request, to get or to set."""
    return _VALUES.pack(int(active), 1)


def is_active(octets: bytes) -> bool:
    """The answer to GET_VALUES."""
    return bool(_VALUES.unpack(octets)[0] & 1)


def _text(octets: bytes) -> str:
    return octets.partition(b"\0")[0].decode(errors="replace")
