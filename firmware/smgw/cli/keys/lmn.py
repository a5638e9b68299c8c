"""`smgw keys lmn`: the gateway's own certificate for meters with TLS."""

import argparse
import os
import time
from pathlib import Path
from typing import Final

from smgw import BUILT_S
from smgw.errors import SmgwError
from smgw.profiles.toml_importer import load
from smgw.trust.files import PRIVATE, PUBLIC, make_folder, replace
from smgw.trust.folder import trust_directory
from smgw.trust.keys.private_file import read_private
from smgw.trust.meter_certificate import MeterCertificate
from smgw.trust.meter_tls import own_files, read_own
from smgw.trust.owners import owner
from smgw.trust.request import END_CURVES
from smgw.trust.self_signed import YEARS_MAX, write_self_signed
from smgw.trust.tls_rules import Own
from smgw.trust.validity import utc

#: The user of the process that reads meters.
USER: Final = "smgw-lmn"
_FOLDER: Final = 0o700  # of trust/lmn
_DAY_S: Final = 86_400  # clocks of meters may be behind

_EPILOG: Final = """\
The certificate is self-signed: meters have no certification authority. Give trust/lmn/tls.crt to each meter that checks
who reads it. After --renew the meters need the new one; the old pair stays as tls.old.crt and tls.old.key.
All meters with TLS must have certificates on the same curve as this one.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to renew, the curve and the years."""
    parser.add_argument("--renew", action="store_true", help="make a new key and certificate although there are some")
    parser.add_argument("--id", default="", help="the gateway's id (default: device_id of the configuration)")
    parser.add_argument("--curve", choices=tuple(END_CURVES), default="brainpool", help="curve (default %(default)s)")
    parser.add_argument(
        "--years",
        type=int,
        choices=range(1, YEARS_MAX + 1),
        default=YEARS_MAX,
        metavar="N",
        help="validity, 1 to 7 years (default %(default)s)",
    )
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Make them, or show those that are there; exit code 0."""
    trust = trust_directory(arguments.state)
    own, user = own_files(trust), owner(USER)
    if own.certificate.exists() and not arguments.renew:
        _show(read_own(own), own)
        print("There is one already; --renew makes a new one.")
        return 0
    now_s = int(time.time())
    if now_s < BUILT_S:
        raise SmgwError(
            f"the clock of this computer says {utc(now_s)}, which is before this program was made; set it first, since "
            "a certificate says from when to when it is valid"
        )
    name = arguments.id or str(load(arguments.config).gateway.device_id)
    _make_folder(own.key.parent, user)
    _keep_old(own, user)
    _show(write_self_signed(own, f"{name}.smgw", arguments.curve, now_s - _DAY_S, arguments.years, user), own)
    print(f"Give {own.certificate} to each meter that checks who reads it.")
    return 0


def _make_folder(folder: Path, user: tuple[int, int] | None) -> None:
    make_folder(folder.parent)
    make_folder(folder, _FOLDER)
    if user is not None:
        os.chown(folder, *user)


def _keep_old(own: Own, user: tuple[int, int] | None) -> None:
    for file, mode in ((own.certificate, PUBLIC), (own.key, PRIVATE)):
        if file.exists():
            octets = read_private(file) if mode == PRIVATE else file.read_bytes()
            replace(file.with_name(f"{file.stem}.old{file.suffix}"), octets, mode, user)


def _show(found: MeterCertificate, own: Own) -> None:
    print(f"{own.certificate}: {found.name}, {found.curve}, until {utc(found.not_after_s)}")
    print(f"  fingerprint {found.fingerprint}")
