"""The agent of keys under a real systemd: who can read a key, who may use one, and what opens them."""

import json
import re
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from machine import Machine, tar_of
from pki import profile
from smgw.trust.certificate import Purpose
from smgw.trust.keys import key_name
from smgw.trust.request import read_triple
from trial_pki import NOW, TERMS, HeldTriple, session_pki

STATE = "/var/lib/smgw"
OWN = f"{STATE}/trust/own"
SOCKET = "/run/smgw/keys/keys.sock"
PASSPHRASE = "correct horse battery staple"
CREDENTIAL = "/etc/smgw/credentials/keys/passphrase"
PIN = "4711-0815-42"
TOKENS = f"{STATE}/keys/tokens"
SOFTHSM = ("softhsm2", "libsofthsm2", "softhsm2-common", "python3-pykcs11")
IN_TOKEN = ("env", "SOFTHSM2_CONF=/etc/smgw/softhsm2.conf")
TABLE = """
[keys]
holder = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
token = "smgw"
pin_file = "keys_pin"
"""
#: Signs by what the WAN process calls, and prints the signature or the error.
SIGN = """\
import sys
from pathlib import Path
from smgw.errors import SmgwError
from smgw.trust.keys.holder import open_keys
try:
    print("signed", open_keys(Path("/run/smgw"), Path("/var/lib/smgw/trust")).sign(sys.argv[1], bytes(32)).hex())
except SmgwError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def machine(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tar_of("bookworm"), tmp_path_factory.mktemp("machine")) as machine:
        machine.copy(deb, "/root/smgw.deb")
        machine.run("dpkg", "-i", "/root/smgw.deb")
        machine.write("/usr/local/lib/sign.py", SIGN)
        yield machine


def give(machine: Machine, number: int, passphrase: str = "") -> HeldTriple:
    """The triple with this number, each key with its owner."""
    triple = session_pki().write_triple(
        machine.root / f"{STATE}/trust".lstrip("/"), number=number, passphrase=passphrase.encode()
    )
    folder = f"{OWN}/{number}"
    machine.run("chown", "smgw-wan:smgw", f"{folder}/tls.key")
    machine.run("chown", "smgw-keys:smgw", f"{folder}/sig.key", f"{folder}/enc.key")
    return triple


@pytest.fixture(scope="module")
def triple(machine: Machine) -> HeldTriple:
    return give(machine, 1)


def name(triple: HeldTriple) -> str:
    return key_name(triple.signature.key.public_key())


def pid(machine: Machine, unit: str) -> str:
    return machine.show(unit, "MainPID")["MainPID"]


def in_the_sandbox_of(machine: Machine, unit: str, user: str, *command: str) -> str:
    """What a command prints there, as the service's user."""
    numbers = [machine.run("id", option, user).strip() for option in ("-u", "-g")]
    place = ["nsenter", "-t", pid(machine, unit), "-m", "-n", "-i", "-U", "-S", numbers[0], "-G", numbers[1]]
    done = machine.try_run(*place, *command)
    return done.stdout + done.stderr


def signed(machine: Machine, triple: HeldTriple) -> str:
    return in_the_sandbox_of(
        machine, "smgw-wan", "smgw-wan", "/usr/bin/python3", "/usr/local/lib/sign.py", name(triple)
    )


def as_user(machine: Machine, user: str, *command: str) -> str:
    done = machine.try_run("runuser", "-u", user, "--", *command)
    return done.stdout + done.stderr


def test_it_runs_as_its_own_user_and_its_socket_is_for_the_group(machine: Machine, triple: HeldTriple) -> None:
    found = machine.show("smgw-keys", "ActiveState", "User", "Group", "Type")
    assert found == {"ActiveState": "active", "User": "smgw-keys", "Group": "smgw", "Type": "notify"}
    listed = machine.run("stat", "-c", "%U %G %a", SOCKET, "/run/smgw/keys").splitlines()
    assert listed == ["smgw-keys smgw 660", "smgw-keys smgw 2750"]
    machine.until(lambda: "1 keys for signature" in machine.show("smgw-keys", "StatusText")["StatusText"])
    assert "smgw-keys.service" in machine.show("smgw.target", "Wants")["Wants"]
    assert "smgw-keys.service" in machine.show("smgw-wan", "After")["After"]


