"""Live values as Prometheus reads them (text format 0.0.4). Its values are floats: for eyes, not for bills."""

from collections.abc import Iterable

from smgw.cosem.device_id import DeviceId
from smgw.han.live.points import Shown
from smgw.han.live.ports.reply import NOT_FOUND, Reply

_MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_SECOND_NS = 1_000_000_000


def answer(path: str, gateway: DeviceId, lives: Iterable[Shown], boottime_ns: int) -> Reply:
    """The answer to a GET. `boottime_ns`: CLOCK_BOOTTIME now."""
    return Reply(200, text(gateway, list(lives), boottime_ns).encode(), _MEDIA) if path == "/metrics" else NOT_FOUND


def text(gateway: DeviceId, lives: Iterable[Shown], boottime_ns: int) -> str:
    """Registers, and for each device the age of its newest capture and whether a bill may use it."""
    registers, ages, fit = [], [], []
    for found in lives:
        device = f'gateway="{gateway}",meter="{found.meter}",device="{found.device}"'
        for point in found.points:
            labels = f'{device},obis="{point.name}",unit="{point.unit}"'
            registers.append(f"smgw_register{{{labels}}} {point.number}")
        age = max(0, boottime_ns - found.boottime_ns) // (_SECOND_NS // 1000)
        ages.append(f"smgw_capture_age_seconds{{{device}}} {age // 1000}.{age % 1000:03d}")
        fit.append(f"smgw_fit_for_billing{{{device}}} {int(not found.unfit)}")
    return "".join((
        _family("smgw_register", "Newest value of a register, in its unit.", registers),
        _family("smgw_capture_age_seconds", "Seconds since the newest capture of a device.", ages),
        _family("smgw_fit_for_billing", "1 if nothing speaks against using the newest capture for a bill.", fit),
    ))  # fmt: skip


def _family(name: str, about: str, samples: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in (f"# HELP {name} {about}", f"# TYPE {name} gauge", *samples))
