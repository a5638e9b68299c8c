"""Rows of a meter's load profile go to the EMP as every record does: each once, with the time that it stands for."""

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from testbed import Chain, poll, wait_until


@pytest.mark.parametrize("protocol", ["sml-poll", "d0"])
def test_rows_of_a_load_profile_arrive_once_with_their_target_times(protocol: str, tmp_path: Path) -> None:
    with Chain(tmp_path, [poll("solar")]) as chain:
        days, least = 3650, 3
        if protocol == "d0":  # it is asked for a day at a time, and has begun to count a moment ago
            days, least, yesterday = 2, 1, datetime.now(tz=ZoneInfo("Europe/Berlin")) - timedelta(days=1)
            simulated = chain.meters_file.read_text().replace(
                "resolution", f"start = {yesterday:%FT00:00:00}\nresolution"
            )
            chain.meters_file.write_text(simulated + 'd0 = "C"\n')
        text = chain.gateway_file.read_text().replace('"sml-poll"', f'"{protocol}"')
        told = f'load_profile = ["1-0:99.1.0"]\nload_profile_days = {days}\n'
        chain.gateway_file.write_text(text.replace("registration_period = 0\n", f"registration_period = 0\n{told}"))
        chain.start()

        def kept() -> dict[int, int]:
            with closing(chain.database()) as database:
                query = "SELECT number, target_time_us FROM capture WHERE origin = 2"
                return dict(database.execute(query).fetchall())

        wait_until(lambda: len(kept()) >= least, 90, "no rows of the load profile came")
        chain.drain()
        rows = kept()
        assert len(set(rows.values())) == len(rows)
        assert all(target % 900_000_000 == 0 for target in rows.values())
        at_emp = chain.emp_keys()
        assert sorted(at_emp) == sorted(chain.store_keys())
        assert set(rows) <= {number for _, number in at_emp}
