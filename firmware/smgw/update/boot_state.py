"""The boot state on the card: which slot U-Boot starts, and how many tries each has left. Also RAUC's back end for it.

hw/image/boot/boot.cmd reads and writes the same. There are two copies, each in one sector and in a page of its own.
The first copy counts, unless its check sum is wrong. Writing goes in an order that a power cut cannot hurt:

1. A second copy that differs from the state in force is mended.
2. The first copy is written, then the second.

So one copy is whole at any moment. A sector that a power cut tore is noticed by its CRC.
The state has the form of U-Boot's environment without a flag octet: CRC-32, then NAME=VALUE strings.
"""

import os
import sys
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from smgw.errors import SmgwError, reason

#: The whole card or disk; the image makes this link.
DEVICE = "/dev/smgw-card"
SECTOR = 512
#: Octets from the start of the card: sectors 2048 and 2056.
COPIES = (2048 * SECTOR, 2056 * SECTOR)
SLOTS = ("A", "B")
#: Tries of a slot that was just installed, and of one that was found good. A good one outlasts a flickering grid.
NEW_TRIES, GOOD_TRIES = 3, 9


class BootState(NamedTuple):
    """The order of slots, and the tries left of slots A and B."""

    order: tuple[str, ...] = SLOTS
    left: tuple[int, int] = (GOOD_TRIES, 0)

    @property
    def primary(self) -> str:
        """The slot that starts next."""
        return next((slot for slot in self.order if self.tries(slot)), self.order[0])

    def tries(self, slot: str) -> int:
        """The tries left of a slot."""
        return self.left[SLOTS.index(slot)]

    def with_tries(self, slot: str, tries: int) -> "BootState":
        """The same with other tries of a slot."""
        a, b = (tries if each == slot else self.tries(each) for each in SLOTS)
        return self._replace(left=(a, b))

    def preferring(self, slot: str) -> "BootState":
        """The same with this slot first."""
        return self._replace(order=(slot, *(each for each in SLOTS if each != slot)))


def encode(state: BootState) -> bytes:
    """One sector."""
    a, b = state.left
    strings = (f"BOOT_A_LEFT={a:x}", f"BOOT_B_LEFT={b:x}", f"BOOT_ORDER={' '.join(state.order)}")
    data = b"".join(text.encode() + b"\0" for text in strings).ljust(SECTOR - 4, b"\0")
    return zlib.crc32(data).to_bytes(4, "little") + data


def decode(sector: bytes) -> BootState | None:
    """The state in a sector; None if its check sum or its content is wrong."""
    if len(sector) != SECTOR or zlib.crc32(sector[4:]) != int.from_bytes(sector[:4], "little"):
        return None
    try:
        text = sector[4:].split(b"\0\0", 1)[0].decode("ascii")
        values = dict(line.split("=", 1) for line in text.split("\0") if line)
        order = tuple(values["BOOT_ORDER"].split())
        # U-Boot's setexpr writes hexadecimal digits.
        a, b = (int(values[f"BOOT_{slot}_LEFT"], 16) for slot in SLOTS)
    except (ValueError, KeyError):
        return None
    if not order or len(set(order)) != len(order) or not set(order) <= set(SLOTS):
        return None
    return BootState(order, (a, b))


def read(file: int) -> BootState:
    """The state in force; a card without one starts with slot A."""
    return next((state for at in COPIES if (state := decode(os.pread(file, SECTOR, at)))), BootState())


def write(file: int, state: BootState) -> None:
    """Write both copies, each durable before the next."""
    first, second = (decode(os.pread(file, SECTOR, at)) for at in COPIES)
    new = encode(state)
    if first is not None and second != first:
        _put(file, encode(first), COPIES[1])
    _put(file, new, COPIES[0])
    _put(file, new, COPIES[1])


def _put(file: int, sector: bytes, at: int) -> None:
    os.pwrite(file, sector, at)
    os.fsync(file)


def answer(file: int, command: str, arguments: Sequence[str]) -> str:
    """What RAUC's custom boot loader back end is asked; SmgwError for anything else."""
    state = read(file)
    match command, *arguments:
        case ["get-primary"]:
            return state.primary
        case ["set-primary", slot] if slot in SLOTS:
            write(file, state.preferring(slot).with_tries(slot, NEW_TRIES))
        case ["get-state", slot] if slot in SLOTS:
            return "good" if state.tries(slot) else "bad"
        case ["set-state", slot, ("good" | "bad") as word] if slot in SLOTS:
            write(file, state.with_tries(slot, GOOD_TRIES if word == "good" else 0))
        case _:
            raise SmgwError(
                "the orders are get-primary, set-primary SLOT, get-state SLOT and set-state SLOT good|bad; "
                f"a slot is A or B, not: {' '.join((command, *arguments))}"
            )
    return ""


def main(arguments: Sequence[str] | None = None, device: str = DEVICE) -> int:
    """The program /usr/lib/smgw/boot-state, which RAUC calls as root."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        file = os.open(device, (os.O_RDONLY if given[:1] in (["get-primary"], ["get-state"]) else os.O_RDWR))
        try:
            told = answer(file, given[0] if given else "", given[1:])
        finally:
            os.close(file)
    except OSError as error:
        sys.stderr.write(f"boot-state: {device}: {reason(error)}\n")
        return 1
    except SmgwError as error:
        sys.stderr.write(f"boot-state: {error}\n")
        return 1
    if told:
        sys.stdout.write(f"{told}\n")
    return 0
