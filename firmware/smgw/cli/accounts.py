"""What `smgw consumer` and `smgw technician` do alike: accounts of the HAN."""

import argparse
import hashlib
import sys
from pathlib import Path

from smgw.clock import GatewayClock
from smgw.clock.text import utc_text
from smgw.cosem import Stamp
from smgw.cosem.printable import printable
from smgw.errors import SmgwError
from smgw.han.accounts import account_of, new_password
from smgw.han.exchange import Role
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.han.accounts import put_account, remove_account
from smgw.store.han.records import Account, Pinned
from smgw.store.han.view import HanView
from smgw.store.lmn.view import LmnView
from smgw.trust.meter_certificate import MeterCertificate

_ADD, _LIST, _RESET, _REMOVE = "add", "list", "reset", "remove"
_NAME_MOST = 64
_KINDS = {Role.CONSUMER: "consumer", Role.TECHNICIAN: "technician"}


def add_arguments(parser: argparse.ArgumentParser, role: Role) -> None:
    """The action, the name, a certificate."""
    actions = [_ADD, _LIST, *([_RESET] if role is Role.CONSUMER else []), _REMOVE]
    parser.add_argument("action", choices=actions, help="what to do")
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"name of the {_KINDS[role]}")
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE", help="add: the certificate for the login, PEM or DER"
    )
    parser.set_defaults(log_level="warning")


def run(arguments: argparse.Namespace, role: Role) -> int:
    """Do it."""
    set_up_logging(arguments.log_level)
    directory = paths.han_directory(arguments.state)
    if arguments.action == _LIST:
        return _list(directory, role)
    name = checked_name(arguments.name, role)
    if arguments.action == _REMOVE:
        text = f"{_KINDS[role]} {name} was removed"
        if not remove_account(directory, role.value, name, text, _stamp(arguments.state)):
            raise SmgwError(f"there is no {_KINDS[role]} {printable(name)}; see: smgw {_KINDS[role]} list")
        print(text)
        return 0
    configuration = load(arguments.config)
    return _put(arguments, configuration, directory, role, name)


def _put(arguments: argparse.Namespace, configuration: Configuration, directory: Path, role: Role, name: str) -> int:
    found = {one.name: one for one in _accounts(directory) if one.role == role}
    known = found.get(name)
    kind, adding = _KINDS[role], arguments.action == _ADD
    if adding and known is not None and arguments.certificate is None:
        raise SmgwError(f"{kind} {name} is there already; a new password: smgw consumer reset {name}")
    if not adding and known is None:
        raise SmgwError(f"there is no {kind} {name}; add it: smgw {kind} add {name}")
    if role is Role.TECHNICIAN and arguments.certificate is None:
        raise SmgwError("a technician logs in with a certificate only; name it with --certificate FILE")
    stamp = _stamp(arguments.state)
    realm = str(configuration.gateway.device_id).lower()
    pin = _pin(arguments.certificate, role, name, stamp.utc_us) if arguments.certificate else None
    password = None if pin else new_password()
    if pin and known is not None:
        account = known._replace(changed_us=stamp.utc_us)
    else:
        account = account_of(role, name, realm, password, stamp.utc_us)
    what = "got a certificate" if pin else "was added" if adding else "got a new password"
    put_account(directory, account, f"{kind} {name} {what}", stamp, (pin,) if pin else ())
    print(f"{kind} {name} {what}")
    if password is not None:
        print(f"\n    name      {name}\n    password  {password}\n")
        print("It is shown this once. Hand it over; a new one: smgw consumer reset " + name)
    if configuration.han is None:
        print("The configuration has no [han], so nobody answers yet. Write [han] into it.", file=sys.stderr)
    if role is Role.CONSUMER and name not in _consumers(configuration):
        text = f"No [[evaluation]] and no [[consumer]] of the configuration has the name {name}: it sees no meter yet."
        print(text, file=sys.stderr)
    return 0


def _list(directory: Path, role: Role) -> int:
    pins: list[Pinned] = []
    accounts: list[Account] = []
    try:
        with HanView.open(directory) as view:
            accounts, pins = view.accounts(), view.certificates()
    except StoreAbsent:
        pass
    for one in (account for account in accounts if account.role == role):
        own = [pin.fingerprint.hex()[:16] for pin in pins if (pin.role, pin.name) == (one.role, one.name)]
        ways = [*(["password"] if one.sha256 else []), *(f"certificate {text}" for text in own)]
        print(printable(f"{one.name}  {', '.join(ways) or 'no login'}  changed {utc_text(one.changed_us)}"))
    return 0


def checked_name(name: str | None, role: Role) -> str:
    """A name that a login can have; SmgwError."""
    if not name:
        raise SmgwError(f"whose? Write the name of the {_KINDS[role]} behind the action")
    if len(name) > _NAME_MOST or not name.isascii() or not name.isprintable() or set(name) & set(' ":\\'):
        raise SmgwError(f'{printable(name)} is no name; write 1 to {_NAME_MOST} characters without blanks, ", : and \\')
    return name


def _pin(file: Path, role: Role, name: str, now_us: int) -> Pinned:
    """Raises TrustError."""
    found = MeterCertificate.from_file(file)
    print(f"its fingerprint (SHA-256) is {found.fingerprint}; compare it")
    return Pinned(hashlib.sha256(found.der).digest(), role.value, name, found.der, now_us)


def _accounts(directory: Path) -> list[Account]:
    try:
        with HanView.open(directory) as view:
            return view.accounts()
    except StoreAbsent:
        return []


def _consumers(configuration: Configuration) -> set[str]:
    return {one.consumer for one in configuration.evaluations} | {one.name for one in configuration.residents}


def _stamp(state: Path) -> Stamp:
    try:
        with LmnView.open(paths.lmn_directory(state)) as view:
            return GatewayClock(saved=view.clock()).stamp()
    except SmgwError:
        return GatewayClock().stamp()
