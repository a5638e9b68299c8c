"""An attacker who has all documents of the days before and after a change, and tries to say which device is which.

He compares every field, counter, gap and time. He must do no better than by guessing, but for the totals: the readings
of a meter's register go on by nature. The same attacker links every device where only the ids are taken away.
"""

import itertools
import random
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from captures_made import BOOT, MIDNIGHT, SECOND
from delivering import Gateway, granted
from small_emp import Put, SmallEmp
from smgw.cosem import ClockState, Data, DataType, DeviceId, GatewayStatus, Obis, Reading, Stamp
from smgw.cosem.reading import Capture
from smgw.cosemxml.document import Row
from smgw.profiles.communication import CommunicationProfile
from smgw.store.records import ListKind, Origin, Record, Source
from smgw.store.wan.pseudonyms import Unnumbered

pytestmark = pytest.mark.usefixtures("quick")

METERS = 12
DAY = 86_400 * SECOND
QUARTER = 900 * SECOND
ENERGY, POWER, VOLTAGE = map(Obis.parse, ("1-0:1.8.0", "1-0:16.7.0", "1-0:32.7.0"))
SERIAL, LIFE, MAKER, OLD_BILL = map(Obis.parse, ("0-0:96.1.0", "0-0:96.8.0", "1-0:96.50.1", "1-0:1.8.0*1"))
#: By guessing one of twelve is right. Seven or more by chance: once in 30,000.
GUESSED = 6


class Known(NamedTuple):
    """What the attacker has of one name: its rows by arrival, and the octets and places of its documents."""

    rows: list[tuple[Row, tuple[Obis, ...]]]
    octets: set[bytes]
    places: list[float]  # of its document among those of a round, from 0 to 1

    def values(self, obis: Obis) -> list[object]:
        return [
            row.values[columns.index(obis)].value for row, columns in self.rows if obis in columns
        ]  # fmt: skip


def make_rows(gateway: Gateway, dice: random.Random) -> list[DeviceId]:
    """Two days of twelve meters of one make: on the grid, of every telegram, from load profiles, and gaps."""
    devices = [DeviceId.parse(f"1EMH00{dice.randrange(10**8):08}") for _ in range(METERS)]
    phase = [dice.randrange(200_000, 880_000) for _ in devices]
    total = [dice.randrange(10**6, 10**8) for _ in devices]
    life = [dice.randrange(10**6, 10**8) for _ in devices]
    bill = [dice.randrange(10**6, 10**8) for _ in devices]
    late: list[Record] = []
    for at in range(2 * 96):
        target = MIDNIGHT + at * QUARTER
        rows: list[Record] = []
        for place in dice.sample(range(METERS), METERS):
            total[place] += dice.randrange(500)
            life[place] += 900

            def row(
                utc_us: int, place: int = place, *, target_us: int | None = target, origin: Origin = Origin.MEASURED
            ) -> Record:
                number = Data(DataType.LONG64_UNSIGNED, total[place])
                missing = origin is Origin.MISSING
                own = [
                    Reading(ENERGY, Data(DataType.NULL_DATA, None) if missing else number, -1, 30),
                    Reading(POWER, Data(DataType.DOUBLE_LONG, dice.randrange(3000)), 0, 27),
                    Reading(VOLTAGE, Data(DataType.LONG_UNSIGNED, dice.randrange(2250, 2350)), -1, 35),
                    Reading(SERIAL, Data(DataType.OCTET_STRING, bytes(devices[place]))),
                    Reading(LIFE, Data(DataType.DOUBLE_LONG_UNSIGNED, life[place]), 0, 7),
                    Reading(MAKER, Data(DataType.VISIBLE_STRING, f"EMH{place}"), signature=devices[place][4:]),
                    Reading(OLD_BILL, Data(DataType.LONG64_UNSIGNED, bill[place]), -1, 30),
                ]
                stamp = Stamp(BOOT, utc_us * 1000, utc_us, 5000, ClockState.SYNCHRONISED)
                capture = Capture(f"m{place}", devices[place], stamp, None, tuple(own), bytes(devices[place]))
                status = GatewayStatus.FIXED | (GatewayStatus.NO_VALUE_IN_WINDOW if missing else 0)
                return Record(capture, target_us, status, ListKind.ORIGINAL, origin)

            if dice.random() < 0.05:  # told when the meter is there again, hours later
                late.append(row(target + 40_000 * SECOND + phase[place], origin=Origin.MISSING))
                continue
            rows.append(row(target + phase[place]))
            rows += [row(target + (step + 1) * 2 * SECOND + phase[place], target_us=None) for step in range(3)]
            rows += [one for one in late if one.capture.stamp.utc_us <= target]
            late = [one for one in late if one.capture.stamp.utc_us > target]
        gateway.lmn.append(rows)
        if at % 12 == 11:
            gateway.dispatcher.deliver_round()
    gateway.lmn.append(late)
    gateway.dispatcher.deliver_round()
    return devices


