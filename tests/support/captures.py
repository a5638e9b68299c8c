"""The captures of real meters: octets, and what an independent reader found in them.

Those with a free licence lie in tests/captures; the others, whose owners stated none, are read from the folder that
SMGW_SHARED_CAPTURES names, else from shared/captures beside the repository. Without it, tests over all captures run
over the free ones and over telegrams of the simulator's styles, and `test_sml_captures` says so by a skipped test.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.tlv import Value
from smgw.sml.transport import START
from sml_made import made_captures

_REPOSITORY = Path(__file__).parents[2]
OWN = _REPOSITORY / "tests" / "captures"
SHARED = Path(os.environ.get("SMGW_SHARED_CAPTURES") or _REPOSITORY.parent / "shared" / "captures")
FIELD_CASES = SHARED.parent / "field-cases"
ABSENT = f"{SHARED} is not there; set SMGW_SHARED_CAPTURES to the folder of the shared captures"


class SmlCapture(NamedTuple):
    """`golden` is one object a good frame, as in golden.json."""

    name: str
    octets: bytes
    golden: list[dict[str, Any]]

    @property
    def made(self) -> bool:
        """True for telegrams of a simulated meter."""
        return self.name.startswith("made/")

    @property
    def bare(self) -> bool:
        """True for messages without a transport."""
        return START not in self.octets


@cache
def sml_captures() -> tuple[SmlCapture, ...]:
    """All there are, by name; the copy in the repository before the shared one."""
    found: dict[str, SmlCapture] = {}
    for root in (SHARED / "sml", OWN / "sml"):
        golden = json.loads((root / "golden.json").read_text()) if (root / "golden.json").exists() else {}
        for path in sorted(root.glob("*/*")):
            name = f"{path.parent.name}/{path.name}"
            found[name] = SmlCapture(name, path.read_bytes(), golden.get(name, []))
    return tuple(found[name] for name in sorted(found))


@cache
def all_sml_captures() -> tuple[SmlCapture, ...]:
    """The captures, and telegrams of every style of the simulator: these are there without any capture, too."""
    made = [SmlCapture(name, octets, golden) for name, (octets, golden) in made_captures().items()]
    return (*sml_captures(), *made)


def sml_capture(name: str) -> SmlCapture:
    """One capture; the test that asks for it is skipped where it is absent."""
    for capture in sml_captures():
        if capture.name == name:
            return capture
    pytest.skip(f"capture {name}: {ABSENT}")


def field_case(name: str) -> bytes:
    """The octets of a public report, such as `sml/tl_f170_min`; the test that asks for it is skipped without them."""
    path = FIELD_CASES / f"{name}.hex"
    if not path.exists():
        pytest.skip(f"field case {name}: {path} is not there; set SMGW_SHARED_CAPTURES as for the captures")
    lines = path.read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


@cache
def intact_frames(*, made: bool = True) -> tuple[bytes, ...]:
    """Every good frame of every capture, and of every style of the simulator if `made`; each different one once."""
    frames: dict[bytes, None] = {}
    for capture in all_sml_captures() if made else sml_captures():
        begins = [place for place in range(len(capture.octets)) if capture.octets.startswith(START, place)]
        for begin, golden in _pairs(capture, begins):
            frames[capture.octets[begin : begin + golden["len"]]] = None
    return tuple(frames)


def _pairs(capture: SmlCapture, begins: list[int]) -> list[tuple[int, dict[str, Any]]]:
    """Where each frame of golden.json begins: the first start from which its length gives a whole telegram."""
    found = []
    for golden in capture.golden:
        while begins:
            begin = begins.pop(0)
            events = TelegramReader().receive(capture.octets[begin : begin + golden["len"]])
            if len(events) == 1 and isinstance(events[0], Telegram) and summary(events[0]) == [without_length(golden)]:
                found.append((begin, golden))
                break
        else:
            raise AssertionError(f"{capture.name}: no frame of {golden['len']} octets as golden.json has it")
    return found


def without_length(golden: dict[str, Any]) -> dict[str, Any]:
    """A frame of golden.json without the number of its octets."""
    return {key: value for key, value in golden.items() if key != "len"}


def summary(telegram: Telegram) -> list[dict[str, Any]]:
    """The lists of a telegram as golden.json writes them."""
    return [
        {
            "server": values.server_id.hex(),
            "actSensorTime": [values.sensor_time.choice, values.sensor_time.seconds] if values.sensor_time else None,
            "crc": telegram.crc.value,
            "entries": [
                [entry.obj_name.hex(), plain(entry.status), entry.unit, entry.scaler, plain(entry.value)]
                for entry in values.entries
            ],
        }
        for values in telegram.lists
    ]


def plain(value: Value | None) -> Any:
    """A value as golden.json writes it."""
    if value is None:
        return None
    if isinstance(value.value, bytes):
        return value.value.hex()
    if isinstance(value.value, tuple):
        return [plain(element) for element in value.value]
    return value.value


class TextCapture(NamedTuple):
    """A capture of IEC 62056-21; `golden` is its object in golden.json, empty for a shared one."""

    name: str
    octets: bytes
    golden: dict[str, Any]


@cache
def text_captures(kind: str) -> tuple[TextCapture, ...]:
    """All of a folder, "d0" or "dsmr", by name; the copy in the repository before the shared one."""
    found: dict[str, TextCapture] = {}
    for root in (SHARED / kind, OWN / kind):
        golden = json.loads((root / "golden.json").read_text()) if (root / "golden.json").exists() else {}
        for path in sorted(root.glob("*/*.txt")):
            name = f"{path.parent.name}/{path.name}"
            found[name] = TextCapture(name, path.read_bytes(), golden.get(name, {}))
    return tuple(found[name] for name in sorted(found))


def own_text_captures(kind: str) -> tuple[TextCapture, ...]:
    """Those in the repository, each with its golden values."""
    return tuple(capture for capture in text_captures(kind) if capture.golden)
