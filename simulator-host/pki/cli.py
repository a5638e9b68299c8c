"""The command `smgw-pki`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from smgw.errors import SmgwError, reason
from smgw.trust.certificate import Purpose, utc
from smgw.trust.crl import RevocationList
from smgw.trust.errors import FileError
from smgw.trust.keys.private_file import read_passphrase
from smgw.trust.names import Role, Subject, gateway

from pki import __version__, profile
from pki.export import export, participants
from pki.folder import DAY, Days, Pki
from pki.index import Entry, Index

_EPILOG = """\
the whole way, with a gateway EXXX0012345678 and an EMP Stadtwerke:
  smgw-pki init                                       once: root, sub-CA, revocation lists, in ./smgw-pki
  smgw-pki emp Stadtwerke --host emp.example.org      keys and certificates of the EMP
  smgw keys request --out requests                    on the gateway: keys stay there, requests/*.csr come here
  smgw-pki gateway EXXX0012345678 --request requests  certificates for these requests
  smgw-pki export EXXX0012345678 gateway              its trust folder: copy it to the gateway, then there:
  smgw keys install gateway                           takes the folder
  smgw-pki export Stadtwerke emp-trust                that of the EMP, for `emp serve --trust emp-trust`

later:
  smgw-pki list                                       who has what, and how many days are left
  smgw-pki renew Stadtwerke --begin-days 7            new keys; until then there is time to tell the others
  smgw-pki renew EXXX0012345678 --request requests2   the same for a gateway; it makes new keys
  smgw-pki renew ca                                   the next sub-CA, before the old one has less than two years
  smgw-pki renew root                                 the next root, with a sub-CA: years before the old one ends
  smgw-pki revoke EXXX0012345678 --generation 1       ends certificates early
  smgw-pki crl                                        new lists, before the old ones end
After each of these run `smgw-pki export` again with the same folder, or `smgw-pki export --all DIR`, and copy what it
wrote to every gateway and EMP. Files that are no longer needed vanish. A private key leaves this PC only in the folder
of the EMP or administrator it is for.

Back up the folder: index.json and private/ cannot be made again. Names are those of a test PKI (SM-Test-PKI-DE):
these certificates are for a field trial, and not for the SM-PKI of the BSI.
"""

_EXAMPLES = {
    "init": ["smgw-pki init", "smgw-pki --passphrase authorities.passphrase init --curve p256"],
    "gateway": ["smgw-pki gateway EXXX0012345678 --request requests"],
    "emp": ["smgw-pki emp Stadtwerke --host emp.example.org"],
    "gwa": ["smgw-pki gwa Admin"],
    "renew": [
        "smgw-pki renew Stadtwerke --begin-days 7",
        "smgw-pki renew EXXX0012345678 --request requests2",
        "smgw-pki renew ca",
    ],
    "revoke": ["smgw-pki revoke Stadtwerke --generation 1", "smgw-pki revoke EXXX0012345678"],
    "export": ["smgw-pki export --all folders", "smgw-pki export EXXX0012345678 gateway"],
    "crl": ["smgw-pki crl"],
    "list": ["smgw-pki list", "smgw-pki --pki /media/usb/smgw-pki list"],
}

_EXPORT_ALL = "Run `smgw-pki export --all DIR`, and copy the folders to every gateway and EMP."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status: 0 well, 1 an error that was told, 2 a wrong command line."""
    given = _parser().parse_args(arguments)
    try:
        passphrase = read_passphrase(given.passphrase) if given.passphrase else b""
        days = Days(**{name: getattr(given, name) for name in Days._fields if hasattr(given, name)})
        if given.command != "init" and not (given.pki / "index.json").exists():
            raise FileError(
                "there is no PKI here", "Make one with `smgw-pki init`, or name it with --pki.", file=given.pki
            )
        with Pki.opened(given.pki, int(time.time()), passphrase, days) as pki:
            given.run(pki, given)
    except SmgwError as error:
        print(f"smgw-pki: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(f"smgw-pki: {error.filename or 'the system'}: {reason(error)}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smgw-pki",
        description="A PKI for a field trial: certificates of gateways, EMPs and administrators by TR-03109-4.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"smgw-pki {__version__}")
    parser.add_argument("--pki", type=Path, default=Path("smgw-pki"), metavar="DIR", help="the folder (./smgw-pki)")
    parser.add_argument(
        "--passphrase", type=Path, metavar="FILE", help="file (mode 0600) with the passphrase of the authorities' keys"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    init = commands.add_parser("init", help="make root, sub-CA and revocation lists")
    init.add_argument("--curve", choices=tuple(profile.CURVES), default="brainpool", help="curve (%(default)s)")
    init.add_argument("--name", default="Trial", help="organization of the sub-CA (%(default)s)")
    init.add_argument(
        "--crl-url", default=profile.Terms().crl_url, help="address of the lists in the certificates (%(default)s)"
    )
    init.add_argument(
        "--contact", default=profile.Terms().contact, help="URI of the issuer in the certificates (%(default)s)"
    )
    _days(init, "root", "sub_ca", "root_list", "list")
    init.set_defaults(run=_init)

    one = commands.add_parser("gateway", help="a gateway's certificates, for the requests of `smgw keys request`")
    one.add_argument("id", metavar="ID", help="DIN 43863-5 id, such as EXXX0012345678")
    one.add_argument("--request", type=Path, required=True, metavar="DIR", help="folder with tls.csr, sig.csr, enc.csr")
    _days(one, "end")
    one.set_defaults(run=_gateway)

    for name, role, text in (("emp", Role.EMT, "an EMP (role EMT)"), ("gwa", Role.GWA, "an administrator")):
        one = commands.add_parser(name, help=f"keys and certificates of {text}")
        one.add_argument("name", metavar="NAME", help="organization, such as Stadtwerke")
        one.add_argument("--extension", default="", metavar="EXT", help=f"NAME.{role.value}.EXT, for a second one")
        _hosts(one)
        _key_passphrase(one)
        _days(one, "end")
        one.set_defaults(run=_organization, role=role)

    one = commands.add_parser("renew", help="the next certificates; the old ones stay valid")
    one.add_argument("name", metavar="NAME", help="gateway, organization, ca for the sub-CA, or root")
    one.add_argument("--request", type=Path, metavar="DIR", help="new requests of a gateway")
    _hosts(one)
    _key_passphrase(one)
    one.add_argument(
        "--begin-days",
        dest="begin",
        type=_begin,
        default=0,
        metavar="N",
        help="how many days from now the new certificates begin: until then the old ones are used (%(default)s)",
    )
    _days(one, "end", "sub_ca", "root")
    one.set_defaults(run=_renew)

    one = commands.add_parser("revoke", help="end certificates before their time")
    one.add_argument("name", metavar="NAME", help="gateway or organization")
    one.add_argument("--generation", type=int, metavar="N", help="only those of this renewal (default: all)")
    _days(one, "root_list", "list")
    one.set_defaults(run=_revoke)

    one = commands.add_parser("export", help="the whole trust folder of a participant, or of all")
    one.add_argument("name", nargs="?", metavar="NAME", help="gateway or organization")
    one.add_argument("target", type=Path, metavar="DIR", help="folder; after a change run it again with the same one")
    one.add_argument("--all", action="store_true", help="those of all participants, each in a folder of DIR")
    one.set_defaults(run=_export)

    one = commands.add_parser("crl", help="sign the revocation lists anew")
    _days(one, "root_list", "list")
    one.set_defaults(run=_crl)

    commands.add_parser("list", help="who has what, and how many days are left").set_defaults(run=_list)
    for name, command in commands.choices.items():
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = "\n  ".join(("examples:", *_EXAMPLES[name]))
    return parser


_LIVES = {
    "root": "the root",
    "sub_ca": "the sub-CA",
    "end": "each certificate",
    "root_list": "the revocation list of the root",
    "list": "the revocation list of the sub-CA",
}


def _days(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        option = "--days" if name == "end" else f"--{name.replace('_', '-')}-days"
        default = Days._field_defaults[name]
        parser.add_argument(
            option,
            dest=name,
            type=_positive,
            default=default,
            metavar="N",
            help=f"how long {_LIVES[name]} lives (%(default)s)",
        )


def _hosts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="DNS name of its server; repeatable; a renewal keeps those before",
    )


def _key_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key-passphrase", type=Path, metavar="FILE", help="file (mode 0600) with a passphrase for the new keys"
    )


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 36_500:
        raise argparse.ArgumentTypeError("must be 1 to 36500 days")
    return number


def _begin(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 365:
        raise argparse.ArgumentTypeError("must be 0 to 365 days")
    return number


def _init(pki: Pki, given: argparse.Namespace) -> None:
    pki.init(given.curve, given.name, profile.Terms(given.crl_url.rstrip("/"), given.contact))
    print(f"{pki.folder}: made root and sub-CA {given.name}.CA. Back up index.json and private/.")
    if not given.passphrase:
        print("The keys of the authorities have no passphrase. See --passphrase.")


def _gateway(pki: Pki, given: argparse.Namespace) -> None:
    _told(pki, pki.issue_for_keys_of(gateway(given.id), given.request, renewal=False))


def _organization(pki: Pki, given: argparse.Namespace) -> None:
    subject = Subject.checked(given.role, given.name, given.extension)
    _told(pki, pki.issue_with_keys(subject, tuple(given.host), _passphrase(given), renewal=False))


def _renew(pki: Pki, given: argparse.Namespace) -> None:
    if given.name in ("ca", "root"):
        made = pki.renew_authority() if given.name == "ca" else pki.renew_root()
        print(f"made {', '.join(str(one.certificate.subject) for one in made)}. {_EXPORT_ALL}")
        return
    subject = pki.find(given.name).certificate.subject
    if subject.role.is_authority:
        raise FileError(
            "an authority is renewed by its kind", "Use `smgw-pki renew ca` or `renew root`.", subject=str(subject)
        )
    if subject.role is Role.SMGW:
        if given.request is None:
            raise FileError(
                "a renewal needs new requests of the gateway",
                "Make them with `smgw keys request`, and name them with --request.",
                subject=str(subject),
            )
        _told(pki, pki.issue_for_keys_of(subject, given.request, renewal=True))
    else:
        _told(pki, pki.issue_with_keys(subject, tuple(given.host), _passphrase(given), renewal=True))


def _passphrase(given: argparse.Namespace) -> bytes:
    return read_passphrase(given.key_passphrase) if given.key_passphrase else b""


def _told(pki: Pki, made: list[Entry]) -> None:
    first = made[0].certificate
    begin = f"from {utc(first.not_before_s)} " if first.not_before_s > pki.now_s else ""
    print(f"{first.subject}: TLS, SIG and ENC {begin}until {utc(min(one.certificate.not_after_s for one in made))}")
    print(f"Next: smgw-pki export {first.subject.owner} DIR, and the same for those that deal with it.")
    print(f"Pin of its TLS certificate (SHA-256): {first.fingerprint}")
    if min(one.certificate.not_after_s for one in made) < pki.now_s + (pki.days.begin + pki.days.end) * DAY:
        print("They end with the sub-CA. Make the next one: `smgw-pki renew ca`.")


def _revoke(pki: Pki, given: argparse.Namespace) -> None:
    found = pki.revoke(given.name, given.generation)
    done = f"revoked {len(found)} certificates" if found else "all of them were revoked before"
    print(f"{done}. {_EXPORT_ALL}")


def _crl(pki: Pki, _given: argparse.Namespace) -> None:
    names = ", ".join(f"{name}.crl" for name in pki.renew_lists())
    print(f"signed {names}. {_EXPORT_ALL}")


def _export(pki: Pki, given: argparse.Namespace) -> None:
    if given.all == (given.name is not None):
        raise FileError("whose folder is not said", "Write a name before the folder, or --all.", file=given.target)
    for name in participants(pki) if given.all else [given.name]:
        target = given.target / name if given.all else given.target
        done = export(pki, name, target)
        print(f"{target}: trust folder of {done.subject}, {done.written} files written, {done.removed} removed")
        print(f"  It knows {', '.join(done.peers) or 'nobody'}.")
        if done.subject.role is Role.SMGW:
            print(f"  Copy it to the gateway, then: smgw keys install {target.name}")
        else:
            print("  It holds private keys. Copy it to that participant only.")


def _list(pki: Pki, _given: argparse.Namespace) -> None:
    index = pki.load()
    rows = [("name", "use", "no.", "serial number", "valid until", "days left", "state")]
    rows += [_row(one, pki.now_s) for one in sorted(index.entries, key=_order)]
    rows += list(_list_rows(index, pki.now_s))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


_Row = tuple[str, str, str, str, str, str, str]


def _order(one: Entry) -> tuple[bool, str, int]:
    return one.certificate.purpose is not Purpose.AUTHORITY, one.name, one.generation


def _row(one: Entry, now_s: int) -> _Row:
    found, state = one.certificate, one.state(now_s)
    use = "CA" if found.purpose is Purpose.AUTHORITY else found.purpose.value.upper()
    serial = f"{found.serial_number:x}"[:16]
    left = _left(found.not_after_s, now_s) if state == "valid" else "-"
    if state == "valid" and found.not_before_s > now_s:
        state = f"from {utc(found.not_before_s)[:10]}"
    return one.name, use, str(one.generation), serial, utc(found.not_after_s)[:10], left, state


def _list_rows(index: Index, now_s: int) -> list[_Row]:
    rows = []
    for name, (number, pem) in index.lists.items():
        until_s = RevocationList.from_octets(pem.encode()).next_update_s
        state = "valid" if until_s >= now_s else "outdated: smgw-pki crl"
        rows.append((name, "CRL", str(number), "", utc(until_s)[:10], _left(until_s, now_s), state))
    return rows


def _left(until_s: int, now_s: int) -> str:
    return str(max(0, (until_s - now_s) // DAY))
