"""The commands and the daemon against smsim's DLMS meters: every way, every mechanism, every fault."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from testbed import Program, free_port, surroundings, wait_until

KEY, AUTH_KEY = bytes(range(16)).hex(), bytes(range(0xD0, 0xE0)).hex()
SECRET = "sesamsesam"
GMAC = f"""\
[[dlms.meter.client]]
sap = 1
mechanism = "hls-gmac"
encryption_key = "{KEY}"
authentication_key = "{AUTH_KEY}"
"""
PUBLIC = "[[dlms.meter.client]]\nsap = 16\nrestricted = true\nblock_transfer = false\n"
KEYED = 'client = 1, authentication = "hls-gmac", encryption_key_file = "enc", authentication_key_file = "auth"'
ENERGY = "1-0:1.8.0*255"


class Bench:
    """One smsim with the lines that a test adds, and one configuration of the gateway."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.simulated = '[simulator]\nstart = "now"\nseconds_per_quarter_hour = 900\n'
        self.gateway = '[gateway]\ndevice_id = "ESMG0000000001"\n'
        self.smsim = Program("smsim", ["-m", "smsim", "run", str(directory / "meters.toml")])
        (directory / "state").mkdir()
        for name, text in (("enc", KEY), ("auth", AUTH_KEY), ("secret", SECRET)):
            (directory / name).write_text(text + "\n")
            (directory / name).chmod(0o600)

    def line(self, meters: str, *, port: str = "", line: str = "") -> str:
        """A line of meters; its port, for the gateway."""
        number = free_port()
        self.simulated += f'[[dlms]]\nport = "{port or f"tcp:{number}"}"\n{line}{meters}'
        return port.removeprefix("pty:") or f"socket://127.0.0.1:{number}"

    def meter(self, name: str, port: str, dlms: str = "", more: str = "") -> None:
        """A meter of the gateway's configuration."""
        self.gateway += (
            f'[[meter]]\nname = "{name}"\nprotocol = "dlms"\nport = "{port}"\ntimeout = 2\n{more}dlms = {{ {dlms} }}\n'
        )

    def start(self) -> None:
        (self.directory / "meters.toml").write_text(self.simulated)
        (self.directory / "gateway.toml").write_text(self.gateway)
        self.smsim.start()
        self.smsim.wait_for("smsim: meter")

    def smgw(self, command: str, *arguments: str, seconds: float = 90.0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "smgw", command, *self.where, *arguments],
            env=surroundings(),
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done

    @property
    def where(self) -> list[str]:
        return ["--config", str(self.directory / "gateway.toml"), "--state", str(self.directory / "state")]

    def read(self, *names: str) -> list[dict[str, Any]]:
        """`smgw read --json`; all must answer."""
        done = self.smgw("read", "--json", "--seconds", "40", *names)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def meter(name: str, number: int, more: str = "") -> str:
    return f'[[dlms.meter]]\nname = "{name}"\ndevice = "1UTB{number:010d}"\nhistory_days = 40\n{more}'


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.smsim.destroy()


def obis(capture: dict[str, Any]) -> set[str]:
    return {reading["obis"] for reading in capture["readings"]}


def test_every_way_and_every_mechanism_is_read(bench: Bench, tmp_path: Path) -> None:
    plain = bench.line(meter("a", 1))
    bench.meter("plain", plain)
    gmac = bench.line(meter("b", 2, PUBLIC + GMAC))
    bench.meter("gmac", gmac, KEYED)
    wrapped = bench.line(meter("c", 3, 'model = "dsmr"\n'), line='framing = "wrapper"\n')
    bench.meter("wrapped", wrapped, 'framing = "wrapper"')
    signed_on = bench.line(meter("d", 4), port=f"pty:{tmp_path / 'head'}", line="[dlms.sign_on]\n")
    bench.meter("signed-on", signed_on, 'start = "mode-e"')
    for place, mechanism in enumerate(("lls", "hls-md5", "hls-sha1", "hls-sha256")):
        client = f'[[dlms.meter.client]]\nsap = 2\nmechanism = "{mechanism}"\nsecret = "{SECRET}"\n'
        port = bench.line(meter(mechanism, 10 + place, client))
        bench.meter(mechanism, port, f'client = 2, authentication = "{mechanism}"', 'password_file = "secret"\n')
    bench.start()
    captures = bench.read()
    assert [capture["meter"] for capture in captures] == [
        "plain", "gmac", "wrapped", "signed-on", "lls", "hls-md5", "hls-sha1", "hls-sha256"
    ]  # fmt: skip
    assert all(ENERGY in obis(capture) for capture in captures)


def test_a_ciphered_meter_without_a_place_for_its_counters_is_told_at_once(bench: Bench) -> None:
    bench.meter("gmac", bench.line(meter("b", 2, PUBLIC + GMAC)), KEYED)
    bench.start()
    nowhere = bench.directory / "nowhere"
    done = bench.smgw("read", "--state", str(nowhere), "--seconds", "600")  # the bench waits for 60 s at most
    assert done.returncode == 1
    assert f"there is no {nowhere}; name the gateway's with --state, or make one for good: mkdir -p" in done.stderr


