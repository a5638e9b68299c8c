"""What the commands that a person waits for must not import before they answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import smgw
from gateway_state import gateway_state
from smgw.store import paths
from smgw.store.wan.store import WanStore

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
#: A configuration is checked without a store and without a clock.
_CHECK = _HEAVY | {"decimal", "logging", "sqlite3", "smgw.reports", "smgw.store.file", "smgw.clock"}
#: The state is read without the code that writes databases.
_STATUS = _HEAVY | {
    "decimal",
    "logging",
    "smgw.store.file.owned",
    "smgw.store.file.writer",
    "smgw.store.lmn.pending",
    "smgw.store.lmn.store",
    "smgw.store.wan.store",
}

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


def test_a_configuration_is_checked_without_the_store(tmp_path: Path) -> None:
    with gateway_state(tmp_path) as gateway:
        assert imported("check", *gateway.arguments) & _CHECK == set()


def test_the_state_is_shown_without_the_code_that_writes_it(tmp_path: Path) -> None:
    with gateway_state(tmp_path) as gateway:
        WanStore.open(paths.wan_directory(gateway.state)).close()
        found = imported("status", *gateway.arguments)
    assert "smgw.store.lmn.view" in found
    assert "smgw.store.wan.view" in found
    assert found & _STATUS == set()
