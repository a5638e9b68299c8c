"""The detached signature of an answer: CMS SignedData over the body, by whoever holds the gateway's keys.

The process of the HAN has no key. `House.sign` asks the agent of keys; where there is none, or where it refuses, the
answer says so.
"""

from base64 import b64encode

from smgw.han.house import House
from smgw.han.views.v1.asked import RefusedError
from smgw.trust.errors import TrustError


def signature(house: House, body: bytes) -> str:
    """The signature of a body, in base64; RefusedError 503 if nobody signs."""
    if house.sign is None:
        raise RefusedError(
            503, "This gateway does not sign answers: no agent of keys serves the HAN. Ask without q.signed."
        )
    try:
        return b64encode(house.sign(body)).decode()
    except TrustError as error:  # its remedy, with paths, is for the operator
        raise RefusedError(503, f"The answer cannot be signed now: {error.fault}.") from error
