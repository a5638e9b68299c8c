"""Writes released-0.1.0/lmn.db.gz and wan.db.gz: stores as the released package (schema versions 2 and 1) makes them.

Run once, by a Python that has that release: `git worktree add OLD 6673697`, `make setup` there, then
`OLD/.venv/bin/python make.py released-0.1.0`. Today's package has other names, and cannot run this.
"""

import gzip
import sqlite3
import sys
import tempfile
from pathlib import Path

from smgw.clock.sample import TimeSample
from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, MeterTime, MeterTimeKind, Obis, Reading, Stamp
from smgw.lmn.dlms_objects import SCALERS_OF
from smgw.metering.history import HistoryKeeper
from smgw.metering.registrar import Registrar
from smgw.store.lmn import LmnStore
from smgw.store.log_book import Level
from smgw.store.records import MeterState, ProfileName, ProfilePiece, ProfileRow
from smgw.store.wan import WanStore
from smgw.store.wan_records import ChannelKind, ChannelState, SetAside

SECOND = 1_000_000
QUARTER = 900 * SECOND
BOOT = "0f3c6f3e-5c1b-4d32-9a52-6e2f9d3a0a11"
MIDNIGHT = 1_772_323_200 * SECOND  # 2026-03-01 00:00:00 UTC
HOUSE = DeviceId.parse("1EMH0011802881")
PV = DeviceId.parse("1LOG0065800042")
ENERGY, FEED_IN, POWER = (Obis.parse(code) for code in ("1.8.0", "2.8.0", "16.7.0"))
PROFILE = Obis.parse("1-0:99.1.0")


class Clock:
    """Stands where it is put."""

    now_us = MIDNIGHT
    state = ClockState.SYNCHRONISED

    def stamp(self) -> Stamp:
        """Now."""
        return Stamp(BOOT, (self.now_us - MIDNIGHT + SECOND) * 1000, self.now_us, 5000, self.state)


def capture(clock: Clock, meter: str, device: DeviceId, energy: int, power: int) -> Capture:
    """One telegram of a meter that sends a status word, and whose power has a habit that was corrected."""
    status = Data(DataType.LONG64_UNSIGNED, 0x80808202)
    readings = (
        Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, energy), -1, 30, status=status),
        Reading(FEED_IN, Data(DataType.LONG64_UNSIGNED, energy // 3), -1, 30),
        Reading(POWER, Data(DataType.DOUBLE_LONG, power), 0, 27, raw=Data(DataType.DOUBLE_LONG_UNSIGNED, power)),
    )
    time = MeterTime(MeterTimeKind.SEC_INDEX, (clock.now_us // SECOND % 10**6).to_bytes(4, "big"))
    return Capture(meter, device, clock.stamp(), time, readings)


def write_lmn(directory: Path) -> list[int]:
    """Two meters, on a grid and at every telegram, with a gap; all that is kept beside rows. Positions of the first."""
    clock = Clock()
    positions: list[int] = []
    with LmnStore.open(directory, ballast_bytes=0) as store:
        store.profile_version("gateway", "gateway", '{"device_id":"1SMG0000000001"}')
        store.profile_version("meter", "house", '{"registration_period":900}')
        store.profile_version("meter", "pv", '{"registration_period":0}')
        registrar = Registrar(store, clock, {"house": 900, "pv": 0})
        for minute in range(0, 120, 5):
            clock.now_us = MIDNIGHT + minute * 60 * SECOND
            if minute not in (40, 45, 50):
                registrar.capture(capture(clock, "house", HOUSE, 86_038_000 + minute, 300 + minute))
            registrar.capture(capture(clock, "pv", PV, 1_000 + minute, 500 - minute))
            registrar.run_once(0)
        clock.state = ClockState.INVALID
        registrar.capture(capture(clock, "pv", PV, 2_000, 1))
        clock.state = ClockState.SYNCHRONISED
        registrar.state(
            MeterState("house", HOUSE, "reading", MIDNIGHT, clock.now_us, clock.state, 21, 1, f"device {HOUSE}")
        )
        registrar.state(MeterState("roof", None, "absent", MIDNIGHT, note="no port /dev/ttyUSB7"))
        registrar.object_list(HOUSE, b"2.05", b'[["1-0:1.8.0",3,0]]')
        registrar.object_list(HOUSE, SCALERS_OF + b"2.05", b'[[3,"1-0:1.8.0",2,-1,30]]')
        registrar.event("lmn-started", Level.INFO, "2 meters")
        registrar.event("registers-refused", Level.WARNING, "meter pv: more registers than are kept")
        registrar.run_once(0)
        rows = tuple(
            ProfileRow(
                MIDNIGHT - quarter * QUARTER,
                None,
                (Reading(ENERGY, Data(DataType.LONG64, 86_038_000 - quarter), -1, 30),),
            )
            for quarter in range(12, 0, -1)
        )
        piece = ProfilePiece(rows, MIDNIGHT - 12 * QUARTER, MIDNIGHT - QUARTER)
        HistoryKeeper(store, clock).keep(ProfileName("house", HOUSE, PROFILE), piece)
        assert store.reserve_counters("dlms", 1, "a1b2c3", 3_000_000_000, 64) == 3_000_000_000
        assert store.reserve_counters("annex", 16, "a1b2c3", 0, 64) == 3_000_000_064
        store.count("refused_register", 3)
        store.save_clock(BOOT, 10**9, MIDNIGHT - SECOND, 4000, ClockState.SYNCHRONISED)
        store.flush(now=True)
        for number, meter in store._read(
            "SELECT number, octets FROM capture JOIN word ON word.id = meter ORDER BY number"
        ):
            if bytes(meter) == b"house":
                positions.append(number)
    return positions


def write_wan(directory: Path, store_id: str, positions: list[int]) -> None:
    """Cursors of two EMPs, a row that one of them refused, its channel, a time sample."""
    with WanStore.open(directory) as store:
        refused = SetAside(
            "power", store_id, "house", positions[2], store_id, positions[2], 422, "no such register", MIDNIGHT
        )
        store.acknowledge("power", store_id, "house", positions[4], 4, [refused])
        store.acknowledge("power", store_id, "pv", 9, 5)
        store.acknowledge("archive", store_id, "house", positions[1], 2)
        store.acknowledge("archive", "ab" * 16, "house", 7, 7)
        store.note_channel(ChannelState("power", ChannelKind.IDLE, MIDNIGHT, 200, "", None, MIDNIGHT))
        store.add_time_sample(TimeSample(BOOT, 10**9, MIDNIGHT - SECOND, 4000, "ntp.example"))
        store.log("wan-started", Level.INFO, "2 EMPs", Clock().stamp())


def packed(database: Path) -> bytes:
    """The file alone, all of its -wal in it; without its unused octets it is small."""
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    connection.close()
    return gzip.compress(database.read_bytes(), 9, mtime=0)


def main() -> None:
    """Into the folder of the command line."""
    target = Path(sys.argv[1])
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)
        positions = write_lmn(state / "lmn")
        connection = sqlite3.connect(state / "lmn" / "lmn.db")
        (store_id,) = connection.execute("SELECT store_id FROM store").fetchone()
        connection.close()
        write_wan(state / "wan", store_id.hex(), positions)
        for store in ("lmn", "wan"):
            (target / f"{store}.db.gz").write_bytes(packed(state / store / f"{store}.db"))


main()
