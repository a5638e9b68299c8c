"""`smgw keys meter`: pin the certificate of a meter with TLS."""

import argparse
import time
from pathlib import Path
from typing import Final

from smgw.clock import GatewayClock
from smgw.errors import SmgwError
from smgw.ports import LineSettings, Security, open_port
from smgw.ports.security import is_tls
from smgw.profiles import checks
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.trust.errors import TrustError, WrongPinError
from smgw.trust.files import PUBLIC, make_folder, replace
from smgw.trust.folder import trust_directory
from smgw.trust.meter_certificate import MeterCertificate, check_time
from smgw.trust.meter_tls import pin_file
from smgw.trust.self_signed import check_self_signed, check_self_signed_file
from smgw.trust.validity import Moment, utc

_EPILOG: Final = """\
FILE is the meter's certificate in PEM or DER, as its maker delivers it, or tls://host:port: then the meter shows it.
A certificate that the meter shows is pinned only with --fingerprint. Compare that with what the maker says, on the
meter's label or in its papers: over the network anybody could answer.
Before a meter renews its certificate: --add FILE with the new one. Afterwards pin the new one alone.
All meters of the configuration that share the port get the same pin. The running gateway uses it at its next try.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which meter, and its certificate."""
    parser.add_argument("meter", metavar="METER", help="name of the meter in the configuration")
    parser.add_argument("source", metavar="FILE", nargs="?", default="", help="its certificate, or tls://host:port")
    parser.add_argument("--fingerprint", metavar="HEX", default="", help="SHA-256 that the certificate must have")
    parser.add_argument("--add", action="store_true", help="also believe those that are pinned, during a renewal")
    parser.add_argument("--remove", action="store_true", help="remove the pin: the meter is not believed any more")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Check and pin; exit code 0."""
    if not checks.NAME.fullmatch(arguments.meter):
        raise SmgwError(
            f'"{arguments.meter}" is no name of a meter; write small letters, digits and -, such as house-1'
        )
    if bool(arguments.source) == arguments.remove:
        raise SmgwError("name the FILE with the certificate, or write --remove")
    trust = trust_directory(arguments.state)
    names = _names(arguments)
    if arguments.remove:
        for name in names:
            pin_file(trust, name).unlink(missing_ok=True)
        print(f"no certificate of meter {', '.join(names)} is pinned")
        return 0
    found = _shown(arguments, trust) if is_tls(arguments.source) else check_self_signed_file(Path(arguments.source))
    _compare(found, arguments.fingerprint)
    for name in names:
        file = pin_file(trust, name)
        before = MeterCertificate.several(file) if arguments.add and file.exists() else ()
        make_folder(file.parent)
        replace(file, b"".join(one.pem for one in dict.fromkeys((found, *before))), PUBLIC)
    print(f"meter {', '.join(names)}: {found.name or 'nobody named'}, {found.curve}, until {utc(found.not_after_s)}")
    print(f"  fingerprint {found.fingerprint}")
    try:
        check_time(found, Moment(int(time.time())))
    except TrustError as error:
        print(f"  note: {error.fault}. {error.remedy}")
    return 0


def _names(arguments: argparse.Namespace) -> list[str]:
    """The meter, and those that share its port."""
    try:
        configuration: Configuration = load(arguments.config)
    except SmgwError:
        print(f"note: {arguments.config} cannot be used yet; a meter there must have the name {arguments.meter}")
        return [arguments.meter]
    for line in configuration.lines:
        names = [meter.name for meter in line.meters]
        if arguments.meter in names:
            if not is_tls(line.port):
                print(f"note: meter {arguments.meter} is at {line.port}; a pin is used only at tls://host:port")
            return names
    print(f"note: {arguments.config} has no meter {arguments.meter}")
    return [arguments.meter]


def _shown(arguments: argparse.Namespace, trust: Path) -> MeterCertificate:
    """The certificate that a meter shows. What it says behind the handshake is not read."""
    shown: list[bytes] = []
    look = Security(trust, (), GatewayClock().stamp, shown.append)
    open_port(arguments.source, LineSettings(), security=look).close()
    found = check_self_signed(shown[-1])
    if not arguments.fingerprint:
        raise SmgwError(
            f"{arguments.source} shows the certificate of {found.name or 'nobody named'} with the fingerprint "
            f"{found.fingerprint}. If the meter's maker says the same: smgw keys meter {arguments.meter} "
            f"{arguments.source} --fingerprint {found.fingerprint}"
        )
    return found


def _compare(found: MeterCertificate, wanted: str) -> None:
    if not wanted:
        return
    if wanted.replace(":", "").lower() != found.fingerprint:
        raise WrongPinError(
            f"its fingerprint is {found.fingerprint}, expected is {wanted}",
            "Ask the meter's maker. Perhaps somebody else answers.",
            subject=found.described,
            file=found.file,
        )
