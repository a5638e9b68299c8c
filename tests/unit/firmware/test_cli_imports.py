"""What the commands that a person waits for must not import before they answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import smgw

#: Large, and of use to none of these commands: they print help, or look at files.
_HEAVY = frozenset(
    (
        "ast", "asyncio", "bz2", "cryptography", "dataclasses", "email", "hashlib", "http", "inspect", "lxml", "lzma",
        "ntplib", "pkg_resources", "importlib.metadata", "serial", "shutil", "socket", "ssl", "subprocess", "systemd",
        "tempfile", "urllib3", "zipfile", "smgw.dlms", "smgw.hdlc", "smgw.lmn", "smgw.metering", "smgw.ports",
        "smgw.services", "smgw.sml", "smgw.wan",
    )
)  # fmt: skip
#: The help needs only argparse.
_HELP = _HEAVY | {"logging", "sqlite3", "tomllib", "smgw.clock", "smgw.cosem", "smgw.profiles", "smgw.reports"}
_PROGRAM = """
import contextlib, io, json, sys
from smgw.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print(json.dumps(sorted(sys.modules)))
"""


def imported(*arguments: str) -> set[str]:
    """The modules of a process that ran this command."""
    environment = {**os.environ, "PYTHONPATH": str(Path(smgw.__file__).parent.parent)}
    environment.pop("COVERAGE_PROCESS_START", None)  # the tool of `make test` would count as ours
    found = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", _PROGRAM, *arguments],  # -S: no finder of the environment
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert found.returncode == 0, found.stderr
    return set(json.loads(found.stdout))


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("nonsense",)])
def test_the_help_imports_no_room(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments) & _HELP == set()
