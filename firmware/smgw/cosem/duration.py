"""Durations as people read them, the same in every command and on every page."""

_SECOND = 1_000_000
#: A unit in seconds, its symbol, and from how many of them on the next one is used.
_UNITS = ((1, "s", 120), (60, "min", 120), (3600, "h", 48))
_DAY_S = 86_400


def duration_text(seconds: float) -> str:
    """`0.4 s`, `42 s`, `5 min`, `3 h`, `12 d`: rounded to the nearest, half of one up."""
    microseconds = round(seconds * _SECOND)
    if abs(microseconds) < 1_950_000:
        return f"{_rounded(microseconds, _SECOND // 10) / 10:.1f} s"
    for size, symbol, until in _UNITS:
        amount = _rounded(microseconds, size * _SECOND)
        if abs(amount) < until:
            return f"{amount} {symbol}"
    return f"{_rounded(microseconds, _DAY_S * _SECOND)} d"


def period_text(seconds: int) -> str:
    """`15 min`, `10 s`, `24 h`: a setting, exactly, in the largest unit of which it is a multiple."""
    size, symbol = next((one for one in ((3600, "h"), (60, "min")) if seconds and seconds % one[0] == 0), (1, "s"))
    return f"{seconds // size} {symbol}"


def span_text(seconds: int) -> str:
    """`2 h 45 min`, `3 d 4 h 1 s`: a time span, exactly, without the units that are 0."""
    parts = []
    for size, symbol in ((_DAY_S, "d"), (3600, "h"), (60, "min"), (1, "s")):
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount} {symbol}")
    return " ".join(parts) or "0 s"


def _rounded(amount: int, size: int) -> int:
    """Half of one away from zero, as people round."""
    rounded = (abs(amount) + size // 2) // size
    return -rounded if amount < 0 else rounded
