"""A full disk under the running gateway, and one under the head-end: nobody dies, losses are counted, all recovers."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed import Chain, poll, push, wait_until

if os.geteuid() != 0:
    pytest.skip("NEEDS ROOT: small file systems are mounted to fill them up", allow_module_level=True)


@contextlib.contextmanager
def small_disk(mount: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size."""
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "smgw-test", str(mount)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NEEDS MOUNT: no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(disk: Path) -> None:
    """Another program takes all the space there is."""
    with contextlib.suppress(OSError), (disk / "filler").open("ab") as file:
        while True:
            file.write(bytes(4096))
            file.flush()


def room(disk: Path) -> None:
    (disk / "filler").unlink()


@pytest.mark.parametrize("greedy", [False, True], ids=["filled-once", "what-it-gives-up-is-taken-too"])
def test_the_gateway_reads_on_on_a_full_disk_and_recovers(tmp_path: Path, greedy: bool) -> None:
    """Where another program takes even the reserve that the gateway gives up, it cannot keep a row, but counts them."""
    meters = [push("house", 1), push("roof", 2), poll("solar"), push("grid", 4, 0.2, registration_period=1)]
    with small_disk(tmp_path / "disk", 8) as disk, Chain(tmp_path, meters, state=disk) as chain:
        chain.start()
        wait_until(lambda: all(chain.captures(meter.name) for meter in meters), 60, "not all meters are recorded")
        wait_until(chain.emp_keys, 60, "nothing is delivered")
        acknowledged = set(chain.emp_keys())
        before = set(chain.store_keys())
        full_since = time.time()
        fill(disk)

        def thinned() -> bool:
            """Rows went, and telegrams of long after the disk was full were read."""
            status = chain.status()
            newest = max(meter["last_capture_us"] for meter in status["meters"]) / 1e6
            return bool(newest > full_since + 8 and status["store"]["lost"].get("lost_live"))

        if greedy:  # nothing can be written that would tell of it
            for _ in range(20):
                time.sleep(0.5)
                fill(disk)
        else:
            wait_until(thinned, 120, "the full disk costs no rows, or reading stands still")
        assert chain.lmn.running
        assert chain.wan.running
        full = chain.status()
        assert full["processes"] == {"lmn": True, "wan": True}
        assert {meter["name"]: meter["state"] for meter in full["meters"]} == {
            meter.name: "reading" for meter in meters
        }
        assert full["health"] == "degraded"
        if not greedy:
            assert set(chain.store_keys()) - before, "new rows were kept"

        room(disk)
        chain.lmn.wait_for("has room again")
        chain.caught_up()
        recovered = chain.status()
        acknowledgement = chain.smgw("status", "--acknowledge")
        grid = chain.captures("grid")
        chain.drain()
        lost = recovered["store"]["lost"]
        recorded, arrived = chain.store_keys(), set(chain.emp_keys())
        print(
            f"full: {full['store']['lost']}; after it: {lost}; in lmn.db {len(recorded)}, at the EMP {len(arrived)}, "
            f"of them acknowledged before {len(acknowledged)}; grid values {len(grid)}; "
            f"gateway's reasons when full: {full['reasons']}"
        )
        assert acknowledged <= arrived, "what the EMP acknowledged stays"
        assert len(chain.emp_keys()) == len(arrived)
        assert set(recorded) <= arrived
        assert lost.get("lost_live", 0) > 0, "`smgw status` counts what was thinned"
        assert any("rows lost live" in reason for reason in recovered["reasons"])
        assert "rows lost live" not in acknowledgement.stdout, "a person knows of it: no reason any more"
        assert "lost_live" in acknowledgement.stdout, "but still counted"
        assert greedy or lost.get("lost_grid", 0) == 0, "live-rate rows go before grid values"
        assert chain.store("lmn.db").with_name("lmn.ballast").stat().st_size == 2 * 1024 * 1024
        for program in (chain.lmn, chain.wan):
            assert "Traceback" not in program.text(), program.tail(60)


def test_the_gateway_waits_for_an_emp_whose_disk_is_full(tmp_path: Path) -> None:
    meters = [push("house", 1), push("roof", 2)]
    with small_disk(tmp_path / "disk", 4) as disk, Chain(tmp_path, meters, emp_db=disk / "emp.db") as chain:
        chain.start()
        wait_until(chain.emp_keys, 60, "nothing is delivered")
        fill(disk)
        wait_until(
            lambda: chain.status()["emps"][0]["state"] == "backing-off" or fill(disk), 60, "no backing-off in status"
        )
        status = chain.status()["emps"][0]
        acknowledged = set(chain.emp_keys())
        time.sleep(3)
        assert chain.emp.running
        assert acknowledged <= set(chain.emp_keys())
        room(disk)

        def more_after_an_order() -> bool:
            """New rows may be left when the order is done, so the exit code says nothing."""
            chain.smgw("deliver", "--seconds", "10")
            return set(chain.emp_keys()) > acknowledged

        wait_until(more_after_an_order, 120, "an order to deliver changes nothing")
        chain.caught_up()
        chain.drain()
        recorded = chain.store_keys()
        print(f"the EMP when full: {status['detail']}; rows {len(recorded)}")
        assert status["detail"].startswith("answers 507")
        assert set(recorded) == set(chain.emp_keys())
        assert len(chain.emp_keys()) == len(recorded)
