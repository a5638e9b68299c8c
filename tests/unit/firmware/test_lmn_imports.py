"""What the process that reads meters carries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import smgw
from lmn_tls import Lmn, s_server

_FORBIDDEN = ("lxml", "urllib3", "ssl", "_ssl", "http.client", "asyncio", "urllib.request", "email", "ntplib")
#: What is large and of use to no gateway whose meters push: dataclasses bring inspect, ast and dis along, argparse
#: would bring shutil, and that three compressors.
_HEAVY = (
    "dataclasses",
    "inspect",
    "ast",
    "decimal",
    "shutil",
    "bz2",
    "lzma",
    "_hashlib",
    "smgw.lmn.polling",
    "smgw.lmn.sml.poll",
    "smgw.profiles.protocols.dlms",
    "smgw.dlms",
    "smgw.hdlc",
    "serial.rfc2217",
    "smgw.ports.rfc2217",
    "smgw.ports.telnet",
    "smgw.ports.tls",
    "smgw.trust",
    "cryptography",
)
_PROGRAM = """
import json, socket, sys
import smgw.services.lmn
from smgw.cli import main
assert main(["lmn", "--config", "/nonexistent/gateway.toml"]) == 2
from smgw.ports import LineSettings, open_port
before = sorted(sys.modules)
with socket.create_server(("127.0.0.1", 0)) as listener:
    with open_port(f"socket://127.0.0.1:{listener.getsockname()[1]}", LineSettings()) as port:
        peer, _ = listener.accept()
        peer.sendall(b"hello")
        assert port.wait(2) and port.read() == b"hello"
        peer.close()
print(json.dumps([before, sorted(sys.modules)]))
"""

_WITH_TLS = """
import json, sys, time
from pathlib import Path
from smgw.clock import GatewayClock
from smgw.ports import LineSettings, Security, open_port
security = Security(Path(sys.argv[1]), ("house",), GatewayClock().stamp)
with open_port(sys.argv[2], LineSettings(), security=security) as port:
    port.write(b"retem\\n")
    assert port.wait(20) and port.read() == b"meter\\n"
print(json.dumps(sorted(sys.modules)))
"""


def test_a_meter_with_tls_brings_ssl_and_no_large_library(tmp_path: Path) -> None:
    lmn = Lmn(tmp_path)
    files = ("-cert", str(lmn.meter.certificate), "-key", str(lmn.meter.key))
    with s_server(*files, "-rev", "-named_curve", "brainpoolP256r1") as (number, _):
        found = subprocess.run(
            [sys.executable, "-W", "error", "-c", _WITH_TLS, str(lmn.trust), f"tls://127.0.0.1:{number}"],
            env={**os.environ, "PYTHONPATH": str(Path(smgw.__file__).parent.parent)},
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert found.returncode == 0, found.stderr
    modules = set(json.loads(found.stdout))
    assert "ssl" in modules
    assert modules.isdisjoint({"cryptography", "smgw.trust.certificate", "smgw.trust.chain", "asyncio"})


def test_the_reading_process_carries_no_xml_no_http_no_tls_and_no_event_loop() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(smgw.__file__).parent.parent)}
    environment.pop("COVERAGE_PROCESS_START", None)  # the tool of `make test` would count as ours
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert found.returncode == 0, found.stderr
    for modules in json.loads(found.stdout):
        assert "smgw.services.lmn" in modules
        assert [name for name in modules if name in _HEAVY] == []
        assert [name for name in modules if name in _FORBIDDEN or name.startswith(("lxml.", "urllib3."))] == []


_WITH_P1 = """
import json, sys
from smgw.cosem import ClockState, Stamp
from smgw.lmn.contract import Surroundings
from smgw.lmn.p1.push import P1Push
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import P1Profile
from smgw.profiles.secrets import Secrets
stamp = Stamp("0" * 32, 1, 1, 1, ClockState.INVALID)
class Still:
    def stamp(self):
        return stamp
meter = P1Push(MeterProfile("flat", "dsmr-p1", "/dev/null", options=P1Profile()), Secrets(), Surroundings(Still()))
assert meter.receive(b"/XXX5\\r\\n\\r\\n1-0:1.8.0(1.5*kWh)\\r\\n!\\r\\n", stamp)
print(json.dumps(sorted(sys.modules)))
"""


def test_a_meter_with_a_p1_port_in_the_clear_brings_neither_dlms_nor_cryptography() -> None:
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", _WITH_P1],
        env={**os.environ, "PYTHONPATH": str(Path(smgw.__file__).parent.parent)},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert set(json.loads(found.stdout)).isdisjoint(
        {"cryptography", "smgw.dlms", "smgw.hdlc", "smgw.lmn.dlms", "decimal"}
    )
