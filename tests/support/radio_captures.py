"""Telegrams of M-Bus by radio with their keys and values."""

import tomllib
from functools import cache
from typing import NamedTuple

from captures import OWN
from smgw.mbus.radio.sticks import Lines, Radio


class RadioCapture(NamedTuple):
    """`after`: the telegram whose layout a compact one uses."""

    name: str
    form: str
    meter: str
    hex: str
    values: dict[str, str]
    key: bytes | None = None
    sender: str = ""
    counter: int | None = None
    rest: str = ""
    after: str = ""

    @property
    def octets(self) -> bytes:
        """The telegram without check sums."""
        (event,) = Lines().receive(self.hex.encode() + b"\n")
        assert isinstance(event, Radio), event
        return event.telegram


@cache
def radio_captures() -> tuple[RadioCapture, ...]:
    """All of them."""
    with (OWN / "wmbus" / "telegrams.toml").open("rb") as file:
        found = tomllib.load(file)["telegram"]
    return tuple(RadioCapture(**{**one, "key": bytes.fromhex(one["key"]) if "key" in one else None}) for one in found)


def radio_capture(name: str) -> RadioCapture:
    """One of them."""
    return next(one for one in radio_captures() if one.name == name)