def names_of(put: Put) -> set[bytes]:
    """What a document and its request say of who sends it, without the fixed beginning of a pseudonym."""
    document = put.document
    octets = {bytes(one).removeprefix(b"psn-") for one in (document.gateway, document.device)}
    return octets | {bytes.fromhex(document.store_id), uuid.UUID(put.headers["x-CID"].removeprefix("uuid:")).bytes}


def known(puts: list[Put], name: Callable[[Put, Row], str], *, ids: bool) -> dict[str, Known]:
    """The documents by the names that the attacker sees. `ids`: with all that names a sender."""
    found: dict[str, Known] = {}
    for place, put in enumerate(puts):
        document = put.document
        columns = tuple(register.obis for register in document.registers)
        for row in document.rows:
            own = found.setdefault(name(put, row), Known([], set(), []))
            own.rows.append((row, columns))
            own.octets.update(names_of(put) if ids else ())
            own.octets.update(cell.value for cell in row.values if isinstance(cell.value, bytes))
            own.octets.update(cell.value.encode() for cell in row.values if isinstance(cell.value, str))
        found[name(put, document.rows[0])].places.append(place % METERS)
    return found


def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def second_of(one: Known) -> float:
    return mean([(row.capture_time_us or 0) % SECOND for row, _ in one.rows])


def steps(one: Known) -> Counter[int]:
    numbers = [row.record_number for row, _ in one.rows]
    return Counter(after - before for before, after in itertools.pairwise(numbers))


def grams(octets: set[bytes]) -> set[bytes]:
    """All pieces of six octets."""
    return {one[at : at + 6] for one in octets for at in range(len(one) - 5)}


def of_day(one: Known) -> set[int]:
    """The times of day on the grid of which it has rows."""
    return {row.target_time_us % DAY for row, _ in one.rows if row.target_time_us}


def shared_times(before: Known, after: Known) -> int:
    """Capture times that stand under both names, as one reading of many late rows gives."""
    late = [{row.capture_time_us for row, _ in one.rows if row.capture_time_us != row.target_time_us and
             row.target_time_us} for one in (before, after)]  # fmt: skip
    return len(late[0] & late[1])


def integers(values: list[object]) -> list[int]:
    return [value for value in values if isinstance(value, int)]


def distance(before: Known, after: Known, obis: Obis) -> float:
    """From the last number of a register to its first one after."""
    old, new = integers(before.values(obis)), integers(after.values(obis))
    return abs(min(new) - max(old)) if old and new else 0.0


#: What the attacker compares: the smaller, the more alike.
CLUES: Mapping[str, Callable[[Known, Known], float]] = {
    "octets of any field": lambda one, other: -len(grams(one.octets) & grams(other.octets)),
    "record numbers go on": lambda one, other: abs(
        min(row.record_number for row, _ in other.rows) - max(row.record_number for row, _ in one.rows)
    ),
    "steps of record numbers": lambda one, other: -sum((steps(one) & steps(other)).values()),
    "fraction of the second": lambda one, other: abs(second_of(one) - second_of(other)),
    "time from one to the other": lambda one, other: (
        min(row.capture_time_us or 0 for row, _ in other.rows) - max(row.capture_time_us or 0 for row, _ in one.rows)
    ),
    "late rows read at one time": lambda one, other: -shared_times(one, other),
    "number of rows": lambda one, other: abs(len(one.rows) - len(other.rows)),
    "gaps in the day": lambda one, other: -len(of_day(one) & of_day(other)),
    "registers": lambda one, other: -len({columns for _, columns in one.rows} & {columns for _, columns in other.rows}),
    "status words": lambda one, other: -sum(
        (Counter(row.status for row, _ in one.rows) & Counter(row.status for row, _ in other.rows)).values()
    ),
    "place among the documents": lambda one, other: abs(mean(one.places) - mean(other.places)),
    "seconds of operation": lambda one, other: distance(one, other, LIFE),
    "stored value of the last bill": lambda one, other: distance(one, other, OLD_BILL),
}  # fmt: skip


