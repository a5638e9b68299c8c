"""`smgw transparency`: the consumer's file of one usage point, for the display software TRuDI."""

import argparse
import contextlib
from pathlib import Path

from smgw import __version__
from smgw.cli.moments import moment, utc
from smgw.clock.text import utc_text
from smgw.cosem.zone import DEFAULT_ZONE, time_zone
from smgw.errors import SmgwError
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.reports.certificates import system_moment
from smgw.reports.transparency import Wanted, signed_by, usage_point
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.lmn.view import LmnView
from smgw.store.wan.view import WanView
from smgw.transparency.document import SIGNATURE, SUB_CA, Certificate
from smgw.transparency.writer import write_file
from smgw.trust.errors import TrustError
from smgw.trust.folder import AUTHORITIES, read_authorities
from smgw.trust.own import active_triple

_SECOND = 1_000_000
_EPILOG = """\
example:
  smgw transparency --usage-point DE00000000000000000000000000000001 --from 2026-01-01 --to 2026-02-01 january.xml

The file has the form of VDE-AR 2418-6 (schema 1.4). It holds the readings of the meters at registration times, the
registers at the ends of billing periods, the consumer's log book, and the gateway's certificates.
Times without an offset are local time of the tariff's zone. Both ends of the span are included.
Only who may read the gateway's database can make it. The file is readable by its owner alone.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The usage point, the span and the file."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to write, such as january.xml")
    parser.add_argument("--usage-point", required=True, metavar="ID", help="usage_point of an [[evaluation]]")
    parser.add_argument("--from", dest="begin", type=moment, required=True, metavar="TIME", help="ISO 8601")
    parser.add_argument("--to", dest="end", type=moment, required=True, metavar="TIME", help="ISO 8601")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Write the file."""
    configuration = load(arguments.config)
    wanted = _wanted(arguments, configuration)
    with contextlib.ExitStack() as opened:
        view = opened.enter_context(LmnView.open(paths.lmn_directory(arguments.state)))
        wan = None
        with contextlib.suppress(StoreAbsent):  # nothing was ever delivered
            wan = opened.enter_context(WanView.open(paths.wan_directory(arguments.state)))
        found = usage_point(configuration, view, wanted, __version__, signed_by(wan))
    found = found._replace(certificates=_certificates(paths.trust_directory(arguments.state)))
    values = sum(len(tuple(one.values)) for one in found.lists)
    if not values:
        raise SmgwError(
            f"no value of {wanted.usage_point} lies in this span ({utc_text(wanted.begin_s * _SECOND)} to "
            f"{utc_text(wanted.end_s * _SECOND)}), so no file is written; `smgw status` shows the newest registers"
        )
    write_file(found, arguments.file)
    lists = "1 list" if len(found.lists) == 1 else f"{len(found.lists)} lists"
    print(f"{arguments.file}: {lists} with {values} values; log entries: {len(found.log)}")
    return 0


def _wanted(arguments: argparse.Namespace, configuration: Configuration) -> Wanted:
    """The span. Times without an offset are local time of the usage point's tariff."""
    zones = [one.zone for one in configuration.evaluations if one.usage_point == arguments.usage_point]
    zone = time_zone(zones[0] if zones else DEFAULT_ZONE)
    begin, end = (int(utc(one, zone).timestamp()) for one in (arguments.begin, arguments.end))
    if end <= begin:
        raise SmgwError("--to is not after --from; exchange them")
    return Wanted(arguments.usage_point, begin, end)


def _certificates(trust: Path) -> tuple[Certificate, ...]:
    """The certificate for signatures, and that of the sub-CA which issued it."""
    try:
        own = active_triple(trust, system_moment()).signature
        chain = read_authorities(trust / AUTHORITIES).chain(own)
    except TrustError as error:
        raise SmgwError(f"the file needs the gateway's certificate for signatures: {error}") from None
    return (Certificate(SIGNATURE, own.der, 1), Certificate(SUB_CA, chain[1].der))
