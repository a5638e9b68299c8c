"""smgw-pki is killed, the disk is full, two run at once: the folder stays usable, and no triple is there by half.

The commands run in children that are killed with SIGKILL at random moments, spread over the time that a command takes.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from effort import SEED, rounds
from pki.cli import main
from pki.folder import Pki
from pki.index import Index
from smgw.cli import main as smgw
from smgw.trust.certificate import TRIPLE, Certificate
from smgw.trust.chain import Expected, Moment, check
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.inventory import inventory
from smgw.trust.keys import key_name
from smgw.trust.keys.pem import PemFile, PemKeys
from smgw.trust.own import active_triple
from trial_pki import NOW

KILLS = rounds(20, long=300)
ID = "EXXX0012345678"


class Trial:
    """A PKI, and requests of a gateway for each renewal."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pki = folder, folder / "pki"
        folder.mkdir(exist_ok=True)

    def run(self, *words: object) -> int:
        return main(self.command(*words))

    def requests(self, name: str) -> Path:
        out = self.folder / name
        assert smgw(["keys", "request", "--id", ID, "--state", str(self.folder / "state"), "--out", str(out)]) == 0
        return out

    def command(self, *words: object) -> list[str]:
        return ["--pki", str(self.pki), *map(str, words)]

    def is_whole(self) -> None:
        """Every triple of the index has its three certificates in files, and the keys that were made here."""
        assert self.run("list") == 0
        index = Index.load(self.pki / "index.json")
        authorities = AuthoritiesFolder(self.pki / "authorities").current()
        groups: dict[tuple[str, int], set[str]] = {}
        for one in index.entries:
            if one.certificate.purpose not in TRIPLE:
                continue
            groups.setdefault((one.name, one.generation), set()).add(one.certificate.purpose.value)
            file = self.pki / "participants" / one.name / str(one.generation) / f"{one.certificate.purpose.value}.crt"
            assert Certificate.from_file(file) == one.certificate
            wanted = Expected(one.certificate.purpose, frozenset({one.certificate.subject.role}))
            if one.revoked_s is None:
                check(one.certificate, wanted, authorities, Moment(NOW + 86400))
            if one.name.endswith(".EMT"):
                assert key_name(one.certificate.public_key) in PemKeys.read([PemFile(file.with_suffix(".key"))])
        assert all(uses == {"tls", "sig", "enc"} for uses in groups.values())


def _killed_after(seconds: float, words: list[str], program: Callable[[list[str]], int] = main) -> bool:
    """Run a command in a child; True if the kill came before its end."""
    child = get_context("fork").Process(target=_child, args=(program, words))
    child.start()
    child.join(seconds)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL


def _duration(words: list[str], program: Callable[[list[str]], int] = main) -> float:
    began = time.monotonic()
    assert not _killed_after(60, words, program)
    return time.monotonic() - began


def _child(program: Callable[[list[str]], int], words: list[str]) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    os._exit(program(words))


def _moments(longest: float, kills: int = KILLS) -> Iterator[float]:
    """Random moments, one in each part of the time that the command takes, and a little after."""
    chosen = random.Random(SEED)
    print(f"SMGW_KILL_SEED={SEED}")
    for number in range(kills):
        yield (number + chosen.random()) / kills * longest * 1.2


def test_a_killed_init_can_be_done_again(tmp_path: Path) -> None:
    longest = _duration(Trial(tmp_path / "first").command("init"))
    killed = 0
    for number, moment in enumerate(_moments(longest)):
        trial = Trial(tmp_path / str(number))
        killed += _killed_after(moment, trial.command("init"))
        if not (trial.pki / "index.json").exists():
            assert trial.run("init") == 0
        assert trial.run("emp", "Stadtwerke") == 0
        trial.is_whole()
    assert killed


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    trial = Trial(tmp_path_factory.mktemp("first"))
    assert trial.run("init") == 0
    assert trial.run("emp", "Stadtwerke") == 0
    assert trial.run("gateway", ID, "--request", trial.requests("first")) == 0
    trial.requests("next")
    return trial


@pytest.fixture
def made(first: Trial, tmp_path: Path) -> Trial:
    """A copy of it, since the tests change it."""
    shutil.copytree(first.folder, tmp_path / "made")
    return Trial(tmp_path / "made")


