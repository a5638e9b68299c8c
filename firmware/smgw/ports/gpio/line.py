"""One line of a GPIO chip, requested for its edges or as an output. `profiles.gpio_line` describes its URL."""

import errno
import os

from smgw.errors import reason
from smgw.ports.errors import PortBusy, PortError
from smgw.ports.gpio import kernel, layouts
from smgw.ports.gpio.layouts import ChipInfo, Flag
from smgw.profiles.gpio_line import HEADER, HEADERS, LineName, line_name
from smgw.s0.edges import EVENT_OCTETS

#: Edges that the kernel is asked to hold while nobody reads: 30 s of the fastest pulses.
EVENTS = 1024
_BIAS = {
    "": Flag(0),
    "pull-up": Flag.BIAS_PULL_UP,
    "pull-down": Flag.BIAS_PULL_DOWN,
    "none": Flag.BIAS_DISABLED,
}


class GpioLine:
    """A requested line. It belongs to this process alone until `close`."""

    def __init__(self, url: str, descriptor: int) -> None:
        self._url = url
        self._descriptor = descriptor

    @classmethod
    def with_edges(cls, url: str) -> "GpioLine":
        """Request a line whose edges can be read. PortError says what is wrong."""
        return cls._requested(url, Flag.INPUT | Flag.EDGE_RISING | Flag.EDGE_FALLING, EVENTS)

    @classmethod
    def output(cls, url: str) -> "GpioLine":
        """Request a line that `set` drives; it is inactive at first. PortError."""
        return cls._requested(url, Flag.OUTPUT, 0)

    @classmethod
    def _requested(cls, url: str, flags: int, events: int) -> "GpioLine":
        name = line_name(url)
        if isinstance(name, str):
            raise PortError(url, name)
        chip, info = _chip(url, name.chip)
        try:
            if name.offset >= info.lines:
                raise PortError(url, f"the chip {name.chip} has the lines 0 to {info.lines - 1}")
            flags |= Flag.ACTIVE_LOW if name.active_low else 0
            if flags & Flag.INPUT:
                flags |= _BIAS[name.bias]
                wanted = layouts.line_request(name.offset, flags, events=events, debounce_us=name.debounce_us)
            else:
                wanted = layouts.line_request(name.offset, flags)
            buffer = bytearray(wanted)
            kernel.KERNEL.ioctl(chip, layouts.GET_LINE, buffer)
        except OSError as error:
            raise _refused(url, name, error) from error
        finally:
            os.close(chip)
        descriptor = layouts.granted(bytes(buffer))
        os.set_blocking(descriptor, False)
        return cls(url, descriptor)

    def fileno(self) -> int:
        """The descriptor, for select."""
        return self._descriptor

    def read(self, size: int = 1, /) -> bytes:
        """Events that came, whole ones, as octets (`s0.edges`); b"" if there is none. OSError if the chip is gone."""
        try:
            octets = os.read(self._descriptor, size - size % EVENT_OCTETS)
        except BlockingIOError:
            return b""
        if not octets:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return octets

    def write(self, _octets: bytes, /) -> int:
        """Nobody sends on a line of pulses."""
        raise OSError(errno.EPERM, "a GPIO line takes no octets")

    @property
    def active(self) -> bool:
        """The present state of the line. OSError."""
        buffer = bytearray(layouts.one_value())
        kernel.KERNEL.ioctl(self._descriptor, layouts.GET_VALUES, buffer)
        return layouts.is_active(bytes(buffer))

    def set(self, *, active: bool) -> None:
        """Drive an output. OSError."""
        kernel.KERNEL.ioctl(self._descriptor, layouts.SET_VALUES, bytearray(layouts.one_value(active=active)))

    def close(self) -> None:
        """Give the line back. A second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _chip(url: str, wanted: str) -> tuple[int, ChipInfo]:
    """The open chip of this label or name; PortError."""
    found: list[ChipInfo] = []
    refused: OSError | None = None
    for path in kernel.KERNEL.chips():
        try:
            descriptor = kernel.KERNEL.open(path)
        except OSError as error:
            refused = error
            continue
        buffer = bytearray(layouts.CHIP_OCTETS)
        try:
            kernel.KERNEL.ioctl(descriptor, layouts.GET_CHIPINFO, buffer)
        except OSError as error:
            os.close(descriptor)
            refused = error
            continue
        info = layouts.chip_info(bytes(buffer))
        if wanted in (info.label, info.name) or (wanted == HEADER and info.label in HEADERS):
            return descriptor, info
        os.close(descriptor)
        found.append(info)
    there = ", ".join(f"{one.label} ({one.name}, {one.lines} lines)" for one in found)
    if refused is not None:
        raise PortError(
            url,
            f"no chip {wanted} can be opened: {reason(refused)}; the user must be in the group gpio, and the service "
            "needs DeviceAllow=char-gpiochip rw",
        )
    raise PortError(url, f"there is no chip {wanted}; there {f'are {there}' if there else 'is no GPIO chip at all'}")


def _refused(url: str, name: LineName, error: OSError) -> PortError:
    match error.errno:
        case errno.EBUSY:
            return PortBusy(url, f"another program, or the kernel, uses line {name.offset}; `gpioinfo` names it")
        case errno.EINVAL | errno.EOPNOTSUPP | errno.ENOTSUP | errno.ENXIO:
            return PortError(url, f"the chip {name.chip} refuses these options: {reason(error)}; leave bias out")
        case errno.ENOTTY:
            return PortError(url, "this kernel has no GPIO character device of version 2; it came with Linux 5.10")
    return PortError(url, f"cannot be requested: {reason(error)}")
