"""A line of a GPIO chip by URL: `gpio://chip/line?active=low&bias=pull-up&debounce=1000`.

part       content
chip       `header` for the header of a Raspberry Pi, or the label of the chip, such as pinctrl-bcm2711, or its name
line       the number of the line on the chip; on a Raspberry Pi the number of the GPIO, not of the pin
active     `high` (default) or `low`: the voltage that counts as active
bias       `pull-up`, `pull-down`, `none`, or left out: as the line is
debounce   microseconds for which the kernel waits until the line is quiet; 0 by default
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

PREFIX = "gpio://"
#: Labels of the chips of Raspberry Pi headers, which `gpio://header/17` means: see hw/boards.
HEADERS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")
HEADER = "header"
_URL = re.compile(r"gpio://([A-Za-z0-9._:@-]{1,31})/(\d{1,4})(?:\?(.*))?")
_BIAS = ("pull-up", "pull-down", "none")
_ACTIVE = ("high", "low")
_MOST_DEBOUNCE_US = 1_000_000
_WANTED = 'write "gpio://chip/line", such as "gpio://header/17?active=low&bias=pull-up"'


class LineName(NamedTuple):
    """A line and how it is used."""

    chip: str
    offset: int
    active_low: bool = False
    bias: str = ""
    debounce_us: int = 0

    @property
    def claim(self) -> str:
        """The line without its options. A board has one header."""
        return f"{PREFIX}{HEADER if self.chip in HEADERS else self.chip}/{self.offset}"


def is_gpio(url: str) -> bool:
    """True for a line of a GPIO chip."""
    return url.startswith(PREFIX)


def line_name(url: str) -> LineName | str:
    """The line of a URL, or what is wrong with it."""
    match = _URL.fullmatch(url)
    if match is None:
        return f'"{url}" names no line of a GPIO chip; {_WANTED}'
    found = LineName(match[1], int(match[2]))
    for key, value in parse_qsl(match[3] or "", keep_blank_values=True):
        if key == "active" and value in _ACTIVE:
            found = found._replace(active_low=value == "low")
        elif key == "bias" and value in _BIAS:
            found = found._replace(bias=value)
        elif key == "debounce" and value.isascii() and value.isdigit() and int(value) <= _MOST_DEBOUNCE_US:
            found = found._replace(debounce_us=int(value))
        else:
            return (
                f"{key}={value} is no option of a GPIO line; write active=high or low, bias=pull-up, pull-down or none,"
                f" debounce=0 to {_MOST_DEBOUNCE_US} (microseconds)"
            )
    return found
