"""The Debian package on Debian 12 and 13: installed, upgraded, removed, purged; the firmware on their packages."""

import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import released
from captures import SHARED
from host_head import HostHead
from machine import ROOT, Machine, built_deb, emp_of, pki_of, tar_of

CONFIGURATION = "etc/smgw/gateway.toml"
UNITS = ("smgw-lmn", "smgw-wan", "smgw-keys")
SETUP = (
    *("--port", "/dev/ttyUSB0", "--name", "house", "--every", "every telegram", "--force"),
    *("--ntp", "0.debian.pool.ntp.org", "--emp", "none"),
)
#: What any installation leaves behind, whatever it installs.
_ANYWAY = (
    *("/etc/.pwd.lock", "/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow", "/etc/subuid", "/etc/subgid"),
    *("/etc/machine-id", "/etc/resolv.conf", "/etc/ld.so.cache", "/root/", "/tmp/", "/run/", "/proc/", "/sys/"),
    *("/dev/", "/var/cache/", "/var/log/", "/var/tmp/", "/var/lib/dpkg/", "/var/lib/systemd/", "/var/lib/dbus/"),
    *("/var/lib/private", "/checkout", "/captures"),
)
#: Rooms that need no package, or none that differs; the latter measure times, which several machines at once blur.
_PURE = (
    "test_sml_",
    "test_hdlc_",
    "test_dlms_",
    "test_iec62056_",
    "test_cosem_",
    "test_metering_",
    "test_lmn_",
    "test_ports_",
)


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    head = HostHead()
    binds = {head.path: "/dev/ttyUSB0", ROOT: "/checkout"} | ({SHARED: "/captures"} if SHARED.exists() else {})
    with Machine(tar_of(request.param), tmp_path_factory.mktemp(request.param), binds) as machine:
        yield machine
    head.close()


def install(machine: Machine, package: Path) -> None:
    machine.copy(package, f"/root/{package.name}")
    machine.run("dpkg", "-i", f"/root/{package.name}")


def active(machine: Machine) -> list[str]:
    return [machine.show(unit, "ActiveState")["ActiveState"] for unit in UNITS]


def records(machine: Machine) -> tuple[str, int]:
    """The store's identity, and how many records it has."""
    with sqlite3.connect(f"file:{machine.root}/var/lib/smgw/lmn/lmn.db?mode=ro", uri=True) as connection:
        (store_id,) = connection.execute("SELECT hex(store_id) FROM store").fetchone()
        (amount,) = connection.execute("SELECT count(*) FROM capture").fetchone()
        return store_id, amount


def put_released_store(machine: Machine, directory: str) -> str:
    """In place of what lies there; says whose it was."""
    there = machine.root / "var/lib/smgw" / directory
    owner = machine.run("stat", "-c", "%U:%G", f"/var/lib/smgw/{directory}").strip()
    for file in there.iterdir():
        file.unlink()
    released.unpack_one(there)
    return owner


def files(machine: Machine) -> set[str]:
    found = machine.run("find", "/", "-xdev", "-not", "-name", "__pycache__", "-not", "-name", "*.pyc").splitlines()
    return {path for path in found if not path.startswith(_ANYWAY)}


def test_it_installs_upgrades_with_its_store_is_removed_and_leaves_nothing(
    machine: Machine, tmp_path: Path, deb: Path
) -> None:
    before, users = files(machine), machine.run("getent", "passwd")
    configuration = machine.root / CONFIGURATION

    # Installed: enabled, running, waiting for a meter, under an id of its own.
    install(machine, built_deb(tmp_path, "0.0.9"))
    assert active(machine) == ["active"] * 3
    assert machine.run("systemctl", "is-enabled", "smgw.target", *UNITS).split() == ["enabled"] * 4
    assert machine.run("smgw", "--version").strip() == "smgw 0.0.9"
    assert "ESMG0000000001" not in configuration.read_text()
    machine.run("smgw", "check")
    machine.until(lambda: "meter house: absent" in machine.try_run("smgw", "status").stdout)
    assert machine.try_run("smgw", "status").returncode == 1

    # A meter is found and named by the setup, and read. The gateway keeps its id; both daemons can read the file.
    own_id = re.search(r'device_id = "(ESMG00\d{8})"', configuration.read_text())
    machine.run("smgw", "setup", *SETUP)
    mine = configuration.read_text()
    assert own_id is not None
    assert own_id[1] in mine
    assert machine.run("stat", "-c", "%U:%G %a", f"/{CONFIGURATION}").strip() == "root:smgw 644"
    machine.run("systemctl", "reload", *UNITS)
    machine.until(lambda: records(machine)[1] > 5)
    store, amount = records(machine)

    # Upgraded: configuration and store are the same, and more is read.
    install(machine, deb)
    assert machine.run("smgw", "--version").strip() == "smgw 0.1.0"
    assert active(machine) == ["active"] * 3
    assert configuration.read_text() == mine
    machine.until(lambda: records(machine)[1] > amount + 5)
    assert records(machine)[0] == store

    # Removed: stopped, configuration and store stay. Installed again: goes on.
    machine.run("dpkg", "-r", "smgw")
    assert active(machine) == ["inactive"] * 3
    assert configuration.read_text() == mine
    amount = records(machine)[1]
    install(machine, deb)
    machine.until(lambda: records(machine)[1] > amount)
    assert records(machine)[0] == store

    # Over the stores that the package released before wrote: they are migrated and go on.
    machine.run("systemctl", "stop", *UNITS)
    machine.run("dpkg", "-r", "smgw")
    for directory in ("lmn", "wan"):
        owner = put_released_store(machine, directory)
        machine.run("chown", "-R", owner, f"/var/lib/smgw/{directory}")
    store, amount = records(machine)
    install(machine, deb)
    machine.until(lambda: records(machine)[1] > amount + 5)
    assert records(machine)[0] == store
    assert configuration.read_text() == mine

    # Purged: as if it had never been.
    machine.run("dpkg", "-P", "smgw")
    assert files(machine) - before == set()
    assert machine.run("getent", "passwd") == users
    assert machine.try_run("getent", "group", "smgw").returncode != 0


