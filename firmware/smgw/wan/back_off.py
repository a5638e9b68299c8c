"""When to try again."""

import random

_FIRST, _LONGEST = 1.0, 300.0
#: A held channel is tried this rarely: the EMP may have been put right without anyone telling the gateway.
HOLD_SECONDS = 900.0


class BackOff:
    """Doubles from 1 s to 5 min, with jitter, so that a thousand gateways do not come back in the same second."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._next = _FIRST

    def reset(self) -> None:
        """It went well."""
        self._next = _FIRST

    def failed(self, retry_after: int | None = None) -> float:
        """Seconds until the next try; never sooner than the EMP asked for."""
        pause = self._next * self._chance.uniform(0.75, 1.25)
        self._next = min(2 * self._next, _LONGEST)
        return max(pause, float(retry_after or 0))
