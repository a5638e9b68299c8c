"""`make demo`, as a user runs it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _demo(seconds: str = "", **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "tests/system/demo.py"],
        cwd=ROOT,
        env={**os.environ, "DEMO_SECONDS": seconds, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _left_running() -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in found if f"{ROOT / 'demo-state'}" in line and "python" in line]


#: The demo prints the login that it made.
pytestmark = pytest.mark.shows_secrets


@pytest.fixture(scope="module")
def output() -> str:
    """What the demo prints, run to its end as CI does."""
    demo = _demo()
    out, err = demo.communicate(timeout=300)
    assert demo.returncode == 0, out + err
    assert not _left_running()
    return out


def test_the_demo_loses_nothing_doubles_nothing_and_says_so(output: str) -> None:
    assert "clock: synchronised" in output
    assert "EMP utility (TLS, signed and sealed)" in output
    match = re.search(r"taken (\d+), committed (\d+), acknowledged (\d+), at the EMP (\d+); lost 0, double 0", output)
    assert match, output
    assert len(set(match.groups())) == 1
    assert int(match[1]) >= 15
    for meter, register, unit in (
        ("canal", "1-0:1\\.8\\.1", "Wh"), ("cellar", "1-0:1\\.8\\.0", "Wh"), ("radiators", "6-0:1\\.0\\.0", "Wh"),
        ("cold-water", "8-0:1\\.0\\.0", "m³"),
    ):  # fmt: skip
        assert re.search(rf"{meter} +│ {register} +│ +[0-9.]+ {unit}", output), meter
    assert re.search(r"7-0:3\.1\.0 +│ +[0-9.]+ m³", output)
    assert re.search(r"heat-pump +│ 1-0:1\.8\.0 +│ +\d+ Wh", output)
    assert re.search(r"GET of 1\.0\.1\.8\.0\.255 of 1UTB0000000001 at the EMP: \d+ Wh", output)


def test_the_demo_shows_a_months_registers_of_a_tariff_at_the_emp_and_checks_their_sum(output: str) -> None:
    assert "tariff day-night of meter flat (gateway ESMG0000000002), about a day in a second" in output
    amounts = [int(re.findall(rf"1-0:1\.8\.{number} +(\d+) Wh$", output, re.MULTILINE)[-1]) for number in (1, 2, 63, 0)]
    assert amounts[0] > amounts[1] > 0
    assert amounts[2] == 0
    assert sum(amounts[:3]) == amounts[3]
    assert "check: steps and error register sum up to the total: yes" in output
    assert "the total is end minus begin of the meter: yes" in output
    assert "the tariff's sum is right" in output


def test_the_demo_names_the_consumers_pages_and_their_login(output: str) -> None:
    address = re.search(
        r"pages of the consumer: (https://127\.0\.0\.1:\d+/) \(name consumer-1, password (\S+);", output
    )
    assert address, output
    assert "smgw run --config demo-state/tariff/gateway.toml" in output


def test_the_demo_does_without_certificates_if_it_is_told_so() -> None:
    demo = _demo("8", PLAIN="1")
    out, err = demo.communicate(timeout=90)
    assert demo.returncode == 0, out + err
    assert "EMP utility (plain HTTP)" in out
    assert re.search(r"at the EMP ([1-9]\d*); lost 0, double 0", out)
    assert "tariff: the first month was not over yet" in out


def test_ctrl_c_ends_the_demo_in_good_order() -> None:
    demo = _demo("300")
    assert demo.stdout is not None
    for line in demo.stdout:
        if "1-0:1.8.0" in line:
            break
    second = _demo("1")
    assert "another demo is running" in second.communicate(timeout=30)[1]
    assert second.returncode == 1
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, out + err
    assert "lost 0, double 0" in out
    assert not _left_running()


def test_a_wrong_bound_is_one_clear_line() -> None:
    demo = _demo("soon")
    out, err = demo.communicate(timeout=30)
    assert demo.returncode == 2
    assert err.strip() == "DEMO_SECONDS=soon is no number of seconds"
    assert not out
