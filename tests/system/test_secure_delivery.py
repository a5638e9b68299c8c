"""Meters, gateway and head-end with TLS and CMS, as processes: readings arrive, and a fault of trust loses none."""

from pathlib import Path

import pytest
from smgw.trust.names import Role, Subject
from testbed import EMP, PARTICIPANT, Chain, push, wait_until
from trial_pki import session_pki

METERS = [push("house", 1), push("pv", 1)]


def test_readings_arrive_signed_and_sealed_and_a_revoked_emp_gets_nothing_until_it_is_believed_again(
    tmp_path: Path,
) -> None:
    pki = session_pki()
    with Chain(tmp_path, METERS, ntp=True, pki=pki) as chain:
        checked = chain.smgw("check")
        assert (checked.returncode, "!" in checked.stdout) == (0, False), checked.stdout
        chain.start()
        wait_until(lambda: chain.smgw("status").returncode == 0, 60, "not healthy")
        wait_until(lambda: len(chain.emp_keys()) > 5, 60, "nothing arrives")
        (emp,) = chain.status()["emps"]
        assert emp["handshakes"]["full"] == 1
        assert emp["weakness"] == ""

        pki.revoke(chain.state / "trust", pki.triple(Subject.checked(Role.EMT, PARTICIPANT)))
        wait_until(lambda: chain.status()["emps"][0]["held"], 60, "not held")
        told = chain.smgw("status").stdout
        assert f"EMP {EMP}: held: certificate" in told.replace(f"{chain.state}/trust/peers: ", "")
        assert "its authority revoked it at" in told
        before = len(chain.emp_keys())

        pki.revoke(chain.state / "trust", [])
        wait_until(lambda: len(chain.emp_keys()) > before + 5, 90, "it does not go on")
        chain.drain()
        assert sorted(chain.store_keys()) == sorted(chain.emp_keys())


def test_delivery_goes_on_when_the_emp_was_away(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS, ntp=True, pki=session_pki()) as chain:
        chain.start()
        wait_until(chain.emp_keys, 60, "nothing arrives")
        chain.emp.kill()
        chain.emp.start()
        chain.emp.wait_for("emp: listening")
        wait_until(lambda: chain.smgw("status").returncode == 0, 60, "not healthy")
        chain.drain()
        assert sorted(chain.store_keys()) == sorted(chain.emp_keys())


def test_the_memory_of_the_gateway_is_bounded_with_tls_and_cms(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS, ntp=True, pki=session_pki(), log_level="info") as chain:
        chain.start()
        wait_until(lambda: len(chain.emp_keys()) > 20, 90, "nothing arrives")
        status = Path(f"/proc/{chain.wan.pid}/status").read_text()
        (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
        assert peak < 75_000  # kB


def test_an_agent_that_dies_holds_delivery_until_it_lives_again(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS, ntp=True, pki=session_pki()) as chain:
        chain.keys.start()
        chain.keys.wait_for("ready:")
        chain.start()
        wait_until(chain.emp_keys, 60, "nothing arrives")
        chain.keys.kill()
        wait_until(lambda: chain.status()["emps"][0]["held"], 60, "not held")
        assert "the agent of keys does not answer" in chain.smgw("status").stdout
        before = len(chain.emp_keys())
        chain.keys.start()
        wait_until(lambda: len(chain.emp_keys()) > before + 5, 90, "it does not go on")
        chain.drain()
        assert sorted(chain.store_keys()) == sorted(chain.emp_keys())


@pytest.mark.parametrize("wan_ran_before", [True, False])
def test_a_command_delivers_although_the_daemon_does_not_run(tmp_path: Path, wan_ran_before: bool) -> None:
    """It needs the time: from what the daemon left, or from the time servers."""
    with Chain(tmp_path, METERS, ntp=True, pki=session_pki()) as chain:
        chain.start()
        wait_until(lambda: chain.status()["clock"]["state"] == "synchronised", 60, "no time")
        chain.wan.kill()
        if wan_ran_before:
            assert chain.time_server is not None
            chain.time_server.close()
        else:
            for file in (chain.state / "wan").iterdir():
                file.unlink()
        wait_until(lambda: len(chain.store_keys()) > 5, 60, "no rows")
        chain.no_more_rows()
        done = chain.smgw("deliver", "--seconds", "60")
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(chain.store_keys()) == sorted(chain.emp_keys())
