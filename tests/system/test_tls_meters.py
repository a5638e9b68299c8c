"""Eight meters over TLS, from smsim into the store: SML pushed and asked, DLMS; and one with a wrong certificate."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from smgw.cli import main
from smgw.trust.meter_certificate import MeterCertificate
from testbed import Program, free_port, surroundings, wait_until

PUSHED, ASKED, WRAPPED = (
    [f"{kind}-{number}" for number in range(1, count + 1)] for kind, count in (("push", 4), ("ask", 2), ("dlms", 2))
)
EVERY = [*PUSHED, *ASKED, *WRAPPED]


class Bench:
    """smsim with eight meters, and the gateway's configuration, keys and pins, as a person makes them."""

    def __init__(self, directory: Path, curve: str = "brainpool") -> None:
        self.directory, self.curve = directory, curve
        self.ports = {name: free_port() for name in EVERY}
        self.smsim = Program("smsim", ["-m", "smsim", "run", str(directory / "meters.toml")])
        self.lmn = Program("lmn", ["-m", "smgw", "lmn", *self.where])

    @property
    def where(self) -> list[str]:
        return ["--config", str(self.directory / "gateway.toml"), "--state", str(self.directory / "state")]

    def smgw(self, *command: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "smgw", *command],
            env=surroundings(), capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done

    def start(self) -> None:
        """Meters first, which make their certificates; then the gateway's keys and pins, then the gateway."""
        (self.directory / "state").mkdir()
        (self.directory / "gateway.toml").write_text(self._gateway())
        assert main(["keys", "lmn", *self.where, "--curve", self.curve]) == 0
        (self.directory / "meters.toml").write_text(self._meters())
        self.smsim.start()
        self.smsim.wait_for(f"meter {WRAPPED[-1]}")
        for name in EVERY:
            assert main(["keys", "meter", *self.where, name, str(self.certificate(name))]) == 0
        checked = self.smgw("check", *self.where)
        assert "!" not in checked.stdout
        self.lmn.start()

    def certificate(self, name: str) -> Path:
        return self.directory / "smsim-certificates" / f"{name}.crt"

    def _meters(self) -> str:
        tls = f'tls = true\ntls_curve = "{self.curve}"\ntls_client = "state/trust/lmn/tls.crt"\n'
        text = '[simulator]\nstart = "now"\nseconds_per_quarter_hour = 900\n'
        for place, name in enumerate(PUSHED + ASKED):
            port = f"tcp-push:{self.ports[name]}" if name in PUSHED else f"tcp:{self.ports[name]}"
            text += f'[[meter]]\nname = "{name}"\ndevice = "1UTB{place:010d}"\nport = "{port}"\n{tls}'
        for place, name in enumerate(WRAPPED):
            text += f'[[dlms]]\nport = "tcp:{self.ports[name]}"\nframing = "wrapper"\n{tls}'
            text += f'[[dlms.meter]]\nname = "{name}"\ndevice = "1UTB{100 + place:010d}"\nhistory_days = 2\n'
        return text

    def _gateway(self) -> str:
        text = '[gateway]\ndevice_id = "ESMG0000000001"\n'
        for name in EVERY:
            protocol = "sml-push" if name in PUSHED else "sml-poll" if name in ASKED else "dlms"
            text += (
                f'[[meter]]\nname = "{name}"\nprotocol = "{protocol}"\nport = "tls://127.0.0.1:{self.ports[name]}"\n'
            )
            text += "registration_period = 0\n"
            if name not in PUSHED:
                text += "interval = 1\n"
            if name in WRAPPED:
                text += 'dlms = { framing = "wrapper" }\n'
        return text

    def stored(self) -> dict[str, int]:
        """Meter -> number of rows."""
        status = json.loads(self.smgw("status", *self.where, "--json").stdout)
        return {meter["name"]: meter["records"] for meter in status["meters"]}

    def wait_for_rows(self, least: int) -> None:
        def there() -> bool:
            stored = self.stored()
            return set(stored) == set(EVERY) and min(stored.values()) >= least

        wait_until(there, 60, "all meters are read")

    def states(self) -> dict[str, str]:
        status = json.loads(self.smgw("status", *self.where, "--json").stdout)
        return {meter["name"]: meter["state"] for meter in status["meters"]}

    def resident_octets(self) -> int:
        """Memory of the LMN process."""
        found = re.search(r"^Rss: +(\d+)", Path(f"/proc/{self.lmn.pid}/smaps_rollup").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.lmn.destroy()
    made.smsim.destroy()


def test_eight_meters_over_tls_are_stored(bench: Bench) -> None:
    bench.start()
    bench.wait_for_rows(3)
    wait_until(lambda: set(bench.states().values()) == {"reading"}, 60, "a state is not told")
    print(f"RSS of the LMN process with 8 meters over TLS: {bench.resident_octets() / 1e6:.1f} MB")


def test_eight_meters_over_tls_1_3_are_stored(tmp_path: Path) -> None:
    made = Bench(tmp_path, "p256")
    try:
        made.start()
        made.wait_for_rows(3)
    finally:
        made.lmn.destroy()
        made.smsim.destroy()


def test_a_meter_with_another_certificate_is_told_and_harms_no_other(bench: Bench) -> None:
    bench.start()
    bench.wait_for_rows(1)
    bench.smsim.stop()
    bench.certificate("push-1").unlink()
    bench.certificate("push-1").with_suffix(".key").unlink()
    before = bench.stored()
    bench.smsim.start()
    wait_until(lambda: all(bench.stored()[name] > before[name] for name in EVERY[1:]), 60, "all meters are read")
    told = bench.smgw("status", *bench.where).stdout
    assert "push-1 at tls://" in told
    assert "pinned is" in told
    assert "smgw keys meter" in told
    bench.smgw("keys", "meter", *bench.where, "push-1", str(bench.certificate("push-1")))
    wait_until(lambda: bench.states()["push-1"] == "reading", 60, "the new certificate is believed")


def test_read_and_scan_know_meters_with_tls(bench: Bench) -> None:
    bench.start()
    bench.lmn.destroy()
    read = bench.smgw("read", *bench.where, "--json", "push-1", "ask-1", "dlms-1")
    assert read.returncode == 0, read.stderr
    assert len(read.stdout.splitlines()) == 3
    scan = bench.smgw("scan", *bench.where, f"tls://127.0.0.1:{bench.ports['push-2']}")
    assert scan.returncode == 0, scan.stderr
    assert "sml-push" in scan.stdout
    assert MeterCertificate.from_file(bench.certificate("push-2")).fingerprint in scan.stderr
    answers = ("--ntp", "system", "--emp", "none", "--name", "flat")
    port = f"tls://127.0.0.1:{bench.ports['push-3']}"
    made = bench.smgw(
        "setup", *bench.where[2:], "--config", str(bench.directory / "new.toml"), "--port", port, *answers
    )
    assert made.returncode == 0, made.stderr
    assert "smgw keys meter" in made.stdout
    assert port in (bench.directory / "new.toml").read_text()


def test_the_store_is_sound_after_a_kill(bench: Bench) -> None:
    bench.start()
    bench.wait_for_rows(1)
    bench.lmn.kill()
    with closing(sqlite3.connect(bench.directory / "state" / "lmn" / "lmn.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    before = bench.stored()
    bench.lmn.start()
    wait_until(lambda: all(bench.stored()[name] > before[name] for name in EVERY), 60, "all meters are read")
