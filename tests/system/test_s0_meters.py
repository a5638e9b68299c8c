"""A pulse output on a computer without GPIO, from smsim through gateway and head-end."""

import contextlib
from pathlib import Path

from testbed import Chain, wait_until

SIMULATED = """
[[meter]]
name = "boiler"
device = "1SOP0000000001"
port = "pty:{link}"
s0 = 100
consumption_kwh = 20000
"""
GATEWAY = """
[[meter]]
name = "boiler"
protocol = "s0"
port = "{link}"
registration_period = 0
s0 = {{ pulses = 100, per = "kWh", start = "100" }}
"""
START, PULSE = 100_000, 10  # Wh
REGISTER = "SELECT value FROM reading WHERE place = 0 ORDER BY capture"


def test_simulated_pulses_arrive_at_the_emp_and_none_is_counted_twice(tmp_path: Path) -> None:
    with Chain(tmp_path, []) as chain:
        link = tmp_path / "boiler"
        chain.meters_file.write_text(chain.meters_file.read_text() + SIMULATED.format(link=link))
        chain.gateway_file.write_text(chain.gateway_file.read_text() + GATEWAY.format(link=link))
        chain.start()

        def counted() -> int:
            """Pulses in lmn.db."""
            with contextlib.closing(chain.database()) as database:
                shown = [value for (value,) in database.execute(REGISTER)]
            assert shown == sorted(shown)
            return (shown[-1] - START) // PULSE if shown else 0

        wait_until(lambda: counted() >= 20, 90, "no pulses are counted")
        chain.lmn.kill()
        chain.lmn.start()
        before = counted()
        wait_until(lambda: counted() >= before + 20, 90, "after the kill no pulses are counted")
        chain.drain()
        assert sorted(chain.emp_keys()) == sorted(chain.store_keys()), "each row once"
        assert "edges were lost" not in chain.lmn.text()
