"""The outcome for the rows, by the status code of the answer."""

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
    """The outcome of a status code; None is no answer. An unknown code means HOLD, which skips nothing."""
    if status is None or status >= 500:
        return OutcomeKind.RETRY
    if 200 <= status < 300:
        return OutcomeKind.ACKNOWLEDGED
    return _KINDS.get(status, OutcomeKind.HOLD)
