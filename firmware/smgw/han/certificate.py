"""The certificate that the house is shown: made at the first start, by a short child process.

The library that makes it would stay in the memory of the process, 10 MB.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from smgw.errors import SmgwError
from smgw.han.server.rules import SHARED_NAME
from smgw.trust.han_tls import own_files
from smgw.trust.tls_rules import Own

_SECONDS: Final = 60
_DAY_S: Final = 86_400
#: What browsers and client programs know.
_CURVE: Final = "p256"
#: A board without a clock begins in 1970 or when its software was built: no browser takes such a certificate.
_EARLIEST_S: Final = 1_767_225_600  # 2026-01-01
_PROGRAM: Final = "import sys; from smgw.han.certificate import make; make(sys.argv[1], sys.argv[2])"


def self_signed(directory: Path, gateway_id: str) -> Own:
    """Certificate and key in this directory; they are made if one is missing. SmgwError: they cannot be made."""
    own = own_files(directory)
    if not own.certificate.exists() or not own.key.exists():
        command = [sys.executable, "-c", _PROGRAM, str(directory), gateway_id]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603 - ourselves
        if done.returncode:
            raise SmgwError(f"the certificate for the HAN cannot be made: {done.stderr.strip()[-300:]}")
    return own


def make(directory: str, gateway_id: str) -> None:
    """Make both files; replaces what is there."""
    from smgw.trust.self_signed import write_self_signed

    own = gateway_id.lower()
    hosts = (f"{own}.smgw", f"{own}.local", SHARED_NAME)
    begins_s = max(_EARLIEST_S, int(time.time()) - _DAY_S)
    write_self_signed(own_files(Path(directory)), hosts[0], _CURVE, begins_s, hosts=hosts)