def linked(before: dict[str, Known], after: dict[str, Known], truth: dict[str, str], clue: str) -> int:
    """How many of the devices this clue names, and no other beside it."""
    right = 0
    for name, own in before.items():
        marks = {other: CLUES[clue](own, found) for other, found in after.items()}
        best = [other for other, mark in marks.items() if mark == min(marks.values())]
        right += len(best) == 1 and truth[name] == best[0]
    return right


class Seen(NamedTuple):
    before: dict[str, Known]
    after: dict[str, Known]
    truth: dict[str, str]  # a name before -> the name after


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """The same two days under pseudonyms of a day, and with nothing but the ids taken away."""
    return {kind: delivered(tmp_path_factory.mktemp(kind), days) for kind, days in (("masked", 1), ("bare", 0))}


def delivered(directory: Path, days: int) -> Seen:
    with SmallEmp() as emp:
        gateway = Gateway(directory, emp.url)
        profile = CommunicationProfile("demo", emp.url, forward=0, batch=1000, pseudonym_days=days)
        grants = granted("demo", *(f"m{place}" for place in range(METERS)), pseudonym_days=days)
        gateway.dispatcher = gateway.dispatcher_to(profile, grants)
        devices = make_rows(gateway, random.Random(5))
        gateway.dispatcher.stop()
        gateway.dispatcher.run()
        middle = MIDNIGHT + DAY

        def is_before(row: Row) -> bool:
            return (row.target_time_us or row.capture_time_us or 0) < middle

        def name(put: Put, row: Row) -> str:
            return f"{put.document.device} {'' if days else is_before(row)}"

        found = known(emp.puts, name, ids=days > 0)
        before = {one for one, own in found.items() if is_before(own.rows[0][0])}
        truth = masked_truth(gateway, devices) if days else {f"{one} True": f"{one} False" for one in devices}
        gateway.close()
    after = {one: own for one, own in found.items() if one not in before}
    return Seen({one: found[one] for one in before}, after, truth)


def masked_truth(gateway: Gateway, devices: list[DeviceId]) -> dict[str, str]:
    """What only the gateway knows: the names of each device on both days."""
    found = {}
    for place, device in enumerate(devices):
        names = []
        for day in (0, 1):
            row = Unnumbered("ab" * 16, 1 + day, MIDNIGHT // DAY + day)  # of no store, so it has no number
            (numbered,) = gateway.wan.number("demo", Source(f"m{place}", device), 1, [row])
            assert numbered is not None
            names.append(f"{numbered.pseudonym.name} ")
        found[names[0]] = names[1]
    return found


@pytest.mark.parametrize("clue", CLUES)
def test_no_clue_but_the_totals_links_a_device_across_a_change(deliveries: dict[str, Seen], clue: str) -> None:
    seen = deliveries["masked"]
    assert len(seen.before) == len(seen.after) == len(seen.truth) == METERS
    assert linked(*seen, clue) <= GUESSED


def test_no_octets_of_one_document_stand_in_another_name(deliveries: dict[str, Seen]) -> None:
    seen = deliveries["masked"]
    found = Counter(piece for one in (*seen.before.values(), *seen.after.values()) for piece in grams(one.octets))
    assert set(found.values()) == {1}


@pytest.mark.parametrize(
    "clue",
    ["octets of any field", "fraction of the second", "seconds of operation", "stored value of the last bill"],
)
def test_the_attacker_links_all_devices_where_only_ids_are_taken_away(deliveries: dict[str, Seen], clue: str) -> None:
    assert linked(*deliveries["bare"], clue) >= METERS - 1


def test_totals_link_by_nature(deliveries: dict[str, Seen], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLUES, "totals", lambda one, other: distance(one, other, ENERGY))  # type: ignore[arg-type]
    assert linked(*deliveries["masked"], "totals") >= METERS - 1
