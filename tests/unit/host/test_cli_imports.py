"""What `emp` and `smsim` must not import before they answer a person."""

import json
import os
import subprocess
import sys
from pathlib import Path

import emp
import smgw

#: Large, and of use only to a server or to running meters.
_HEAVY = frozenset(
    (
        "aiohttp", "asyncio", "cryptography", "dataclasses", "email", "hashlib", "http", "inspect", "logging", "lxml",
        "importlib.metadata", "importlib.resources", "pkg_resources", "serial", "socket", "sqlite3", "ssl",
        "subprocess", "tempfile", "zipfile", "zoneinfo",
    )
)  # fmt: skip
_PROGRAM = """
import contextlib, io, json, sys
from importlib import import_module
main = import_module(sys.argv[1]).main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(sys.argv[2:])
print(json.dumps(sorted(sys.modules)))
"""


def imported(*arguments: str) -> set[str]:
    """The modules of a process that ran this command."""
    paths = (Path(package.__file__).parent.parent for package in (smgw, emp) if package.__file__)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
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


def test_the_help_of_emp_imports_no_server_and_no_store() -> None:
    found = imported("emp.cli", "--help")
    assert found & _HEAVY == set()
    ours = {name for name in found if name.startswith(("emp.", "smgw."))}
    assert ours <= {"emp.cli", "emp.cli_bill", "emp.cli_serve", "emp.cli_store", "emp.cli_transparency", "smgw.errors"}


def test_the_help_of_smsim_imports_no_meter() -> None:
    found = imported("smsim.cli", "--help")
    assert found & _HEAVY == set()
    assert {name for name in found if name.startswith("smsim.")} <= {"smsim.cli", "smsim.errors"}


def test_the_styles_are_listed_without_lines_and_protocols() -> None:
    found = imported("smsim.cli", "styles")
    assert found & _HEAVY == set()
    assert not found & {
        "smsim.line",
        "smsim.simulator",
        "smsim.sml.meter",
        "smgw.dlms",
        "smgw.ports",
        "smgw.sml.server",
    }
