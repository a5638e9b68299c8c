"""The head-end as a service, beside the gateway or alone; and the README's ten steps, followed as they are written."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_head import HostHead
from machine import ROOT, Machine, emp_of, tar_of

README = Path(os.environ.get("SMGW_README", ROOT / "README.md"))
HEADING = "## From Raspberry Pi OS to readings at the EMP"
HEAD = "/dev/smgw/serial-cp2102-0133D2A7"
EMP_DB = "/var/lib/emp/emp.db"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Its head has the name that udev would have given it; there is no sudo in so small a Debian."""
    head = HostHead()
    folder = tmp_path_factory.mktemp(request.param)
    with Machine(tar_of(request.param), folder, {head.path: "/dev/ttyUSB0"}) as machine:
        machine.write("/usr/bin/sudo", '#!/bin/sh\nexec "$@"\n', 0o755)
        machine.run("mkdir", "-p", "/dev/smgw")
        machine.run("ln", "-s", "/dev/ttyUSB0", HEAD)
        yield machine
    head.close()


def steps() -> list[list[str]]:
    """The commands of each step."""
    text = README.read_text()
    assert HEADING in text, f"{README} has no section {HEADING!r}"
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    numbered = re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]
    return [
        [
            line.strip()
            for block in re.findall(r"```sh\n(.*?)```", step, re.DOTALL)
            for line in block.splitlines()
            if line.strip()
        ]
        for step in numbered
    ]


def rows(machine: Machine) -> int:
    found = re.match(r"\S+: \d+ gateways, (\d+) rows", machine.try_run("emp", "status", "--db", EMP_DB).stdout)
    return int(found[1]) if found else 0


def test_ten_steps_lead_from_an_installed_system_to_readings_at_the_emp(machine: Machine, deb: Path) -> None:
    written = steps()
    assert len(written) == 10
    for package in (deb, emp_of(deb)):
        machine.copy(package, f"/root/{package.name}")
    for number, commands in enumerate(written, 1):
        for command in commands:
            if " dump " in command:  # a person ends it; SIGINT is Ctrl-C
                command = f"timeout --preserve-status -s INT 6 {command}"  # noqa: PLW2901
            done = machine.try_run("sh", "-c", f"cd /root && {command}")
            said = done.stdout + done.stderr
            if " status" in command and " emp " not in command:
                assert done.returncode in (0, 1), said  # 1: no time server in here
            elif " dump " in command:
                assert "1-0:1.8.0" in said
            else:
                assert done.returncode == 0, f"step {number}: {command}\n{said}"
    machine.until(lambda: rows(machine) > 0)
    assert "meter   house" in machine.try_run("smgw", "status").stdout


def test_the_package_has_the_compiled_catalogues(machine: Machine) -> None:
    request = "u.Request('http://127.0.0.1:8081/', headers={'Accept-Language': 'de'})"
    ask = f"import urllib.request as u; print(u.urlopen({request}).read().decode())"
    assert '<html lang="de">' in machine.run("python3", "-c", ask)
    assert machine.run("find", "/usr/share/smgw-emp", "-name", "*.po") == ""


def test_its_store_is_backed_up_and_restored_while_it_runs(machine: Machine) -> None:
    machine.until(lambda: rows(machine) > 1)
    before = machine.show("emp", "MainPID")
    as_emp = ("runuser", "-u", "smgw-emp", "--")
    assert "rows of" in machine.run(*as_emp, "emp", "backup", "/var/lib/emp/copy.db", "--db", EMP_DB)
    kept = rows(machine)
    machine.until(lambda: rows(machine) > kept + 1)
    machine.run("systemctl", "stop", "smgw-wan")
    assert "rows restored" in machine.run(*as_emp, "emp", "restore", "/var/lib/emp/copy.db", "--db", EMP_DB)
    restored = rows(machine)
    machine.run("systemctl", "start", "smgw-wan")
    machine.until(lambda: rows(machine) > restored)
    assert machine.show("emp", "MainPID") == before


def test_what_a_restore_lost_comes_back_from_the_gateway_by_hand(machine: Machine) -> None:
    machine.run("smgw", "export", "--all", "/root/all.zip")
    taken = machine.run("emp", "import", "/root/all.zip", "--url", "http://127.0.0.1:8080")
    assert "0 documents refused" in taken
    assert rows(machine) >= int(re.findall(r"(\d+) rows", taken)[0])


def test_a_support_bundle_of_the_installed_gateway_has_its_journal(machine: Machine) -> None:
    machine.run("smgw", "support-bundle", "/root/bundle.tar.gz")
    texts = machine.run("tar", "-xzOf", "/root/bundle.tar.gz", "--wildcards", "*/journal.txt", "*/services.txt")
    assert "meter house: reading" in texts
    assert "smgw-lmn.service" in texts


def test_it_is_purged_completely(machine: Machine) -> None:
    machine.run("dpkg", "-P", "smgw-emp")
    assert machine.run("find", "/usr", "/etc", "/var/lib", "-name", "*smgw-emp*", "-not", "-path", "*/dpkg/*") == ""
    assert machine.try_run("getent", "passwd", "smgw-emp").returncode != 0
    assert not (machine.root / "var/lib/emp").exists()
