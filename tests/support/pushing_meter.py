"""A meter that pushes, read in memory: APDUs in, what the reader made of them out."""

from captures_made import BOOT
from smgw.cosem import ClockState, Stamp
from smgw.hdlc import Address
from smgw.hdlc.link import Link
from smgw.lmn.contract import Heard, Surroundings, Values
from smgw.lmn.dlms.push import DlmsPush
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused, Transmit

NOW = Stamp(BOOT, 1, 1_767_225_600_000_000, 5000, ClockState.SYNCHRONISED)


class Still:
    """A clock that stands."""

    def stamp(self) -> Stamp:
        return NOW


def framed(apdu: bytes) -> bytes:
    """In UI frames."""
    sent = Link.server(Address(1, 17), client=Address(16)).send_unnumbered(apdu, 0.0)
    return b"".join(event.octets for event in sent if isinstance(event, Transmit))


def reader(options: DlmsProfile | None = None, secrets: Secrets | None = None, **changes: object) -> DlmsPush:
    """The reader of a pushing meter."""
    profile = MeterProfile(
        name="flat", protocol="dlms-push", port="/dev/null", options=options or DlmsProfile(), **changes  # type: ignore[arg-type]
    )  # fmt: skip
    return DlmsPush(profile, secrets or Secrets(), Surroundings(Still()))


def heard(*apdus: bytes, made: DlmsPush | None = None) -> list[Heard]:
    """What a reader makes of these pushes."""
    made = made or reader()
    return [one for apdu in apdus for one in made.receive(framed(apdu), NOW)]


def values(*apdus: bytes, made: DlmsPush | None = None) -> Values:
    """The one device's values in them; nothing may be refused."""
    ((found,),) = heard(*apdus, made=made)
    assert isinstance(found, Values)
    return found


def refusals(*apdus: bytes, made: DlmsPush | None = None) -> list[str]:
    """Why each was refused."""
    return [one.reason for one in heard(*apdus, made=made) if isinstance(one, Refused)]
