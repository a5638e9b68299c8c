"""The tariff of `make demo`: a second gateway, whose meter has stored the quarter hours of the last months.

The gateway fetches this load profile, about a day in a second, and computes the registers of a tariff with two steps as
if it had read each quarter hour at its time. At the end of a month the registers go to the EMP, and nothing finer.
There the bill is looked up: step registers, error register, total, and whether they sum up. The total must also be the
difference of the meter's own readings, which never left the gateway. The consumer sees them at pages of the gateway.
"""

import csv
import json
import urllib.error
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from demo_bed import GATEWAY, HERE, TARIFF_GATEWAY, DemoError, Testbed, free_port, get, status

FOLDER = HERE / "tariff"
STATE = FOLDER / "state"
#: The names of the registers by group E of their OBIS code.
NAMES = {1: "step 1, 06:00 to 22:00", 2: "step 2, 22:00 to 06:00", 63: "error register", 0: "total"}
METER = "flat"
CONSUMER, HAN_PORT = "consumer-1", 8444
ZONE = ZoneInfo("Europe/Berlin")


def states() -> dict[str, Any]:
    """The gateways that need keys, and their state directories."""
    return {GATEWAY: HERE / "state", TARIFF_GATEWAY: STATE}


class Sum(NamedTuple):
    """A bill of the EMP, and what the meter says. Amounts in whole numbers of `unit`."""

    bill: dict[str, Any]
    meter: Decimal | None  # end minus begin of the meter's own readings

    @property
    def agrees(self) -> bool:
        """Whether the registers sum up to the total, and the total is that of the meter."""
        amounts = [*self.bill["steps"].values(), self.bill["error"]]
        total = Decimal(self.bill["total"])
        return sum(map(Decimal, amounts)) == total == self.meter and bool(total)


class Tariff:
    """The meter and the gateway of the tariff."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._report: dict[str, Any] = {}
        self._house: tuple[str, str] = ("", "")  # address of the consumer's pages, password
        first = datetime.now(ZONE).date().replace(day=1)
        self.begin = (first - timedelta(days=1)).replace(day=1)

    def start(self) -> None:
        """Write the configurations and start meter and gateway."""
        days = (datetime.now(ZONE).date() - self.begin).days + 1
        for name in ("meters.toml", "day-night.toml", "readings.toml"):
            self._testbed.configure(f"tariff/{name}", FOLDER)
        gateway = self._testbed.configure(
            "tariff/gateway.toml",
            FOLDER,
            ("begin = 2026-01-01", f"begin = {self.begin}"),
            ("load_profile_days = 31", f"load_profile_days = {days}"),
            (f":{HAN_PORT}", f":{(port := free_port(HAN_PORT))}"),
        )
        STATE.mkdir(exist_ok=True)
        added = self._testbed.run("smgw", "consumer", "add", CONSUMER, "--config", gateway, "--state", STATE)
        self._house = f"https://127.0.0.1:{port}/", added.partition("password  ")[2].split()[0]
        meters = self._testbed.start("smsim", "run", FOLDER / "meters.toml", folder=FOLDER)
        assert meters.stdout is not None
        if "smsim: meter" not in meters.stdout.readline():
            raise DemoError(f"the meter of the tariff did not start: {(FOLDER / 'smsim.log').read_text()}")
        self._testbed.start("smgw", "run", "--config", gateway, "--state", STATE, folder=FOLDER)

    def stop(self) -> int | None:
        """Meter first; the exit code of the gateway."""
        self._testbed.stop("smsim", 5, FOLDER)
        return self._testbed.stop("smgw", 20, FOLDER)

    def look(self) -> None:
        """See how far the gateway is."""
        self._report = status(FOLDER)

    @property
    def _registers(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = self._report.get("evaluations", [])
        return found[0] if found else {}

    @property
    def device(self) -> str | None:
        """The id of the evaluation at the EMP."""
        device: str | None = self._registers.get("device")
        return device

    def is_billed(self) -> bool:
        """True once the bill of the month is at the EMP."""
        return self._bill() is not None

    def _bill(self) -> dict[str, Any] | None:
        """The oldest one; it is that of the first month."""
        if self.device is None:
            return None
        try:
            bills = json.loads(get(f"{self._testbed.pages_url}devices/{self.device}/bills.json"))["bills"]
        except urllib.error.HTTPError:  # no register has arrived
            return None
        return bills[-1] if bills else None

    @property
    def house(self) -> str:
        """The consumer's pages and the login."""
        address, password = self._house
        return (
            f"pages of the consumer: {address} (name {CONSUMER}, password {password}; the certificate is self-signed)"
        )

    def facts(self) -> Iterator[str]:
        """What stands under the table of the demo."""
        about = f"tariff day-night of meter {METER} (gateway {TARIFF_GATEWAY})"
        if self.device is None:
            yield f"{about}: begins"
            return
        day = datetime.fromtimestamp(self._registers["time_us"] / 1e6, ZONE)
        said = ", ".join(f"{_short(one['obis'])} {one['text']}" for one in self._registers["registers"])
        yield f"{about}, about a day in a second: {day:%Y-%m-%d %H:%M}"
        yield f"  {said}"
        yield f"  bills: {self._testbed.pages_url}devices/{self.device}/bills"
        yield f"  {self.house}"

    def _sum(self, bill: dict[str, Any]) -> Sum:
        """The meter's readings by `smgw evaluate`, from the gateway's database."""
        printed = self._testbed.run(
            "smgw", "evaluate", "--profile", FOLDER / "readings.toml", "--csv", "--state", STATE,
            "--from", bill["from"], "--to", bill["to"],
        )  # fmt: skip
        values = [Decimal(row["value"]) for row in csv.DictReader(printed.splitlines())]
        return Sum(bill, values[1] - values[0] if len(values) == 2 else None)

    def summary(self) -> tuple[list[str], bool | None]:
        """What to print at the end; True if the sum is right, None if the month was not over."""
        self.look()
        bill = self._bill()
        if bill is None:
            return ["tariff: the first month was not over yet; run longer, such as DEMO_SECONDS=90"], None
        found = self._sum(bill)
        begin, end = (datetime.fromisoformat(bill[key]).astimezone(ZONE) for key in ("from", "to"))
        days = (end.date() - begin.date()).days
        amounts = {int(code.split(".")[2].split("*")[0]): amount for code, amount in bill["steps"].items()}
        amounts |= {63: bill["error"], 0: bill["total"]}
        lines = [
            f"tariff day-night of meter {METER}, {begin:%Y-%m-%d} to {end:%Y-%m-%d}: {days} days in accelerated time",
            *(
                f"  {NAMES[number]:<24} 1-0:1.8.{number:<3} {amount:>9} {bill['unit']}"
                for number, amount in amounts.items()
            ),
            f"  check: steps and error register sum up to the total: {_yes(bill['agrees'])}; "
            f"the total is end minus begin of the meter: {_yes(found.agrees)}",
            f"  to see it again: emp serve --db {HERE.name}/emp.db, then "
            f"http://127.0.0.1:8081/devices/{self.device}/bills",
            f"  {self.house}",
            f"  they are there while this runs: smgw run --config {HERE.name}/tariff/gateway.toml "
            f"--state {HERE.name}/tariff/state",
        ]
        return lines, found.agrees


def _short(obis: str) -> str:
    return obis.removesuffix("*255")


def _yes(right: bool) -> str:
    return "yes" if right else "NO"
