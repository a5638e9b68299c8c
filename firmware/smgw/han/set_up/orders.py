"""The orders of the set-up in a browser. The HAN process writes one into a file; `smgw setup --order` carries it out.

    {"kind": "scan",  "id": "..."}
    {"kind": "write", "id": "...", "meters": [{"found": 1, "name": "house"}], "servers": ["system"], "every": 900,
     "consumer": "anna", "url": "", "emp": "", "participant": ""}

Nothing else is an order. A meter is named by its number in the last scan, so no port and no key comes from a browser.
The layout is ours.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from smgw.errors import SmgwError

ORDER, ANSWER, FOUND = "setup-order.json", "answer.json", "found.json"
#: Octets of an order at most.
LARGEST = 16_384
MOST_METERS = 32
MOST_SERVERS = 9
_ID = re.compile(r"[0-9a-f]{16}")
_TEXT = 300


class OrderError(SmgwError):
    """This is no order."""


class Choice(NamedTuple):
    """A meter of the last scan, by its number from 1 on, and the name that it gets."""

    found: int
    name: str


class Order(NamedTuple):
    """An order. A scan has its id alone."""

    kind: str
    id: str
    meters: tuple[Choice, ...] = ()
    servers: tuple[str, ...] = ()
    every: int = 900
    consumer: str = ""
    url: str = ""  # of the EMP; empty: there is none
    emp: str = ""
    participant: str = ""


SCAN, WRITE = "scan", "write"


def dump(order: Order) -> bytes:
    """The octets of an order."""
    if order.kind == SCAN:
        return json.dumps({"kind": SCAN, "id": order.id}).encode()
    told = {**order._asdict(), "meters": [one._asdict() for one in order.meters]}
    return json.dumps(told, ensure_ascii=False).encode()


def parse(octets: bytes) -> Order:
    """The order of these octets; OrderError for anything that has another key, type or size."""
    try:
        if len(octets) > LARGEST:
            raise OrderError("the order is too large")
        told = json.loads(octets.decode("utf-8"))
    except ValueError:
        raise OrderError("the order is no JSON") from None
    if not isinstance(told, dict) or told.get("kind") not in (SCAN, WRITE):
        raise OrderError('an order has the kind "scan" or "write"')
    wanted = {"kind", "id"} if told["kind"] == SCAN else set(Order._fields)
    if set(told) != wanted:
        raise OrderError("the order has other keys than it should have")
    if not isinstance(told["id"], str) or not _ID.fullmatch(told["id"]):
        raise OrderError("the id of the order is wrong")
    return Order(SCAN, told["id"]) if told["kind"] == SCAN else _write(told)


def _write(told: Mapping[str, Any]) -> Order:
    meters, servers, every = told["meters"], told["servers"], told["every"]
    if not isinstance(meters, list) or not 1 <= len(meters) <= MOST_METERS:
        raise OrderError(f"choose 1 to {MOST_METERS} meters")
    if not isinstance(servers, list) or not 1 <= len(servers) <= MOST_SERVERS:
        raise OrderError(f"name 1 to {MOST_SERVERS} time servers")
    if isinstance(every, bool) or not isinstance(every, int) or not 0 <= every <= 86_400:
        raise OrderError("the period is wrong")
    texts = {name: _text(told[name]) for name in ("consumer", "url", "emp", "participant")}
    return Order(WRITE, told["id"], tuple(map(_choice, meters)), tuple(map(_text, servers)), every, **texts)


def _choice(told: object) -> Choice:
    if not isinstance(told, dict) or set(told) != set(Choice._fields):
        raise OrderError("a meter has a number and a name")
    found = told["found"]
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= 10 * MOST_METERS:
        raise OrderError("a meter has the number of the scan")
    return Choice(found, _text(told["name"]))


def _text(told: object) -> str:
    if not isinstance(told, str) or len(told) > _TEXT or not told.isprintable():
        raise OrderError("a text is too long, or not printable")
    return told
