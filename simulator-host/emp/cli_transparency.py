"""The command `emp transparency`."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smgw.cosem.device_id import DeviceId
    from smgw.transparency.document import Certificate

    from emp.store.sqlite_storage import SqliteView

_DB = Path("emp.db")


def add_commands(commands: Any) -> None:
    """`commands`: what argparse's add_subparsers gave."""
    file = commands.add_parser(
        "transparency",
        help="write the consumer's file for the display software TRuDI",
        description="Write the values of meters and evaluations as a file of VDE-AR 2418-6, for the display software "
        "TRuDI. The head-end knows devices and no usage points, so who it is about is given here. The consumer's log "
        "book is in the gateway alone: `smgw transparency` writes it.",
    )
    file.add_argument("file", type=Path, metavar="FILE", help="the file to write, such as january.xml")
    file.add_argument("--usage-point", required=True, metavar="ID", help="the usage point")
    file.add_argument("--customer", required=True, metavar="ID", help="the consumer")
    file.add_argument("--supplier", required=True, metavar="ID", help="the invoicing party")
    file.add_argument("--tariff", required=True, metavar="NAME", help="the tariff, as the supplier calls it")
    file.add_argument(
        "--device", action="append", required=True, metavar="DEVICE", help="a meter or an evaluation; several times"
    )
    file.add_argument("--from", dest="begin", type=_moment, required=True, metavar="TIME", help="ISO 8601")
    file.add_argument("--to", dest="end", type=_moment, required=True, metavar="TIME", help="ISO 8601, included")
    file.add_argument(
        "--trust", type=Path, required=True, metavar="DIR", help="the trust folder of the EMP, as for emp serve"
    )
    file.add_argument("--db", type=Path, default=_DB, metavar="FILE", help=f"the SQLite file ({_DB})")
    file.set_defaults(run=_write)


def _moment(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone().timestamp())


_moment.__name__ = "time, such as 2026-03-01 or 2026-03-01T12:00+01:00"  # what argparse calls it


def _write(options: argparse.Namespace) -> int:
    from smgw.transparency.document import UsagePoint
    from smgw.transparency.errors import TransparencyError
    from smgw.transparency.writer import write_file

    from emp.answers.consumer_file import Wanted, with_lists
    from emp.store.sqlite_storage import SqliteView

    if options.end <= options.begin:
        raise TransparencyError("--to is not after --from; exchange them")
    view = SqliteView(options.db)
    try:
        devices, gateway = _devices(view, options.device)
        point = UsagePoint(
            options.usage_point,
            options.customer,
            options.supplier,
            str(gateway),
            options.tariff,
            _certificates(options.trust, gateway),
            (),
        )
        point = with_lists(view, point, Wanted(options.begin, options.end, devices))
    finally:
        view.close()
    write_file(point, options.file)
    print(f"{options.file}: {len(point.lists)} lists with {sum(len(tuple(one.values)) for one in point.lists)} values")
    return 0


def _devices(view: "SqliteView", named: list[str]) -> "tuple[tuple[DeviceId, ...], DeviceId]":
    """The devices, and the gateway that delivers them."""
    from smgw.cosem.device_id import DeviceId, DeviceIdError
    from smgw.transparency.errors import TransparencyError

    try:
        devices = tuple(DeviceId.parse(text) for text in named)
    except DeviceIdError as error:
        raise TransparencyError(str(error)) from None
    for device in devices:
        if not view.has(device):
            raise TransparencyError(f"no device {device} is in this database")
    gateways = {gateway for device in devices for gateway in view.gateways_of(device)}
    if len(gateways) != 1:
        names = ", ".join(sorted(map(str, gateways)))
        raise TransparencyError(f"these devices come from {len(gateways)} gateways ({names}); a file is about one")
    return devices, gateways.pop()


def _certificates(trust: Path, gateway: "DeviceId") -> "tuple[Certificate, ...]":
    """The gateway's newest certificate for signatures, and that of the sub-CA which issued it."""
    from smgw.transparency.document import SIGNATURE, SUB_CA, Certificate
    from smgw.transparency.errors import TransparencyError
    from smgw.trust.certificate import Purpose
    from smgw.trust.errors import TrustError
    from smgw.trust.folder import AUTHORITIES, PEERS, read_authorities
    from smgw.trust.names import Role
    from smgw.trust.peers import PeersFolder

    try:
        found = PeersFolder(trust / PEERS).of(str(gateway), Role.SMGW, Purpose.SIGNATURE)
        if not found:
            raise TransparencyError(f"{trust} has no certificate for signatures of gateway {gateway}; export it anew")
        newest = max(found, key=lambda one: one.not_before_s)
        chain = read_authorities(trust / AUTHORITIES).chain(newest)
    except TrustError as error:
        raise TransparencyError(str(error)) from None
    return (Certificate(SIGNATURE, newest.der, 1), Certificate(SUB_CA, chain[1].der))
