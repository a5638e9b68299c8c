"""The agent with a security module: from the request to a sealed document, and a token that is pulled out meanwhile."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import cryptography
import pytest
from keys_agent import GATEWAY, AgentProcess, short_directory
from pki import profile
from smgw.cli import main
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.cms.content import Suite
from smgw.trust.cms.message import open_sealed, seal
from smgw.trust.errors import KeysUnavailableError, PinError
from smgw.trust.folder import trust_directory
from smgw.trust.keys import key_name, pkcs11
from smgw.trust.keys.pem import PemKeys
from smgw.trust.request import read_triple
from soft_token import PIN, SoftToken
from trial_pki import EMT, NOW, TERMS, session_pki

DIGEST = sha256(b"reading").digest()
#: On the device. The library of `make setup` has an OpenSSL of its own beside that of SoftHSM.
RSS_MAX_KB = 35_000 if cryptography.__version__.startswith("38.") else 40_000


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as made:
        yield made


@pytest.fixture
def token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    monkeypatch.setattr(pkcs11, "_REFUSED", set())
    return SoftToken(folder / "hsm", monkeypatch)


def requested(folder: Path, token: SoftToken, curve: str = "brainpool") -> dict[Purpose, Certificate]:
    """`smgw keys request` with the keys in the token, and certificates for its requests."""
    configuration = folder / "gateway.toml"
    configuration.write_text(GATEWAY + token.section)
    state = folder / "state"
    common = ["--config", str(configuration), "--state", str(state)]
    assert main(["keys", "request", "--id", "EXXX0012345678", "--curve", curve, *common]) == 0
    own = trust_directory(state) / "own/1"
    made = {}
    for request in read_triple(own):
        certificate = profile.end_certificate(
            request.subject, request.purpose, request.public_key, session_pki(curve).sub_ca, NOW, 700, TERMS
        )
        (own / f"{request.purpose.value}.crt").write_bytes(certificate.pem)
        made[request.purpose] = certificate
    return made


def agent(folder: Path, token: SoftToken) -> AgentProcess:
    return AgentProcess(folder, GATEWAY + token.section)


@pytest.mark.parametrize("curve", ["brainpool", "p256"])
def test_a_document_is_signed_and_opened_with_keys_that_never_left_the_token(
    folder: Path, token: SoftToken, curve: str
) -> None:
    own = requested(folder, token, curve)
    assert sorted(file.name for file in (folder / "state/trust/own/1").glob("*.key")) == ["tls.key"]
    emp = session_pki(curve).triple(EMT)
    emp_keys = PemKeys([emp.signature.key, emp.encryption.key])
    with agent(folder, token) as running:
        sealed = seal(b"readings", running.keys, own[Purpose.SIGNATURE], emp.encryption.certificate, Suite.AES_128_GCM)
        opened = open_sealed(sealed, emp_keys, emp.encryption.certificate, [own[Purpose.SIGNATURE]])
        assert opened.payload == b"readings"
        order = seal(b"order", emp_keys, emp.signature.certificate, own[Purpose.ENCRYPTION], Suite.AES_128_CBC_CMAC)
        opened = open_sealed(order, running.keys, own[Purpose.ENCRYPTION], [emp.signature.certificate])
        assert opened.payload == b"order"


def test_a_token_that_is_pulled_out_is_told_and_used_again_when_it_is_back(folder: Path, token: SoftToken) -> None:
    name = key_name(requested(folder, token)[Purpose.SIGNATURE].public_key)
    with agent(folder, token) as running:
        assert running.keys.sign(name, DIGEST)
        token.pull_out()
        for _ in range(2):
            with pytest.raises(KeysUnavailableError, match=r"token smgw: .*Plug it in"):
                running.keys.sign(name, DIGEST)
        token.plug_in()
        assert running.keys.sign(name, DIGEST)
        assert "token smgw" in running.logged


def test_it_starts_without_the_token_and_finds_it_when_it_comes(folder: Path, token: SoftToken) -> None:
    name = key_name(requested(folder, token)[Purpose.SIGNATURE].public_key)
    token.pull_out()
    with agent(folder, token) as running:
        assert "the token is not there" in running.logged
        token.plug_in()
        assert running.keys.sign(name, DIGEST)


def test_after_a_kill_it_logs_in_again(folder: Path, token: SoftToken) -> None:
    name = key_name(requested(folder, token)[Purpose.SIGNATURE].public_key)
    with agent(folder, token) as running:
        assert running.process is not None
        assert running.keys.sign(name, DIGEST)
        running.process.kill()
        running.process.wait()
        running.start()
        assert running.keys.sign(name, DIGEST)


def test_a_wrong_pin_is_told_to_client_and_log_and_neither_shows_it(folder: Path, token: SoftToken) -> None:
    name = key_name(requested(folder, token)[Purpose.SIGNATURE].public_key)
    token.write_pin("999-wrong-999")
    with agent(folder, token) as running:
        for _ in range(3):
            with pytest.raises(PinError) as raised:
                running.keys.sign(name, DIGEST)
            assert "999-wrong" not in str(raised.value)
        token.write_pin(PIN)
        assert running.keys.sign(name, DIGEST)
        assert "the PIN is refused (PIN_INCORRECT)" in running.logged
        assert "999-wrong" not in running.logged
        assert PIN not in running.logged


def test_its_memory_is_bounded(folder: Path, token: SoftToken) -> None:
    own = requested(folder, token)
    peer = session_pki().triple(EMT).encryption.certificate
    with agent(folder, token) as running:
        assert running.process is not None
        for _ in range(100):
            running.keys.sign(key_name(own[Purpose.SIGNATURE].public_key), DIGEST)
            sealed = seal(b"", running.keys, own[Purpose.SIGNATURE], peer, Suite.AES_128_GCM)
            assert sealed
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) < RSS_MAX_KB


def test_a_request_for_the_token_needs_the_table_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration = folder / "gateway.toml"
    configuration.write_text(GATEWAY)
    arguments = ["--config", str(configuration), "--state", str(folder / "state")]
    assert main(["keys", "request", "--holder", "pkcs11", *arguments]) == 2
    assert "names no security module" in capsys.readouterr().err


def test_files_can_be_asked_for_although_there_is_a_token(folder: Path, token: SoftToken) -> None:
    (folder / "gateway.toml").write_text(GATEWAY + token.section)
    arguments = ["--config", str(folder / "gateway.toml"), "--state", str(folder / "state")]
    assert main(["keys", "request", "--holder", "files", *arguments]) == 0
    assert len(list((folder / "state/trust/own/1").glob("*.key"))) == 3
