"""Signed answers: by the agent of keys, for whom it lets, and good for nothing but an answer to the house."""

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

import pytest
from house_asked import ask, told
from house_state import make, opened
from keys_agent import NOBODY, AgentProcess, as_user, needs_root, serving, short_directory
from smgw.han.house import House
from smgw.han.views.v1 import VIEW
from smgw.services import keys_desk
from smgw.store import paths
from smgw.store.lmn.view import LmnView
from smgw.trust import oids
from smgw.trust.certificate import Certificate
from smgw.trust.cms import der, signed
from smgw.trust.cms.profile import Profile
from smgw.trust.errors import KeysUnavailableError, MalformedError, TrustError
from smgw.trust.keys.agent import AgentKeys
from smgw.trust.keys.calls import AGREE, ANSWER, RANDOM, SIGN, SOCKET, Call
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.own import own_triples
from soon import LIMIT
from trial_pki import TrialPki, session_pki

BODY = b'{"id":"house"}'
DIGEST = sha256(BODY).digest()
TARGET = "/smgw/con/v1/exp/readings/{}?q.count=3&q.signed=CMS_ECDSA_SHA256_Detached"


def certificate(trust: Path) -> Certificate:
    return own_triples(trust)[-1].signature


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    session_pki().write_gateway(tmp_path / "trust")
    return tmp_path / "trust"


def made(trust: Path, digest: bytes = DIGEST) -> bytes:
    return signed.sign_answer(digest, FolderKeys(trust), certificate(trust))


def verified(folder: Path, message: bytes, body: bytes, signer: Certificate) -> bool:
    """What OpenSSL says of a detached signature."""
    (folder / "message").write_bytes(message)
    (folder / "body").write_bytes(body)
    (folder / "signer").write_bytes(DER_cert_to_PEM_cert(signer.der).encode())
    files = ("-in", folder / "message", "-content", folder / "body", "-certfile", folder / "signer")
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-noverify", *map(str, files)]
    return subprocess.run(command, capture_output=True).returncode == 0


def test_openssl_verifies_an_answer(tmp_path: Path, trust: Path) -> None:
    assert verified(tmp_path, made(trust), BODY, certificate(trust))


def test_openssl_refuses_another_body(tmp_path: Path, trust: Path) -> None:
    assert not verified(tmp_path, made(trust), BODY + b" ", certificate(trust))


def test_no_message_for_an_emp_can_be_made_of_an_answer(trust: Path) -> None:
    """The content is put in, as one who wants to forge a message would."""
    kind = der.identifier(oids.DATA)
    empty = der.element(der.SEQUENCE, kind)
    full = der.element(der.SEQUENCE, kind, der.element(der.context(0), der.element(der.OCTET_STRING, BODY)))
    reader = der.Reader(made(trust)).inside(der.SEQUENCE, "message")
    reader.whole(der.OBJECT_IDENTIFIER, "type")
    inner = reader.inside(der.context(0), "SignedData").content(der.SEQUENCE, "SignedData")
    assert inner.count(empty) == 1
    forged = der.element(
        der.SEQUENCE,
        der.identifier(oids.SIGNED_DATA),
        der.element(der.context(0), der.element(der.SEQUENCE, inner.replace(empty, full))),
    )
    for profile in Profile:
        with pytest.raises(MalformedError, match="is not allowed"):
            signed.verify(forged, [certificate(trust)], profile)


@needs_root
def test_the_han_s_user_has_answers_signed_and_nothing_else(trust: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_desk, "OPERATIONS", {"nobody": keys_desk.OPERATIONS["smgw-han"]})
    with short_directory() as run, serving(run, FolderKeys(trust), lambda digest: made(trust, digest)):
        (run / SOCKET).parent.chmod(0o755)
        (run / SOCKET).chmod(0o666)
        assert as_user(NOBODY, run, Call(ANSWER, "", DIGEST).octets)[:1] == b"+"
        name = "0" * 40
        for call in (Call(SIGN, name, DIGEST), Call(AGREE, name, b"\x04" + bytes(64)), Call(RANDOM, "", b"\x00\x08")):
            answer = as_user(NOBODY, run, call.octets)
            assert answer.startswith(b"-KeysUnavailableError\n")
            assert b"may not" in answer


def test_a_desk_that_signs_no_answers_says_so(trust: Path) -> None:
    raises = pytest.raises(KeysUnavailableError, match="signs no answers")
    with short_directory() as run, serving(run, FolderKeys(trust)), raises:
        AgentKeys(run, LIMIT).answer(DIGEST)


@contextmanager
def house_of(state: Path) -> Iterator[House]:
    with LmnView.open(paths.lmn_directory(state)) as view:
        yield opened(state, view)


def test_a_signed_answer_comes_from_the_running_agent(tmp_path: Path) -> None:
    make(tmp_path, range(4))
    with short_directory() as folder:
        agent = AgentProcess(folder)
        TrialPki("p256").write_gateway(agent.state / "trust")
        with agent, house_of(tmp_path) as house:
            house.sign = lambda body: agent.keys.answer(sha256(body).digest())
            answer = ask(VIEW.answer, house, TARGET.format(house.sources("anna")[0].device))
            assert answer.status == 200, answer.body
            assert len(told(answer)) == 3
            message = base64.b64decode(answer.headers["Content-Signature"])
            assert isinstance(answer.body, bytes)
            assert verified(tmp_path, message, answer.body, certificate(agent.state / "trust"))


def test_an_agent_without_certificates_is_told_in_the_answer(tmp_path: Path) -> None:
    make(tmp_path, range(4))
    with short_directory() as folder, AgentProcess(folder) as agent, house_of(tmp_path) as house:
        house.sign = lambda body: agent.keys.answer(sha256(body).digest())
        answer = ask(VIEW.answer, house, TARGET.format(house.sources("anna")[0].device))
    assert answer.status == 503
    assert "cannot be signed now" in told(answer)["text"]
    assert str(folder) not in told(answer)["text"]


def test_without_an_agent_the_answer_is_refused(tmp_path: Path) -> None:
    make(tmp_path, range(4))
    with short_directory() as run, house_of(tmp_path) as house:
        house.sign = lambda body: AgentKeys(run, 1.0).answer(sha256(body).digest())
        answer = ask(VIEW.answer, house, TARGET.format(house.sources("anna")[0].device))
    assert (answer.status, "agent of keys does not answer" in told(answer)["text"]) == (503, True)
    with pytest.raises(TrustError):
        AgentKeys(Path(os.devnull), 1.0).answer(DIGEST)