FEWER = rounds(7, long=100)
COMMANDS: dict[str, tuple[Callable[[Trial], tuple[object, ...]], int]] = {
    "emp": (lambda _: ("emp", "Netze"), FEWER),
    "renew EMP": (lambda _: ("renew", "Stadtwerke"), FEWER),
    "renew gateway": (lambda trial: ("renew", ID, "--request", trial.folder / "next"), KILLS),
    "renew ca": (lambda _: ("renew", "ca"), FEWER),
    "renew root": (lambda _: ("renew", "root"), FEWER),
    "revoke": (lambda _: ("revoke", "Stadtwerke"), FEWER),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_after_a_kill_the_folder_is_usable_and_no_triple_is_there_by_half(
    made: Trial, tmp_path: Path, name: str
) -> None:
    command, kills = COMMANDS[name]
    words = command(made)
    shutil.copytree(made.folder, tmp_path / "timed")
    longest = _duration(Trial(tmp_path / "timed").command(*words))
    killed = 0
    for number, moment in enumerate(_moments(longest, kills)):
        shutil.copytree(made.folder, tmp_path / str(number))
        trial = Trial(tmp_path / str(number))
        killed += _killed_after(moment, trial.command(*words))
        trial.is_whole()
        before = len(Index.load(trial.pki / "index.json").of("Netze"))
        assert trial.run("renew" if before else "emp", "Netze") == 0
        trial.is_whole()
        shutil.rmtree(trial.folder)
    assert killed


def test_after_a_killed_export_the_next_one_is_complete(made: Trial, tmp_path: Path) -> None:
    longest = _duration(made.command("export", "Stadtwerke", tmp_path / "timed"))
    killed = 0
    for number, moment in enumerate(_moments(longest, FEWER)):
        out = tmp_path / str(number)
        killed += _killed_after(moment, made.command("export", "Stadtwerke", out))
        assert made.run("export", "Stadtwerke", out) == 0
        triple = active_triple(out, Moment(NOW + 86400))
        keys = PemKeys.read([PemFile(triple.key_file(purpose)) for purpose in TRIPLE])
        assert all(key_name(triple.certificate(purpose).public_key) in keys for purpose in TRIPLE)
        assert not list(out.rglob("*.new"))
    assert killed


def test_after_a_killed_installation_the_gateway_has_a_usable_folder(made: Trial, tmp_path: Path) -> None:
    exported = made.folder / "exported"
    assert made.run("export", ID, exported) == 0
    state = made.folder / "state"
    install = ["keys", "install", "--state", str(state), str(exported)]
    assert smgw(install) == 0
    assert made.run("renew", ID, "--request", made.folder / "next") == made.run("export", ID, exported) == 0
    shutil.copytree(state, tmp_path / "timed")
    longest = _duration(["keys", "install", "--state", str(tmp_path / "timed"), str(exported)], smgw)
    killed = 0
    for number, moment in enumerate(_moments(longest, FEWER)):
        copy = tmp_path / str(number)
        shutil.copytree(state, copy)
        install = ["keys", "install", "--state", str(copy), str(exported)]
        killed += _killed_after(moment, install, smgw)
        assert active_triple(copy / "trust", Moment(NOW + 86400)).number in (1, 2)
        assert inventory(copy / "trust")[1] == []
        assert smgw(install) == 0
        assert active_triple(copy / "trust", Moment(NOW + 86400)).number == 2
    assert killed


def test_a_second_command_at_the_same_time_is_refused(made: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    with Pki.opened(made.pki, NOW):
        assert made.run("renew", "Stadtwerke") == 1
    assert "another smgw-pki works in this folder" in capsys.readouterr().err
    assert made.run("renew", "Stadtwerke") == 0


def test_of_many_commands_at_once_each_works_whole_or_not_at_all(made: Trial) -> None:
    names = [f"Emp{number}" for number in range(6)]
    context = get_context("fork")
    children = {name: context.Process(target=_child, args=(main, made.command("emp", name))) for name in names}
    for child in children.values():
        child.start()
    for child in children.values():
        child.join(60)
    done = {name for name, child in children.items() if child.exitcode == 0}
    assert done
    made.is_whole()
    index = Index.load(made.pki / "index.json")
    assert {name for name in names if index.of(name)} == done


# A full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    if os.geteuid() != 0:
        pytest.skip("NEEDS ROOT: a small tmpfs is mounted to fill it up")
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "smgw-test", mount], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NEEDS MOUNT: no tmpfs can be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", mount], check=True)


def _fill(disk: Path, left: int) -> Path:
    """Another program takes all the space but some pages."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, max(0, filler.stat().st_size - left * 4096))
    return filler


@pytest.mark.parametrize("left", range(0, 26, 5))
@pytest.mark.parametrize("words", [("renew", "Stadtwerke"), ("renew", "ca")], ids=["EMP", "ca"])
def test_a_full_disk_while_renewing_is_named_and_leaves_a_usable_folder(
    made: Trial, disk: Path, capsys: pytest.CaptureFixture[str], left: int, words: tuple[str, ...]
) -> None:
    shutil.copytree(made.folder, disk / "trial")
    trial = Trial(disk / "trial")
    filler = _fill(disk, left)
    code = trial.run(*words)
    assert code or left
    if code:
        _names_the_full_disk(capsys.readouterr().err, disk)
    filler.unlink()
    trial.is_whole()
    assert trial.run(*words) == 0
    trial.is_whole()


@pytest.mark.parametrize("left", range(0, 26, 5))
def test_a_full_disk_on_the_gateway_is_named_and_the_same_works_when_there_is_room(
    made: Trial, disk: Path, capsys: pytest.CaptureFixture[str], left: int
) -> None:
    exported, state = made.folder / "exported", disk / "state"
    assert made.run("renew", ID, "--request", made.folder / "next") == made.run("export", ID, exported) == 0
    shutil.copytree(made.folder / "state", state)
    filler = _fill(disk, left)
    code = smgw(["keys", "install", "--state", str(state), str(exported)])
    assert code or left
    if code:
        _names_the_full_disk(capsys.readouterr().err, disk)
    filler.unlink()
    assert smgw(["keys", "install", "--state", str(state), str(exported)]) == 0
    assert active_triple(state / "trust", Moment(NOW + 86400)).number == 2


def _names_the_full_disk(said: str, disk: Path) -> None:
    assert "no space" in said.lower()
    assert str(disk) in said
