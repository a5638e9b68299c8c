"""In the peers' own environment: pydlms-client's meter simulator until standard input ends. Prints where it listens.

One JSON argument: {"link": "hdlc" | "wrapper" | "pty", "clients": {"1": [mechanism, secret hex, ciphered]}, "key": hex,
"auth_key": hex, "suite": n, "max_pdu": n, "gbt": {"window": n, "drop": [n], "ignore": [n]}, "without": [name],
"short": true, "rows": n, "push": hex, "push_frame": "ui" | "i",
"sign": hex, "verify": hex, "hdlc": {options of HdlcServer}}.
"""

import json
import os
import pty
import sys
import threading
import tty

from pydlms.apdu.xdlms import Conformance
from pydlms.association import Mechanism
from pydlms.cosem.types import DlmsData
from pydlms.simulator import ClientProfile, HdlcServer, example_meter, serve

wanted = json.loads(sys.argv[1])


def octets(name):
    return bytes.fromhex(wanted[name]) if name in wanted else None


conformance = Conformance.default_ln() | Conformance.GENERAL_PROTECTION | Conformance.DATA_NOTIFICATION
if "gbt" in wanted:
    conformance |= Conformance.GENERAL_BLOCK_TRANSFER
if wanted.get("short"):
    conformance |= Conformance.READ | Conformance.WRITE | Conformance.PARAMETERIZED_ACCESS
for name in wanted.get("without", []):
    conformance &= ~Conformance[name]
simulator = example_meter(
    encryption_key=None if "suite" in wanted else octets("key"),
    authentication_key=None if "suite" in wanted else octets("auth_key"),
    max_pdu=wanted.get("max_pdu", 1024),
    conformance=conformance,
)
if "suite" in wanted:
    from pydlms.security.context import SecurityContext

    simulator.encryption_key, simulator.authentication_key = octets("key"), octets("auth_key")
    simulator.security = SecurityContext(
        octets("key"), octets("auth_key"), client_system_title=simulator.system_title, suite=wanted["suite"]
    )
for sap, (mechanism, secret, ciphered) in wanted.get("clients", {}).items():
    key = None
    if mechanism == 7:
        from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

        simulator.signing_key = load_der_private_key(octets("sign"), None)
        key = load_der_public_key(octets("verify"))
    simulator.clients[int(sap)] = ClientProfile(
        Mechanism(mechanism), bytes.fromhex(secret) or None, ciphered, client_public_key=key
    )
simulator.add_object(1, "0.0.96.13.0.255", {2: DlmsData.octet_string(b"")})
if "rows" in wanted:
    rows = [
        DlmsData.structure(
            [
                DlmsData.octet_string(
                    bytes.fromhex("07ea0101ff") + bytes((n // 4 % 24, n % 4 * 15, 0, 0, 255, 196, 0))
                ),
                DlmsData.uint32(1_000_000 + 7 * n),
                DlmsData.uint32(n),
                DlmsData.uint8(n % 3),
            ]
        )
        for n in range(wanted["rows"])
    ]
    simulator.add_object(7, "1.0.99.2.0.255", {2: DlmsData.array(rows)})
simulator.add_method(9, "0.0.10.0.0.255", 1, lambda _meter, parameters: parameters)
if "gbt" in wanted:
    simulator.gbt_window = wanted["gbt"].get("window", 1)
    simulator.drop_gbt_blocks = set(wanted["gbt"].get("drop", []))
    simulator.drop_gbt_requests = set(wanted["gbt"].get("ignore", []))
if "push" in wanted:
    simulator.push_before_response(octets("push"), hdlc_frame=wanted.get("push_frame", "ui"))


class Line:
    """What HdlcServer wants of a socket, on a pty."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def sendall(self, data):
        while data:
            data = data[os.write(self.descriptor, data) :]


if wanted["link"] == "pty":
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    server = HdlcServer(simulator, Line(ours), **wanted.get("hdlc", {}))

    def run():
        while True:
            try:
                server.feed(os.read(ours, 4096))
            except OSError:
                return

    threading.Thread(target=run, daemon=True).start()
    print(os.ttyname(theirs), flush=True)
else:
    print(serve(simulator, hdlc=wanted["link"] == "hdlc", **wanted.get("serve", {})).server_address[1], flush=True)
sys.stdin.read()
