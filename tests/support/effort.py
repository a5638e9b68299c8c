"""How much the kill loops do: little in `make test` and CI, much in `make test-long`. All counts go through here."""

import os
import random

#: `make test-long` sets it.
LONG = os.environ.get("SMGW_TEST_LONG") == "1"
#: Chooses the moments of the kills: the same ones each time, in long runs others. Printed by the tests.
SEED = int(os.environ.get("SMGW_KILL_SEED") or (random.SystemRandom().randrange(1_000_000) if LONG else 9))


def rounds(short: int, long: int) -> int:
    """How many rounds a loop takes."""
    return long if LONG else short