@pytest.mark.shows_secrets  # the key for TLS, to show that its own user can read it
def test_the_wan_process_signs_through_the_agent_and_cannot_read_the_key(machine: Machine, triple: HeldTriple) -> None:
    assert signed(machine, triple).startswith("signed 30")
    for key in ("sig.key", "enc.key"):
        told = in_the_sandbox_of(machine, "smgw-wan", "smgw-wan", "/bin/cat", f"{OWN}/1/{key}")
        assert "Permission denied" in told
        assert "PRIVATE KEY" not in told
        assert "Permission denied" in as_user(machine, "smgw-lmn", "cat", f"{OWN}/1/{key}")
    assert "PRIVATE KEY" in as_user(machine, "smgw-wan", "cat", f"{OWN}/1/tls.key")
    assert "Permission denied" in as_user(machine, "smgw-keys", "cat", f"{OWN}/1/tls.key")


def test_without_the_agent_the_error_says_how_to_start_it(machine: Machine, triple: HeldTriple) -> None:
    machine.run("systemctl", "stop", "smgw-keys")
    try:
        assert machine.try_run("ls", SOCKET).returncode != 0
        told = signed(machine, triple)
        assert told.startswith("OpenToOthersError") or told.startswith("FileError")
        assert "systemctl start smgw-keys" in told
        assert machine.show("smgw-wan", "ActiveState")["ActiveState"] == "active"
    finally:
        machine.run("systemctl", "start", "smgw-keys")
    assert signed(machine, triple).startswith("signed 30")


def test_another_user_of_the_group_is_refused_and_a_stranger_cannot_connect(
    machine: Machine, triple: HeldTriple
) -> None:
    command = ("/usr/bin/python3", "/usr/local/lib/sign.py", name(triple))
    assert "the user smgw-lmn may not use the keys" in as_user(machine, "smgw-lmn", *command)
    machine.until(lambda: machine.journal("EVENT=keys-refused", "_SYSTEMD_UNIT=smgw-keys.service"))
    assert as_user(machine, "nobody", *command).startswith("KeysUnavailableError")
    assert as_user(machine, "root", *command).startswith("signed 30")


def test_it_has_no_network_and_no_device(machine: Machine) -> None:
    agent = pid(machine, "smgw-keys")
    assert machine.run("readlink", f"/proc/{agent}/ns/net") != machine.run("readlink", "/proc/1/ns/net")
    links = machine.run("nsenter", "-t", agent, "-n", "cat", "/proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in links] == ["lo"]
    assert "ttyUSB0" not in machine.run("nsenter", "-t", agent, "-m", "ls", "/dev").split()


def test_the_passphrase_comes_as_an_encrypted_credential(machine: Machine, triple: HeldTriple) -> None:
    own = (machine.root / "etc/smgw/gateway.toml").read_text()
    locked = give(machine, 2, PASSPHRASE)
    assert "passphrase" in signed(machine, locked)
    machine.until(lambda: machine.journal("EVENT=keys-unusable", "_SYSTEMD_UNIT=smgw-keys.service"))
    machine.run("rm", "-r", f"{OWN}/1")
    machine.run("systemd-creds", "encrypt", "--name=keys_passphrase", "-", CREDENTIAL, given=PASSPHRASE)
    machine.write("/etc/smgw/gateway.toml", own + '\n[keys]\npassphrase_file = "keys_passphrase"\n')
    try:
        machine.run("systemctl", "restart", "smgw-keys")
        assert signed(machine, locked).startswith("signed 30")
        assert PASSPHRASE.encode() not in (machine.root / CREDENTIAL.lstrip("/")).read_bytes()
    finally:
        machine.write("/etc/smgw/gateway.toml", own)
        machine.run("rm", "-r", CREDENTIAL, f"{OWN}/2")
        give(machine, 1)
        machine.run("systemctl", "restart", "smgw-keys")


def test_a_hang_is_ended_by_the_watchdog_and_the_wan_process_goes_on(machine: Machine, triple: HeldTriple) -> None:
    machine.write("/etc/systemd/system/smgw-keys.service.d/quick.conf", "[Service]\nWatchdogSec=3\nRestartSec=0.2\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "smgw-keys")
    before, wan = pid(machine, "smgw-keys"), pid(machine, "smgw-wan")
    machine.run("systemctl", "kill", "--signal=STOP", "smgw-keys")
    machine.until(lambda: pid(machine, "smgw-keys") not in (before, "0"))
    machine.until(lambda: signed(machine, triple).startswith("signed 30"))
    assert pid(machine, "smgw-wan") == wan


def test_a_reload_of_a_wrong_configuration_fails_and_changes_nothing(machine: Machine, triple: HeldTriple) -> None:
    own = (machine.root / "etc/smgw/gateway.toml").read_text()
    machine.write("/etc/smgw/gateway.toml", own + '\n[keys]\nholder = "pkcs11"\n')
    try:
        assert machine.try_run("systemctl", "reload", "smgw-keys").returncode != 0
        assert signed(machine, triple).startswith("signed 30")
    finally:
        machine.write("/etc/smgw/gateway.toml", own)


@pytest.fixture
def soft_token(machine: Machine, tmp_path: Path) -> None:
    """SoftHSM with a token of the agent's user; its PIN is a credential."""
    got = subprocess.run(["apt-get", "download", "-qq", *SOFTHSM], cwd=tmp_path, capture_output=True, timeout=300)
    if got.returncode != 0:
        pytest.skip(f"the packages {' '.join(SOFTHSM)} cannot be had")
    for package in tmp_path.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(machine.root)], check=True, timeout=60)
    machine.write("/etc/smgw/softhsm2.conf", f"directories.tokendir = {TOKENS}\n")
    machine.run("install", "-d", "-o", "smgw-keys", "-g", "smgw", "-m", "700", TOKENS)
    drop_in = "/etc/systemd/system/smgw-keys.service.d/softhsm.conf"
    machine.write(drop_in, "[Service]\nEnvironment=SOFTHSM2_CONF=/etc/smgw/softhsm2.conf\n")
    machine.run("systemctl", "daemon-reload")
    pins = ("--pin", PIN, "--so-pin", "12345678")
    machine.run(*IN_TOKEN, "softhsm2-util", "--init-token", "--free", "--label", "smgw", *pins)
    machine.run("systemd-creds", "encrypt", "--name=keys_pin", "-", "/etc/smgw/credentials/keys/pin", given=PIN)


