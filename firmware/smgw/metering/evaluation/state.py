"""What an evaluation remembers of one register, and its form in the database.

It is written in the transaction of the readings that changed it. So a restart goes on with the same registers.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple, Self


class Part(NamedTuple):
    """The reading of one meter: the device behind the meter profile, and its value."""

    device: str  # octets in hex
    value: int


class Slot(NamedTuple):
    """The readings of all meters of an evaluation for one registration time (seconds UTC)."""

    time_s: int
    parts: tuple[Part, ...]


class State(NamedTuple):
    """Amounts are whole numbers of 10^scaler of the unit. The register of step n has the amount `steps[n]`."""

    scaler: int | None = None  # None: no reading yet
    unit: int = 255
    last: Slot | None = None  # the latest slot that counts
    newest_s: int = 0  # when the latest reading or gap came
    steps: tuple[tuple[int, int], ...] = ()  # step and amount, by step
    error: int = 0  # register 63
    total: int = 0
    step: int = 0  # of the latest span; 0: none, or none alone
    period_end_s: int = 0  # of the open billing period; 0: none is open
    used: int = 0  # TAF 4: energy since the period began
    level: int = 0  # TAF 3: number of the steps above step 1 that are entered
    fell: bool = False  # the latest reading was below the one before it
    marked_s: int = 0  # time of the latest row of a period's begin or end
    closed_s: int = 0  # end of the latest billing period that ended without a reading at its end
    waiting: tuple[tuple[int, tuple[tuple[int, Part], ...]], ...] = ()  # times, with the parts that came
    gone: tuple[tuple[int, str], ...] = ()  # parts and devices that were exchanged
    silent: tuple[tuple[int, int], ...] = ()  # begin and end of the times that the gateway was off, the latest ones

    def encode(self) -> bytes:
        """JSON: an array of the fields."""
        return json.dumps(self, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """ValueError if the octets are not those of a state.

        Python keeps 2000 tuples of each length once made of a generator, or by `_replace`. Made of lists, it keeps few.
        """
        try:
            fields = json.loads(octets)
            last = fields[2]
            fields[2] = None if last is None else Slot(last[0], tuple([_part(one) for one in last[1]]))
            fields[4] = tuple([(step, amount) for step, amount in fields[4]])
            fields[14] = tuple(
                [(time_s, tuple([(place, _part(one)) for place, one in parts])) for time_s, parts in fields[14]]
            )
            fields[15] = tuple([(place, device) for place, device in fields[15]])
            fields[16:] = [tuple([(begin_s, end_s) for begin_s, end_s in silent]) for silent in fields[16:]]
            return cls(*fields)
        except (TypeError, IndexError) as error_:
            raise ValueError(f"not the state of an evaluation: {error_}") from error_


def encode_states(states: Iterable[State]) -> bytes:
    """The states of an evaluation, one for each measured register."""
    return json.dumps([state.encode().decode() for state in states]).encode()


def decode_states(octets: bytes) -> tuple[State, ...]:
    """ValueError if the octets are not those of states."""
    try:
        return tuple([State.decode(text.encode()) for text in json.loads(octets)])
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not the states of an evaluation: {error}") from error


def _part(pair: Any) -> Part:
    device, value = pair
    return Part(device, value)
