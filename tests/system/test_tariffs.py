"""A tariff from the meter to the head-end: derived registers arrive, and nothing finer than the tariff allows."""

import json
from contextlib import closing
from pathlib import Path

from smgw.store.records import ListKind
from testbed import EMP, Chain, push, wait_until

CALENDAR = '{ days = { day = { "00:00" = 2, "06:00" = 1 } }, season = [{ name = "year", week = { mon-sun = "day" } }] }'
TARIFF = f"""
[[evaluation]]
name = "day-night"
taf = 2
meters = ["house"]
registration_period = 1
emps = ["{EMP}"]
usage_point = "DE1"
calendar = {CALENDAR}
"""


def test_registers_of_a_period_arrive_and_readings_of_the_meter_stay(tmp_path: Path) -> None:
    with Chain(tmp_path, [push("house", registration_period=1)], ntp=True) as chain:
        text = chain.gateway_file.read_text()
        chain.gateway_file.write_text(text + TARIFF)
        chain.start()

        def lists() -> dict[int, int]:
            with closing(chain.database()) as database:
                return dict(database.execute("SELECT list, count(*) FROM capture GROUP BY list").fetchall())

        wait_until(lambda: lists().get(ListKind.DERIVED, 0) >= 3, 90, "no derived registers")
        (shown,) = chain.status()["evaluations"]
        assert (shown["name"], shown["taf"], len(shown["registers"])) == ("day-night", 2, 4)
        assert "tariff  day-night: TAF 2, taf2-" in chain.smgw("status").stdout
        assert "gets day-night immediately" in chain.smgw("check").stdout
        chain.drain()
        assert "1 rows for EMP" in chain.smgw("export", str(tmp_path / "archive.zip"), "--all").stdout
        with closing(chain.database()) as database:
            query = "SELECT number FROM capture WHERE list = ?"
            ends = [number for (number,) in database.execute(query, (ListKind.PERIOD_END,))]
        assert len(ends) == 1
        assert sorted(number for _, number in chain.emp_keys()) == ends
        (device,) = json.loads(chain.get("/api/gateways") or b"")["gateways"][0]["devices"]
        names = (chain.get(f"/cosem/ldevs/{device['uri']}/objects/") or b"").decode()
        for code in ("0100010800ff", "0100010801ff", "0100010802ff", "010001083fff"):
            assert f'id="{code}"' in names
        assert json.loads(chain.get("/bills.json") or b"")["usage_points"] == ["DE1"]