def test_a_security_module_works_within_the_sandbox_and_can_be_pulled_out(machine: Machine, soft_token: None) -> None:
    own = (machine.root / "etc/smgw/gateway.toml").read_text()
    machine.write("/etc/smgw/gateway.toml", own + TABLE)
    try:
        machine.write("/root/pin", PIN, 0o600)
        made = machine.run(*IN_TOKEN, "smgw", "keys", "request", "--id", "EXXX0012345678", "--pin", "/root/pin")
        machine.run("chown", "-R", "smgw-keys:smgw", TOKENS)
        folder = machine.root / re.findall(r"key for TLS in /(\S+),", made)[0]
        assert [file.name for file in folder.glob("*.key")] == ["tls.key"]
        issuer, names = session_pki().sub_ca, {}
        for one in read_triple(folder):
            issued = profile.end_certificate(one.subject, one.purpose, one.public_key, issuer, NOW, 700, TERMS)
            (folder / f"{one.purpose.value}.crt").write_bytes(issued.pem)
            names[one.purpose] = key_name(one.public_key)
        machine.run("systemctl", "restart", "smgw-keys")
        sign = ("/usr/bin/python3", "/usr/local/lib/sign.py", names[Purpose.SIGNATURE])
        machine.until(lambda: "token smgw: 1 keys" in machine.show("smgw-keys", "StatusText")["StatusText"])
        assert in_the_sandbox_of(machine, "smgw-wan", "smgw-wan", *sign).startswith("signed 30")
        away = "/var/lib/smgw/keys/pulled-out"
        machine.run("sh", "-c", f"mkdir {away} && mv {TOKENS}/* {away}")
        assert "token smgw" in in_the_sandbox_of(machine, "smgw-wan", "smgw-wan", *sign)
        machine.run("sh", "-c", f"mv {away}/* {TOKENS}")
        assert in_the_sandbox_of(machine, "smgw-wan", "smgw-wan", *sign).startswith("signed 30")
        assert "Permission denied" in as_user(machine, "smgw-wan", "ls", TOKENS)
    finally:
        machine.write("/etc/smgw/gateway.toml", own)
        machine.run("systemctl", "restart", "smgw-keys")


def test_no_secret_and_no_traceback_reached_the_journal(machine: Machine, triple: HeldTriple) -> None:
    entries = [json.loads(line) for line in machine.run("journalctl", "--output=json", "--all").splitlines()]
    ours = [entry for entry in entries if str(entry.get("_SYSTEMD_UNIT", "")).startswith("smgw")]
    assert ours
    text = "\n".join(f"{key}={value}" for entry in entries for key, value in entry.items())
    assert PASSPHRASE not in text
    assert not [entry for entry in ours if PIN in str(entry)]
    assert "PRIVATE KEY" not in text
    number = triple.signature.key.private_numbers().private_value
    assert f"{number:064x}" not in text
    assert sha256(b"").hexdigest() not in text
    assert [line for line in text.splitlines() if "Traceback" in line] == []
    assert [line for line in machine.journal() if re.search(r"audit.*(SECCOMP|type=1326)", line)] == []
