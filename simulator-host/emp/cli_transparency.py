"""The command `emp transparency`."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smgw.cosem.device_id import DeviceId
    from smgw.cosem.evaluation_facts import EvaluationFacts
    from smgw.transparency.document import Certificate

    from emp.store.sqlite_storage import SqliteView

_DB = Path("emp.db")


def add_commands(commands: Any) -> None:
    """`commands`: what argparse's add_subparsers gave."""
    file = commands.add_parser(
        "transparency",
        help="write the consumer's file for the display software TRuDI",
        description="Write the values of meters and evaluations as a file of VDE-AR 2418-6, for the display software "
        "TRuDI. Evaluations of the usage point are found, as far as they name it; meters are given here. The "
        "consumer's log book is in the gateway alone: `smgw transparency` writes it.",
    )
    file.add_argument("file", type=Path, metavar="FILE", help="the file to write, such as january.xml")
    file.add_argument("--usage-point", required=True, metavar="ID", help="the usage point")
    file.add_argument("--customer", required=True, metavar="ID", help="the consumer")
    file.add_argument("--supplier", required=True, metavar="ID", help="the invoicing party")
    file.add_argument(
        "--tariff", metavar="NAME", help="the tariff, as the supplier calls it (default: the name of the evaluation)"
    )
    file.add_argument(
        "--device",
        action="append",
        default=[],
        metavar="DEVICE",
        help="a meter, or an evaluation that does not name the usage point; several times",
    )
    file.add_argument(
        "--meter", metavar="ID", help="the meter of the evaluations, if its own readings are not here (no --device)"
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

    from emp.answers.consumer_file import Wanted, evaluations_of, with_lists
    from emp.store.sqlite_storage import SqliteView

    if options.end <= options.begin:
        raise TransparencyError("--to is not after --from; exchange them")
    view = SqliteView(options.db)
    try:
        named = _named(view, options.device)
        found = evaluations_of(view, options.usage_point, named)
        devices = (*named, *(device for device in found if device not in named))
        gateway = _gateway(view, devices, options.usage_point)
        point = UsagePoint(
            options.usage_point,
            options.customer,
            options.supplier,
            str(gateway),
            options.tariff or _tariff(found),
            _certificates(options.trust, gateway),
            (),
        )
        meter = _meter(named, options.meter)
        point = with_lists(view, point, Wanted(options.begin, options.end, devices, meter))
    finally:
        view.close()
    write_file(point, options.file)
    print(f"{options.file}: {len(point.lists)} lists with {sum(len(tuple(one.values)) for one in point.lists)} values")
    return 0


def _tariff(found: "Mapping[DeviceId, EvaluationFacts]") -> str:
    """The name of the evaluations."""
    from smgw.transparency.errors import TransparencyError

    names = sorted({facts.name for facts in found.values()})
    if len(names) != 1:
        known = f"the evaluations are {', '.join(names)}" if names else "no evaluation names this usage point"
        raise TransparencyError(f"write the name of the tariff with --tariff: {known}")
    return names[0]


def _named(view: "SqliteView", named: list[str]) -> "tuple[DeviceId, ...]":
    from smgw.cosem.device_id import DeviceId, DeviceIdError
    from smgw.transparency.errors import TransparencyError

    try:
        devices = tuple(DeviceId.parse(text) for text in named)
    except DeviceIdError as error:
        raise TransparencyError(str(error)) from None
    for device in devices:
        if not view.has(device):
            raise TransparencyError(f"no device {device} is in this database")
    return devices


def _meter(named: "tuple[DeviceId, ...]", said: str | None) -> "DeviceId":
    """The meter of the evaluations: TRuDI takes a list without another meter for the readings of a meter."""
    from smgw.cosem.device_id import DeviceId, DeviceIdError
    from smgw.transparency.errors import TransparencyError

    meters = [device for device in named if not device.taf]
    if said is None and not meters:
        raise TransparencyError("the file needs the meter: name it with --device, or --meter if no readings are here")
    try:
        return DeviceId.parse(said) if said is not None else meters[-1]
    except DeviceIdError as error:
        raise TransparencyError(str(error)) from None


def _gateway(view: "SqliteView", devices: "tuple[DeviceId, ...]", usage_point: str) -> "DeviceId":
    """The gateway that delivers the devices."""
    from smgw.transparency.errors import TransparencyError

    if not devices:
        raise TransparencyError(f"no evaluation names usage point {usage_point}; name the meter with --device")
    gateways = {gateway for device in devices for gateway in view.gateways_of(device)}
    if len(gateways) != 1:
        names = ", ".join(sorted(map(str, gateways)))
        raise TransparencyError(f"these devices come from {len(gateways)} gateways ({names}); a file is about one")
    return gateways.pop()


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
