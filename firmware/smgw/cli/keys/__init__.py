"""`smgw keys`: private keys and certificates of the gateway. Each action is one module of this package."""

import argparse
from typing import Final

from smgw.cli.actions import add_actions, run_action

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its actions."""
    parser.epilog = _EPILOG
    add_actions(parser, __name__, _ACTIONS)


def run(arguments: argparse.Namespace) -> int:
    """Do it; its exit code."""
    return run_action(arguments)