def test_all_packages_have_the_pages_that_read_well_as_files(deb: Path, tmp_path: Path) -> None:
    for package in (deb, emp_of(deb), pki_of(deb)):
        name = package.name.partition("_")[0]
        subprocess.run(["dpkg-deb", "-x", str(package), str(tmp_path / name)], check=True, timeout=60)
        pages = {page.name: page.read_text() for page in (tmp_path / name / f"usr/share/doc/{name}/docs").iterdir()
                 if page.suffix == ".md"}  # fmt: skip
        assert {"emp.md", "installation.md", "operation.md", "security.md", "troubleshooting.md"} <= set(pages)
        marks = [page for page, text in pages.items() if re.search(r"^(\{\{ |--8<--)", text, re.MULTILINE)]
        assert marks == []


def test_a_trial_gets_its_certificates_from_the_package_of_the_pki(machine: Machine, deb: Path) -> None:
    before = files(machine)
    install(machine, pki_of(deb))
    pki = ("smgw-pki", "--pki", "/root/pki")
    machine.run(*pki, "init")
    machine.run(*pki, "emp", "Stadtwerke", "--host", "emp.example.org")
    assert machine.run("gwa", "--version").startswith("gwa ")
    assert files(machine) - before - set(machine.run("dpkg", "-L", "smgw-pki").splitlines()) == set()
    install(machine, deb)
    machine.run("smgw", "keys", "request", "--id", "ESMG0000000001", "--out", "/root/requests")
    machine.run(*pki, "gateway", "ESMG0000000001", "--request", "/root/requests")
    machine.run(*pki, "export", "ESMG0000000001", "/root/exported")
    machine.run("smgw", "keys", "install", "/root/exported")
    owners = machine.run("sh", "-c", "stat -c '%n %U %a' /var/lib/smgw/trust/own/1/*.key").splitlines()
    assert [one.rpartition("/")[2] for one in owners] == [
        "enc.key smgw-keys 600",
        "sig.key smgw-keys 600",
        "tls.key smgw-wan 600",
    ]
    listed = machine.run("runuser", "-u", "smgw-wan", "--", "smgw", "keys", "list")
    assert {"Stadtwerke.EMT", "ESMG0000000001.SMGW", "Trial.CA"} <= set(listed.split())
    machine.run("dpkg", "-P", "smgw-pki")
    assert machine.run("find", "/usr", "/etc", "-name", "*smgw-pki*") == ""


def test_its_udev_rules_and_units_are_understood(machine: Machine, deb: Path) -> None:
    install(machine, deb)
    units = [f"/usr/lib/systemd/system/{name}" for name in (*(f"{unit}.service" for unit in UNITS), "smgw.target")]
    done = machine.try_run("systemd-analyze", "verify", "--recursive-errors=no", "--man=no", *units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    if machine.try_run("udevadm", "verify", "--help").returncode == 0:  # systemd 254 and newer
        assert "Fail:    0" in machine.run("udevadm", "verify", "/usr/lib/udev/rules.d/61-smgw.rules")


def test_the_firmwares_unit_tests_pass_with_this_debians_packages(machine: Machine) -> None:
    """Not those of the rooms that need no package at all."""
    if "bookworm" in (machine.root / "etc/os-release").read_text():
        pytest.skip("make test runs them on Debian 12's packages by itself")
    found = sorted(path.name for path in (ROOT / "tests/unit/firmware").glob("test_*.py"))
    chosen = [name for name in found if not name.startswith(_PURE) or "secur" in name]
    settings = ["PYTHONPATH=/checkout/firmware", "PYTHONDONTWRITEBYTECODE=1", "SMGW_SHARED_CAPTURES=/captures"]
    quietly = ["-q", "-p", "no:cacheprovider", "--rootdir=/checkout", "-c", "/checkout/pyproject.toml"]
    paths = [f"/checkout/tests/unit/firmware/{name}" for name in chosen]
    done = machine.try_run("env", *settings, "python3", "-m", "pytest", *quietly, *paths, seconds=500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
