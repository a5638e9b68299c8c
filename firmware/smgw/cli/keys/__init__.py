"""`smgw keys`: private keys and certificates of the gateway. Each action is one module of this package."""

import argparse
from importlib import import_module
from typing import Any, Final

from smgw.cli import common_arguments

#: Each module has `add_arguments(parser)` and `run(arguments) -> exit code`, as the commands have.
_ACTIONS: Final = {
    "request": "make three private keys here, and requests for their certificates",
    "install": "take over the trust folder that smgw-pki exported, after everything was checked",
    "lmn": "make or renew the gateway's own certificate for meters with TLS",
    "meter": "pin the certificate of a meter with TLS, which is believed from then on",
    "list": "which certificates and revocation lists are here, and how many days are left",
    "serve": "the agent: hold the keys for signature and encryption, and use them for the WAN process (a daemon)",
}
_EPILOG: Final = """\
the way of a trial:
  smgw keys request --out requests         makes three keys here, and requests/{tls,sig,enc}.csr
  smgw-pki gateway ID --request requests   on the PC, which makes the certificates
  smgw-pki export ID gateway               on the PC: copy this folder here
  smgw keys install gateway
meters with TLS (ports tls://host:port):
  smgw keys lmn                            makes the gateway's own certificate for meters
  smgw keys meter METER FILE               pins a meter's certificate
A renewal is the same way again: the old keys stay until you remove them.
Private keys never leave STATE/trust/own/N. Each has mode 0600, and as root it is given to the process that uses it.
"""


class _Action(argparse.ArgumentParser):
    """An action whose module is imported when somebody asks for it. So the agent carries nothing of the others."""

    module = ""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of the base class."""
        module = import_module(self.module)
        module.add_arguments(self)
        self.set_defaults(act=module.run)
        return super().parse_known_args(args, namespace)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its actions."""
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Action)
    for name, text in _ACTIONS.items():
        one = actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", formatter_class=parser.formatter_class
        )
        common_arguments(one, again=True)
        one.module = f"smgw.cli.keys.{name}"


def run(arguments: argparse.Namespace) -> int:
    """Do it; its exit code."""
    return int(arguments.act(arguments))
