"""The agent of keys as a process: start, stop, reload, and keys that change while it runs."""

import signal
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from keys_agent import GATEWAY, AgentProcess, short_directory
from smgw.trust.errors import KeysUnavailableError, PassphraseError, TrustError
from smgw.trust.folder import trust_directory
from smgw.trust.keys import key_name
from soon import LIMIT
from trial_pki import HeldTriple, session_pki

DIGEST = sha256(b"reading").digest()
PASSPHRASE = b"correct horse battery staple"
RSS_MAX_KB = 35_000


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as made:
        yield made


def signs(agent: AgentProcess, triple: HeldTriple) -> bool:
    return bool(agent.keys.sign(key_name(triple.signature.key.public_key()), DIGEST))


def until(condition: Callable[[], object]) -> None:
    wait = threading.Event()
    for _ in range(int(LIMIT / 0.05)):
        if condition():
            return
        wait.wait(0.05)
    raise AssertionError("it did not happen")


def test_it_serves_stops_and_leaves_no_socket(folder: Path) -> None:
    triple = session_pki().write_triple(trust_directory(folder / "state"))
    with AgentProcess(folder) as agent:
        assert signs(agent, triple)
        assert "1 keys for signature, 1 for encryption" in agent.logged
        assert agent.stop() == 0
        assert not agent.keys.present
        with pytest.raises(KeysUnavailableError):
            signs(agent, triple)


def test_it_serves_where_the_path_of_the_state_directory_is_long(folder: Path) -> None:
    """The address of a socket has 107 octets at most; the run directory behind the link has a short path."""
    long = folder / ("a" * 60) / ("b" * 60)
    long.mkdir(parents=True)
    triple = session_pki().write_triple(trust_directory(long / "state"))
    with AgentProcess(long) as agent:
        assert signs(agent, triple)
        assert agent.stop() == 0


def test_it_starts_without_keys_and_finds_them_when_they_come(folder: Path) -> None:
    with AgentProcess(folder) as agent:
        triple = session_pki().write_triple(trust_directory(agent.state))
        assert signs(agent, triple)
        renewed = session_pki().write_triple(trust_directory(agent.state), number=2)
        assert signs(agent, renewed)
        assert signs(agent, triple)


def test_it_comes_back_after_a_kill(folder: Path) -> None:
    triple = session_pki().write_triple(trust_directory(folder / "state"))
    with AgentProcess(folder) as agent:
        assert agent.process is not None
        agent.process.kill()
        agent.process.wait(LIMIT)
        with pytest.raises(KeysUnavailableError):
            signs(agent, triple)
        agent.start()
        assert signs(agent, triple)


def test_a_reload_takes_another_passphrase_and_a_wrong_one_is_told(folder: Path) -> None:
    triple = session_pki().write_triple(trust_directory(folder / "state"), passphrase=PASSPHRASE)
    phrase = folder / "phrase"
    phrase.write_bytes(b"wrong")
    phrase.chmod(0o600)
    with AgentProcess(folder, GATEWAY + '[keys]\npassphrase_file = "phrase"\n') as agent:
        assert agent.process is not None
        with pytest.raises(PassphraseError, match=r"sig\.key"):
            signs(agent, triple)
        phrase.write_bytes(PASSPHRASE)
        agent.process.send_signal(signal.SIGHUP)
        until(lambda: "the configuration is taken: 1 keys" in agent.logged)
        assert signs(agent, triple)
        assert "correct horse" not in agent.logged


def test_a_wrong_configuration_changes_nothing_at_a_reload(folder: Path) -> None:
    triple = session_pki().write_triple(trust_directory(folder / "state"))
    with AgentProcess(folder) as agent:
        assert agent.process is not None
        agent.configuration.write_text(GATEWAY + '[keys]\nholder = "hsm"\n')
        agent.process.send_signal(signal.SIGHUP)
        until(lambda: "the configuration is not taken" in agent.logged)
        assert signs(agent, triple)


def test_a_second_agent_on_the_same_state_says_so_and_ends(folder: Path) -> None:
    with AgentProcess(folder) as first:
        second = AgentProcess(folder)
        second.log = folder / "second.log"
        with pytest.raises(AssertionError, match="another agent of keys serves this socket"):
            second.start()
        assert second.process is not None
        assert second.process.wait(LIMIT) == 2
        assert first.keys.random(8)


def test_its_memory_is_bounded_after_many_calls(folder: Path) -> None:
    triple = session_pki().write_triple(trust_directory(folder / "state"))
    with AgentProcess(folder, level="info") as agent:
        assert agent.process is not None
        for _ in range(300):
            assert signs(agent, triple)
            with pytest.raises(TrustError):
                agent.keys.sign("0" * 40, DIGEST)
        status = Path(f"/proc/{agent.process.pid}/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) < RSS_MAX_KB
