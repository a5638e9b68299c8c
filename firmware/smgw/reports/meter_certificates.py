"""What can be found about the certificates of meters with TLS before they are read."""

from pathlib import Path

from smgw.profiles.gateway import Configuration
from smgw.trust.errors import ClockNotTrustedError, TrustError
from smgw.trust.inventory import Ending, endings, inventory
from smgw.trust.meter_certificate import check_time
from smgw.trust.meter_tls import client_context, own_files, read_own, read_pins
from smgw.trust.validity import Moment


def examine_meters(configuration: Configuration, trust: Path, now: Moment) -> list[str]:
    """Faults of the meters with TLS, as text with the meter's name. One meter's fault hides no other's."""
    own = own_files(trust)
    found: list[str] = []
    own_is_there = False
    try:
        certificate = read_own(own)
        own_is_there = True
        check_time(certificate, now)
    except ClockNotTrustedError:
        pass
    except TrustError as error:
        found.append(f"meters with TLS: {error}")
    for line in configuration.lines:
        if not line.meters[0].over_tls:
            continue
        names = [meter.name for meter in line.meters]
        try:
            pins = read_pins(trust, names)
            if own_is_there:
                client_context(own, pins)
            check_time(max(pins, key=lambda pin: pin.not_after_s), now)
        except ClockNotTrustedError:
            pass
        except TrustError as error:
            found.append(f"meter {', '.join(names)}: {error}")
    return found


def ending_soon(configuration: Configuration, trust: Path, now: Moment) -> list[Ending]:
    """The gateway's own certificate for meters, and those of the configuration's meters, that end soon."""
    if not now.trusted:
        return []
    items, _ = inventory(trust)
    meters = {meter.name for meter in configuration.meters if meter.over_tls}
    of_meters = [one for one in items if one.kind == "lmn" or (one.kind == "meter" and one.file.stem in meters)]
    return [one for one in endings(of_meters, now.utc_s) if one.step]
