"""`smgw dump dlms`, in a process of its own and in this one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from captures import OWN
from smgw.dlms.carriers.wrapper import encode_wrapper
from smgw.dump.dlms import Printer
from smgw.dump.keys import Keys
from smgw.hdlc.address import Address

FIRMWARE = Path(__file__).parents[2] / "firmware"
COMMAND = [sys.executable, "-m", "smgw", "dump", "dlms"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(FIRMWARE)}
AMSHAN = OWN / "dlms" / "amshan"
CLIENT, METER = Address(16), Address(1, 17)
CLIENT_TITLE, METER_TITLE = b"SMGW\x00\x00\x00\x01", b"LGZ\x00\x00\x00\x00\x02"


def dump(*arguments: object, octets: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], input=octets or b"", capture_output=True, env=ENVIRONMENT, timeout=60
    )


class Printed:
    """What the printer said, in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def of(self, octets: bytes, keys: Keys = Keys(), *, as_json: bool = False) -> tuple[str, str]:  # noqa: B008
        printer = Printer(keys, as_json=as_json)
        printer.receive(octets)
        printer.finish()
        printer.summary()
        captured = self._capture.readouterr()
        return captured.out, captured.err


def wrapped(*apdus: bytes) -> bytes:
    return b"".join(encode_wrapper(16, 1, apdu) for apdu in apdus)
