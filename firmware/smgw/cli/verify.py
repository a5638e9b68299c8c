"""`smgw verify`: check the gateway's signatures of values in a file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.errors import SmgwError
from smgw.reports.verified import verified
from smgw.store import paths
from smgw.trust.certificate import Certificate
from smgw.trust.errors import TrustError
from smgw.trust.folder import PEERS, read_certificates
from smgw.trust.own import own_triples
from smgw.trust.peers import PeersFolder
from smgw.trust.value_verdict import Verdict

_EPILOG = """\
FILE is a document in COSEM-XML as a gateway sends it, rows as a head-end exports them (XML, all columns), or an archive
of `smgw export` that is not sealed. Certificates SIG of gateways are taken from the trust folder, or from files that
--certificate names.
Exit code 0 if values are signed and every signature is good, 1 if a signature is not good or no value is signed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and the certificates."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a document in COSEM-XML, or an export archive")
    parser.add_argument("--trust", type=Path, metavar="DIR", help="trust folder (default: that of the state directory)")
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE", nargs="+", default=[], help="certificates SIG, in place of a folder"
    )
    parser.add_argument(
        "--device", type=_device, metavar="ID", help="of rows that a head-end exported (default: the name of the file)"
    )
    parser.epilog = _EPILOG


def _device(text: str) -> DeviceId:
    try:
        return DeviceId.parse(text)
    except DeviceIdError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Print counts, and each value whose signature is not good."""
    trust = arguments.trust or paths.trust_directory(arguments.state)
    found = verified(arguments.file, _certificates(trust, arguments.certificate), arguments.device)
    counts = ", ".join(f"{found.counts[verdict]} {verdict.value}" for verdict in Verdict)
    print(f"{arguments.file}: {found.documents} documents, {found.rows} rows; values: {counts}")
    for one in found.faulty:
        print(
            f"gateway {one.gateway}, device {one.device}, record {one.record_number}, "
            f"{one.column.class_id}-{one.column.obis} attribute {one.column.attribute}: {one.verdict.value}"
        )
    if found.counts[Verdict.UNKNOWN]:
        print(
            f"smgw verify: the certificate SIG of the gateway is not in {trust}; name it with --certificate",
            file=sys.stderr,
        )
    return 0 if found.counts[Verdict.SIGNED] and not found.faulty else 1


def _certificates(trust: Path, files: Sequence[Path]) -> list[Certificate]:
    try:
        if files:
            return [one for file in files for one in read_certificates(file)]
        return [triple.signature for triple in own_triples(trust)] + list(PeersFolder(trust / PEERS).every())
    except TrustError as error:
        raise SmgwError(str(error)) from error
