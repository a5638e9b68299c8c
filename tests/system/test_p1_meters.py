"""A P1 port with gas and water, from smsim through gateway and head-end; and an encrypted one."""

import json
import subprocess
import sys
from pathlib import Path

from testbed import Chain, Program, push, surroundings, wait_until

HOUSE = ("1EMH0000000001", "7EMH0000000001", "8EMH0000000001")


def test_each_device_of_a_p1_port_arrives_at_the_emp_with_its_own_registers(tmp_path: Path) -> None:
    with Chain(tmp_path, [push("house", interval=0.5)]) as chain:
        meters, gateway = chain.meters_file.read_text(), chain.gateway_file.read_text()
        chain.meters_file.write_text(meters + 'p1 = "5"\ngas = true\nwater = true\n')
        assert '"sml-push"' in gateway
        chain.gateway_file.write_text(gateway.replace('"sml-push"', '"dsmr-p1"'))
        chain.start()
        wait_until(lambda: all(chain.get(f"/devices/{device}.sm.json") for device in HOUSE), 60, "a device is missing")
        gas, water = (chain.get(f"/devices/{device}.sm.json") or b"" for device in HOUSE[1:])
        assert b"0700030100ff" in gas or b"7-0:3.1.0" in gas
        assert b"0800010000ff" in water or b"8-0:1.0.0" in water
        wait_until(
            lambda: {meter["device"] for meter in chain.status()["meters"]} == set(HOUSE), 60, "a state is not told"
        )
        live = chain.smgw("read")
        assert live.returncode == 0
        assert "7-0:3.1.0" in live.stdout
        watched = chain.smgw("watch", "--once")
        assert watched.returncode == 0
        assert "7-0:3.1.0" in watched.stdout


def test_an_encrypted_port_is_read_over_tcp_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("ab" * 16)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "meters.toml").write_text(
        f'[[meter]]\nname = "lu"\ndevice = "1SAG0000000001"\nport = "tcp-push:0"\nbaud = 115200\npush_interval = 0.5\n'
        f'p1 = "LU"\ngas = true\nkey = "{"ab" * 16}"\n'
    )
    smsim = Program("smsim", ["-m", "smsim", "run", str(tmp_path / "meters.toml")])
    try:
        smsim.start()
        line = smsim.wait_for("smsim: meter lu").text
        port = line.rpartition(":")[2]
        (tmp_path / "gateway.toml").write_text(
            '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "lu"\nprotocol = "dsmr-p1"\n'
            f'port = "socket://127.0.0.1:{port}"\np1 = {{ country = "LU", encryption_key_file = "key" }}\n'
        )
        where = ["--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "smgw", "read", *where, "--json"],
            env=surroundings(), capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert {one["device"] for one in told} == {"1SAG0000000001", "7SAG0000000001"}
    finally:
        smsim.destroy()
