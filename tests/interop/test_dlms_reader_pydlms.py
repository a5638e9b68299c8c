"""The gateway's reader reads the meter simulator of pydlms-client: over every link, with every mechanism it has."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from line_meter import Inbox, driver, running, until, watch
from smgw.cosem import DeviceId, Obis
from smgw.lmn.driver import Driver
from smgw.profiles.dlms import Authentication, DlmsProfile, Framing, Referencing
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.lmn.store import LmnStore

PEERS = Path(os.environ.get("SMGW_PEERS_PYTHON", Path(__file__).parents[2] / ".venv-peers/bin/python"))
METER = Path(__file__).with_name("peers") / "pydlms_meter.py"
KEY, AUTH_KEY, SECRET = bytes(range(16)), bytes(range(0xD0, 0xE0)), b"12345678"
ENERGY = Obis.parse("1-0:1.8.0")
MECHANISMS = {
    Authentication.NONE: 0,
    Authentication.LOW: 1,
    Authentication.HIGH_AES: 2,
    Authentication.HIGH_MD5: 3,
    Authentication.HIGH_SHA1: 4,
    Authentication.HIGH_GMAC: 5,
    Authentication.HIGH_SHA256: 6,
}


@contextmanager
def meter(link: str, **wanted: Any) -> Iterator[str]:
    """A simulator of its own; its port, for the gateway."""
    if not PEERS.exists():
        pytest.fail(f"the peers' environment {PEERS} is missing; make it with: make setup")
    command = [str(PEERS), "-I", str(METER), json.dumps({"link": link, **wanted})]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        where = process.stdout.readline().strip()
        try:
            yield where if link == "pty" else f"socket://127.0.0.1:{where}"
        finally:
            process.stdin.close()
            process.wait(10)


def reader(port: str, inbox: Inbox, dlms: DlmsProfile, store: LmnStore) -> Driver:
    profile = MeterProfile(
        name="flat", protocol="dlms", port=port, interval=1, timeout=2, retries=1, options=dlms,
        objects=(ENERGY, Obis.parse("1-0:32.7.0")),
    )  # fmt: skip
    secrets = Secrets(password=SECRET, encryption_key=KEY, authentication_key=AUTH_KEY)
    return driver(profile, inbox=inbox, secrets=secrets, counters=store)


@pytest.mark.parametrize("authentication", MECHANISMS)
@pytest.mark.parametrize("link", ["hdlc", "pty", "wrapper"])
def test_the_reader_polls_it(link: str, authentication: Authentication, tmp_path: Path) -> None:
    ciphered = authentication is Authentication.HIGH_GMAC
    secret = "" if authentication is Authentication.NONE or ciphered else SECRET.hex()
    dlms = DlmsProfile(
        framing=Framing.WRAPPER if link == "wrapper" else Framing.HDLC,
        client=1,
        authentication=authentication,
        encryption_key_file=Path("e") if ciphered else None,
        authentication_key_file=Path("a") if ciphered else None,
    )
    keys = {"key": KEY.hex(), "auth_key": AUTH_KEY.hex()} if ciphered else {}
    inbox = Inbox()
    with (
        LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as store,
        meter(link, clients={"1": [MECHANISMS[authentication], secret, ciphered]}, **keys) as port,
        running(reader(port, inbox, dlms, store)) as made,
    ):
        until(lambda: len(inbox.captures) >= 2, 20)
        assert not watch(made).last_refusal
    capture = inbox.captures[0]
    assert capture.device == DeviceId(b"PYD1000000000001")
    assert (capture.readings[0].obis, capture.readings[0].value.value) == (ENERGY, 12_345_678)


@pytest.mark.parametrize("authentication", [one for one in MECHANISMS if one is not Authentication.HIGH_GMAC])
@pytest.mark.parametrize("link", ["hdlc", "wrapper"])
def test_the_reader_polls_it_by_short_names(link: str, authentication: Authentication, tmp_path: Path) -> None:
    """Its answers come in blocks of some 170 octets."""
    secret = "" if authentication is Authentication.NONE else SECRET.hex()
    dlms = DlmsProfile(
        framing=Framing.WRAPPER if link == "wrapper" else Framing.HDLC,
        referencing=Referencing.SHORT,
        client=1,
        authentication=authentication,
    )
    inbox = Inbox()
    with (
        LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as store,
        meter(link, clients={"1": [MECHANISMS[authentication], secret, False]}, short=True, max_pdu=200) as port,
        running(reader(port, inbox, dlms, store)) as made,
    ):
        until(lambda: len(inbox.captures) >= 2, 20)
        assert not watch(made).last_refusal
    capture = inbox.captures[0]
    assert capture.device == DeviceId(b"PYD1000000000001")
    assert (capture.readings[0].obis, capture.readings[0].value.value) == (ENERGY, 12_345_678)