def test_a_meter_that_signs_is_read(bench: Bench) -> None:
    """Mechanism 7: each side signs, and knows the other's public key."""
    ours, meters = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    secret = meters.private_numbers().private_value.to_bytes(32, "big").hex()
    point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()
    client = f'[[dlms.meter.client]]\nsap = 1\nmechanism = "hls-ecdsa"\nsuite = 1\nsigning_key = "{secret}"\n'
    port = bench.line(meter("a", 1, f'{client}client_public_key = "{point}"\n'))
    for name, octets in (
        ("ours.pem", ours.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
        ("meter.pem", meters.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
    ):
        (bench.directory / name).write_bytes(octets)
        (bench.directory / name).chmod(0o600)
    keys = 'signing_key_file = "ours.pem", meter_key_file = "meter.pem"'
    bench.meter("signs", port, f'client = 1, authentication = "hls-ecdsa", security_suite = 1, {keys}')
    bench.start()
    (capture,) = bench.read()
    assert ENERGY in obis(capture)


def test_meters_of_one_bus_are_read_by_address(bench: Bench, tmp_path: Path) -> None:
    meters = "".join(meter(f"m{address}", address, f"address = {address}\n") for address in (17, 18, 19))
    port = bench.line(meters, port=f"pty:{tmp_path / 'bus'}", line="baud = 115200\n")
    for address in (17, 18, 19):
        bench.meter(f"m{address}", port, f"physical = {address}", "interval = 1\nregistration_period = 0\n")
    bench.start()
    assert len({capture["device"] for capture in bench.read()}) == 3
    lmn = Program("lmn", ["-m", "smgw", "lmn", *bench.where])
    lmn.start()
    try:

        def devices() -> int:
            with closing(sqlite3.connect(f"file:{tmp_path}/state/lmn/lmn.db?mode=ro", uri=True)) as database:
                return int(database.execute("SELECT count(DISTINCT device) FROM capture").fetchone()[0])

        wait_until(lambda: devices() == 3, 60, "not all meters of the bus were read")
        assert lmn.stop() == 0
    finally:
        lmn.destroy()


@pytest.mark.parametrize(
    ("fault", "dlms"),
    [
        ("lost_frame = 7", ""),
        ("wrong_crc = 7", ""),
        ("slow_answer = 0.3", ""),
        ("echo = true", ""),
        ("wrong_deviation = true", 'quirks = ["opposite-deviation"]'),
    ],
)
def test_a_day_of_a_profile_comes_whole_through_every_fault(fault: str, dlms: str, bench: Bench) -> None:
    port = bench.line(meter("a", 1), line=f"[dlms.faults]\n{fault}\n")
    bench.meter("a", port, dlms, "retries = 5\n")
    bench.start()
    midnight = time.time() // 86_400 * 86_400 - 86_400
    begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(midnight + after)) for after in (900, 86_400))
    done = bench.smgw("profile", "a", "--from", begin, "--to", end, "--csv")
    assert done.returncode == 0, done.stderr
    times = [line.split(",")[0] for line in done.stdout.splitlines()[1:]]
    assert len(times) == len(set(times)) == 96, done.stdout
    assert times == sorted(times)


def test_an_association_that_is_dropped_is_made_again(bench: Bench) -> None:
    port = bench.line(meter("a", 1), line="[dlms.faults]\ndrop_after = 9\n")
    bench.meter("a", port, "", "interval = 1\nregistration_period = 0\n")
    bench.start()
    lmn = Program("lmn", ["-m", "smgw", "lmn", *bench.where])
    lmn.start()
    try:

        def captures() -> int:
            with closing(sqlite3.connect(f"file:{bench.directory}/state/lmn/lmn.db?mode=ro", uri=True)) as database:
                return int(database.execute("SELECT count(*) FROM capture").fetchone()[0])

        wait_until(lambda: captures() >= 8, 60, "the meter was not read again")
    finally:
        lmn.destroy()


def test_a_profile_of_a_ciphered_meter_is_kept_by_the_gateway_and_printed_from_its_store(bench: Bench) -> None:
    port = bench.line(meter("a", 1, PUBLIC + GMAC))
    bench.meter("a", port, KEYED, 'load_profile = ["1-0:99.1.0"]\nload_profile_days = 3\n')
    bench.start()
    lmn = Program("lmn", ["-m", "smgw", "lmn", *bench.where])
    lmn.start()
    try:
        lmn.wait_for("load profile .* rows")
        begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago)) for ago in (172_800, 86_400))
        done = bench.smgw("profile", "a", "--from", begin, "--to", end, "--csv")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 97
        assert "rows read" not in done.stderr  # nothing was asked
        held = bench.smgw("read", "--seconds", "5")  # counters of the requests belong to the running gateway
        assert held.returncode == 0, held.stderr
        assert f"smgw lmn (process {lmn.pid}) reads it" in held.stderr
    finally:
        lmn.destroy()


def test_a_scan_finds_a_simulated_meter_and_its_profile_is_read(bench: Bench) -> None:
    port = bench.line(meter("a", 1))
    bench.start()
    done = bench.smgw("scan", port, "--seconds", "1")
    assert done.returncode == 0, done.stderr
    (bench.directory / "gateway.toml").write_text(bench.gateway + done.stdout)
    (capture,) = bench.read()
    assert ENERGY in obis(capture)
