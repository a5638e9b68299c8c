"""What pages show of the gateway that the databases of the house do not have. The service gives it as functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from smgw.han.set_up.desk import SetUp
from smgw.store.file.log_book import LogEntry


class Certificate(NamedTuple):
    """The certificate of the HAN: SHA-256 in hex, and its end in microseconds UTC."""

    fingerprint: str
    until_us: int | None = None
    subject: str = ""


class SelfTest(NamedTuple):
    """The last self-test, in microseconds UTC."""

    at_us: int
    good: bool
    text: str


class Around(NamedTuple):
    """Each function may be asked at any time, by any thread."""

    certificate: Callable[[], Certificate | None] = lambda: None
    self_test: Callable[[], SelfTest | None] = lambda: None
    health: Callable[[], Mapping[str, Any]] = dict  # the plain JSON of `smgw status`
    system_log: Callable[[int], Sequence[LogEntry]] = lambda _: ()  # the newest so many, oldest first

    set_up: SetUp | None = None  # the set-up in a browser


#: Nothing is known.
NOTHING = Around()
