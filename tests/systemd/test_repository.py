"""The apt repository of `make repo`: installed from, upgraded from by itself, and refused when somebody changed it."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machine import ROOT, Machine, tar_of, unavailable

KEY = "/usr/share/keyrings/smgw-archive-keyring.gpg"
SOURCE = "/etc/apt/sources.list.d/smgw.sources"
REPOSITORY = "/srv/repo"
#: A machine of its own has nothing to fetch from elsewhere.
APT = ("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=0")


@pytest.fixture(scope="module")
def make_repo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], None]:
    """Build the packages as a version, and add them to a repository with a key of this test."""
    if why := unavailable():
        pytest.skip(why)
    if shutil.which("apt-ftparchive") is None or shutil.which("gpg") is None:
        pytest.skip("MISSING Debian packages, sudo apt-get install apt-utils gnupg")
    signing = tmp_path_factory.mktemp("signing")

    def make(repository: Path, version: str) -> None:
        done = subprocess.run(
            [str(ROOT / "firmware" / "repo.sh"), str(repository), version],
            capture_output=True, text=True, timeout=1800, cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(signing), "SMGW_SIGNING": str(signing)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    return make


@pytest.fixture(scope="module")
def repository(make_repo: Callable[[Path, str], None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with version 0.0.9."""
    folder = tmp_path_factory.mktemp("repo") / "repo"
    folder.mkdir()
    make_repo(folder, "0.0.9")
    return folder


@pytest.fixture(scope="module")
def machine(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    tar = tar_of("bookworm", "unattended-upgrades")
    with Machine(tar, tmp_path_factory.mktemp("machine"), {repository: REPOSITORY}) as machine:
        machine.run("rm", "-rf", "/etc/apt/sources.list", "/etc/apt/sources.list.d")
        machine.copy(repository / "smgw-archive-keyring.gpg", KEY)
        yield machine


def name_source(machine: Machine, uri: str, key: str = KEY) -> None:
    signed = f"Signed-By: {key}\n" if key else ""
    machine.write(SOURCE, f"Types: deb\nURIs: {uri}\nSuites: stable\nComponents: main\n{signed}")


def version(machine: Machine) -> str:
    return machine.run("dpkg-query", "-W", "-f", "${Version}", "smgw")


def test_a_gateway_is_installed_and_upgrades_itself_from_it(
    machine: Machine, repository: Path, make_repo: Callable[[Path, str], None]
) -> None:
    # Without the key nothing of it is believed.
    name_source(machine, f"file:{REPOSITORY}", key="")
    done = machine.try_run(*APT, "update")
    assert done.returncode != 0
    assert "is not signed" in done.stderr

    # From a folder, such as a USB stick.
    name_source(machine, f"file:{REPOSITORY}")
    machine.run(*APT, "update")
    machine.run(*APT, "install", "-y", "--no-install-recommends", "smgw", seconds=300)
    assert version(machine) == "0.0.9"
    assert machine.show("smgw-lmn", "ActiveState") == {"ActiveState": "active"}

    # A newer version, by itself, from a web server.
    make_repo(repository, "0.1.0")
    machine.run("cp", "/usr/share/smgw/unattended-upgrades.conf", "/etc/apt/apt.conf.d/52smgw")
    machine.run("systemd-run", "--unit=web", "python3", "-m", "http.server", "--directory", REPOSITORY, "8000")
    name_source(machine, "http://127.0.0.1:8000/")
    machine.until(lambda: machine.try_run(*APT, "update", "--error-on=any").returncode == 0)
    machine.run("unattended-upgrade", "-v", seconds=300)
    assert version(machine) == "0.1.0"
    assert machine.show("smgw-lmn", "ActiveState") == {"ActiveState": "active"}


@pytest.mark.parametrize("file", ["dists/stable/InRelease", "dists/stable/main/binary-amd64/Packages", "pool"])
def test_a_repository_that_somebody_changed_is_refused(
    machine: Machine, repository: Path, tmp_path: Path, file: str
) -> None:
    copy = machine.root / "srv" / "changed"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(repository, copy)
    victim = copy / file
    if victim.is_dir():
        victim = next(victim.glob("smgw-pki_0.0.9_*.deb"))
    octets = bytearray(victim.read_bytes())
    octets[len(octets) // 3] ^= 1
    victim.write_bytes(octets)
    victim.with_suffix(".gz").unlink(missing_ok=True)  # the index that apt would take before the one above
    name_source(machine, "file:/srv/changed")
    machine.run("rm", "-rf", "/var/lib/apt/lists")
    if victim.suffix == ".deb":
        machine.run(*APT, "update")
        done = machine.try_run(*APT, "install", "-y", "--no-install-recommends", "smgw-pki=0.0.9", seconds=300)
    else:
        done = machine.try_run(*APT, "update", "--error-on=any")
    assert done.returncode != 0, done.stdout + done.stderr
    assert machine.try_run("dpkg-query", "-W", "smgw-pki").returncode != 0
    assert any(word in done.stderr for word in ("invalid", "Hash Sum mismatch", "corrupt", "wrong size")), done.stderr
