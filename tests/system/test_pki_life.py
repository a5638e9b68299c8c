"""The life of a trial's PKI by its commands while readings are delivered: renewed and revoked without a restart."""

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pki.cli import main as smgw_pki
from smgw.cli import main as smgw
from smgw.trust.names import Subject
from testbed import GATEWAY, PARTICIPANT, Chain, push, wait_until

METERS = [push("house", 1)]


BEGINS_S = 20
"""How long the others have to learn of a renewal; in a trial it is days."""


class Commands:
    """`smgw-pki` and `smgw keys` in place of the PKI in memory that `Chain` has otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trust: dict[str, Path] = {}
        self.pki("init")
        self.pki("emp", PARTICIPANT)

    def pki(self, *words: object) -> None:
        assert smgw_pki(["--pki", str(self.folder / "pki"), *map(str, words)]) == 0

    def write_gateway(self, trust: Path, _: Subject) -> None:
        self.trust[GATEWAY] = trust
        self.pki("gateway", GATEWAY, "--request", self.requests())

    def write_peer(self, trust: Path, _: Subject) -> None:
        pass  # an export has the peers

    def write_emp(self, trust: Path, _: Subject, __: Iterable[Subject]) -> None:
        self.trust[PARTICIPANT] = trust
        self.bring()

    def requests(self) -> Path:
        out = self.folder / "requests"
        shutil.rmtree(out, ignore_errors=True)
        state = self.trust[GATEWAY].parent
        assert smgw(["keys", "request", "--id", GATEWAY, "--state", str(state), "--out", str(out)]) == 0
        return out

    def renew(self, monkeypatch: pytest.MonkeyPatch, *words: object) -> float:
        """New certificates that begin later; when that is. A certificate begins 300 s before it was asked to."""
        with monkeypatch.context() as patched:
            patched.setattr("pki.folder.DAY", 300 + BEGINS_S)
            self.pki("renew", *words, "--begin-days", 1)
        return time.time() + BEGINS_S

    def bring(self, first: str = PARTICIPANT) -> None:
        """Export and install the folders of both, that of `first` before the other."""
        for name in sorted(self.trust, key=lambda each: each != first):
            if name == PARTICIPANT:
                self.pki("export", name, self.trust[name])
            else:
                self.pki("export", name, self.folder / "exported")
                state = self.trust[GATEWAY].parent
                assert smgw(["keys", "install", "--state", str(state), str(self.folder / "exported")]) == 0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Chain, Commands]]:
    """A chain that delivers."""
    (tmp_path / "commands").mkdir()
    commands = Commands(tmp_path / "commands")
    with Chain(tmp_path, METERS, ntp=True, pki=commands) as chain:  # type: ignore[arg-type]
        chain.start()
        _goes_on(chain)
        yield chain, commands


def _goes_on(chain: Chain) -> None:
    before = len(chain.emp_keys())
    try:
        wait_until(lambda: len(chain.emp_keys()) > before + 3, 90, "nothing arrives")
    except AssertionError:
        print(chain.smgw("status").stdout)
        raise


def _all_arrived(chain: Chain) -> None:
    chain.drain()
    assert sorted(chain.store_keys()) == sorted(chain.emp_keys())


def test_a_gateway_is_renewed_and_its_old_certificates_are_revoked(running: tuple[Chain, Commands]) -> None:
    chain, commands = running
    commands.pki("renew", GATEWAY, "--request", commands.requests())
    commands.bring(first=PARTICIPANT)
    _goes_on(chain)
    commands.pki("revoke", GATEWAY, "--generation", 1)
    commands.bring()
    _goes_on(chain)
    _all_arrived(chain)


@pytest.mark.parametrize("first", [GATEWAY, PARTICIPANT])
def test_an_emp_is_renewed_without_a_gap_whoever_learns_of_it_first(
    running: tuple[Chain, Commands], monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    chain, commands = running
    begins = commands.renew(monkeypatch, PARTICIPANT)
    commands.bring(first)
    _goes_on(chain)
    wait_until(lambda: time.time() > begins + 2, 60, "the clock stands")
    _goes_on(chain)
    commands.pki("revoke", PARTICIPANT, "--generation", 1)
    commands.bring()
    _goes_on(chain)
    _all_arrived(chain)


def test_authorities_are_renewed_and_then_all_that_they_issued(
    running: tuple[Chain, Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, commands = running
    commands.pki("renew", "root")
    commands.bring()
    _goes_on(chain)
    commands.renew(monkeypatch, GATEWAY, "--request", commands.requests())
    begins = commands.renew(monkeypatch, PARTICIPANT)
    commands.bring()
    wait_until(lambda: time.time() > begins + 2, 60, "the clock stands")
    _goes_on(chain)
    for name in (GATEWAY, PARTICIPANT):
        commands.pki("revoke", name, "--generation", 1)
    commands.bring()  # perhaps before the gateway uses the new ones: it is held then, until it gets its folder
    _goes_on(chain)
    _all_arrived(chain)
