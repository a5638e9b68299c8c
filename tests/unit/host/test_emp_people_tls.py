"""People's pages over TLS, and where plain HTTP is allowed."""

import asyncio
import contextlib
import http.client
import logging
import re
import ssl
import subprocess

import emp_process
import pytest
from emp.cli import main
from emp.store.sqlite_storage import SqliteStorage
from emp.trust.people_tls import Files, PeopleTls, make
from emp.web import password
from emp.web.listener import Address, ListenError
from emp.web.server import HeadEnd, Settings
from smgw.trust import errors
from soon import LIMIT
from trial_pki import openssl


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("people"), ["localhost", "127.0.0.1"])[0]


def browser(port, trusted) -> http.client.HTTPSConnection:
    """One that checks name and chain."""
    context = ssl.create_default_context(cafile=trusted)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=LIMIT, context=context)


def test_people_read_over_tls_and_their_handshakes_are_counted(made, tmp_path):
    with emp_process.inside(tmp_path / "emp.db", Settings(people_files=made)) as running:
        with contextlib.closing(browser(running.people, made.certificate)) as connection:
            connection.request("GET", "/healthz")
            assert b'"people":{"full":1,"resumed":0' in connection.getresponse().read()
        assert running.put(emp_process.content(emp_process.row(1, 10))).status == 201  # gateways: plain, on loopback
        with pytest.raises((OSError, http.client.HTTPException)):
            running.ask("GET", "/healthz")


def test_the_certificate_of_the_command_has_the_names_and_the_fingerprint_that_it_tells(tmp_path, capsys):
    folder = tmp_path / "tls"
    command = ["certificate", "--out", str(folder), "--host", "emp.example.org", "--host", "192.0.2.7", "--days", "90"]
    assert main(command) == 0
    said = capsys.readouterr().out
    shown = subprocess.run(
        [openssl(), "x509", "-in", str(folder / "people.crt"), "-noout", "-fingerprint", "-sha256", "-text"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    fingerprint = re.search(r"Fingerprint=(\S+)", shown)
    assert fingerprint
    assert f"SHA-256 {fingerprint[1]}\n" in said
    assert "DNS:emp.example.org, IP Address:192.0.2.7" in shown
    assert "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1" in shown
    assert "ASN1 OID: prime256v1" in shown
    assert (folder / "people.key").stat().st_mode & 0o777 == 0o600
    assert main(command) == 1
    assert "people.crt: is there already. Add --renew" in capsys.readouterr().err
    assert main([*command, "--renew"]) == 0
    assert main([*command, "--renew", "--host", "not a host"]) == 1
    assert "is no name of a host" in capsys.readouterr().err


def test_a_renewed_certificate_is_used_without_a_restart(made, tmp_path):
    files, _ = make(tmp_path, ["localhost"])
    tls = PeopleTls(files)
    before = tls.current()
    make(tmp_path, ["localhost"], renew=True)
    tls._look_again_s = 0.0
    assert tls.current() is not before


def test_a_renewed_certificate_that_cannot_be_used_leaves_the_one_before(tmp_path, caplog):
    files, _ = make(tmp_path, ["localhost"])
    tls = PeopleTls(files)
    before = tls.current()
    files.certificate.write_text("no certificate")
    tls._look_again_s = 0.0
    assert tls.current() is before
    assert "the pages for people go on with the certificate before: " in caplog.text


def test_wrong_files_are_named(made, tmp_path):
    def refused(error, told, certificate=made.certificate, key=made.key):
        with pytest.raises(error, match=told):
            PeopleTls(Files(certificate, key))

    other, _ = make(tmp_path / "other", ["localhost"])
    refused(errors.KeyMismatchError, "other/people.key: this private key does not belong to", key=other.key)
    refused(errors.FileError, "absent: cannot be read", certificate=tmp_path / "absent")
    refused(errors.FileError, "absent: cannot be read", key=tmp_path / "absent")
    other.key.chmod(0o644)
    refused(errors.OpenToOthersError, "has mode 0644", key=other.key)
    encrypted = tmp_path / "encrypted.key"
    subprocess.run(
        [openssl(), "pkey", "-in", str(made.key), "-aes128", "-passout", "pass:lorem", "-out", str(encrypted)],
        check=True,
    )
    encrypted.chmod(0o600)
    refused(errors.PassphraseError, "encrypted.key: is encrypted", key=encrypted)


def test_the_end_of_the_certificate_is_told_at_start_and_on_the_page(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    files, _ = make(tmp_path, ["localhost", "127.0.0.1"], days=20)
    with (
        emp_process.inside(tmp_path / "emp.db", Settings(people_files=files)) as running,
        contextlib.closing(browser(running.people, files.certificate)) as connection,
    ):
        connection.request("GET", "/")
        page = connection.getresponse().read().decode()
    told = f"{files.certificate}: the certificate of the pages for people ends in 19 days. Renew it."
    assert told in page
    assert told in caplog.text


def test_certificate_and_key_belong_together(tmp_path, capsys):
    assert main(["serve", "--listen", "nowhere.invalid:0", "--db", str(tmp_path / "emp.db"), "--people-key", "x"]) == 1
    assert "--people-certificate and --people-key belong together" in capsys.readouterr().err


def start(tmp_path, gateways, people, **settings):
    """Start on these addresses, at free ports, and stop; what the page would note."""
    storage = SqliteStorage(tmp_path / "emp.db")

    async def run() -> list[str]:
        head_end = HeadEnd(storage, Settings(**settings))
        try:
            await head_end.start(Address(gateways, 0), Address(people, 0))
            return head_end._notes()
        finally:
            await head_end.stop()

    try:
        return asyncio.run(run())
    finally:
        storage.close()


@pytest.fixture
def known(tmp_path):
    password.write(tmp_path / "password", "lorem ipsum")
    return password.read(tmp_path / "password")


def test_plain_http_for_others_needs_insecure(tmp_path, known):
    with pytest.raises(ListenError, match=r"^Gateways deliver at 0\.0\.0\.0:0 without TLS.*--trust DIR.*--insecure"):
        start(tmp_path, "0.0.0.0", "127.0.0.1")
    with pytest.raises(ListenError, match=r"^People read at \[::\]:0 without TLS.*emp certificate.*or --insecure"):
        start(tmp_path, "127.0.0.1", "::", password=known)
    with pytest.raises(ListenError, match="emp password FILE"):
        start(tmp_path, "127.0.0.1", "0.0.0.0", insecure=True)


def test_insecure_is_told_at_start_and_noted_on_the_page(tmp_path, known, caplog):
    caplog.set_level(logging.WARNING)
    notes = start(tmp_path, "0.0.0.0", "0.0.0.0", insecure=True, password=known)
    assert [one.split(" at ")[0] for one in notes] == ["Gateways deliver", "People read"]
    for one in notes:
        assert one in caplog.text


def test_with_certificates_others_may_come(tmp_path, made, known):
    from emp.trust.room import Room
    from emp_trust import Trial

    room = Room(Trial(tmp_path / "trial").emp)
    assert start(tmp_path, "0.0.0.0", "0.0.0.0", room=room, people_files=made, password=known) == []


def test_on_this_computer_nothing_is_noted(tmp_path):
    assert start(tmp_path, "127.0.0.1", "localhost") == []
