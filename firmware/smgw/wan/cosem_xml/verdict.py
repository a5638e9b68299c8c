"""What the status code of an answer says of the rows that were sent."""

from smgw.wan.outlet import OutcomeKind

_KINDS = {
    408: OutcomeKind.RETRY,
    425: OutcomeKind.RETRY,
    429: OutcomeKind.RETRY,
    413: OutcomeKind.TOO_LARGE,
    400: OutcomeKind.REJECTED,
    415: OutcomeKind.REJECTED,
    422: OutcomeKind.CONTRADICTED,
}


def verdict(status: int | None) -> OutcomeKind:
    """The meaning of a status code; None is no answer at all. A code nobody foresaw holds: that skips nothing."""
    if status is None or status >= 500:
        return OutcomeKind.RETRY
    if 200 <= status < 300:
        return OutcomeKind.ACKNOWLEDGED
    return _KINDS.get(status, OutcomeKind.HOLD)
