"""The simulator's meters with a P1 port: our reader reads every version, and faults are those of other meters."""

from datetime import UTC, datetime

import pytest
from smgw.cosem import DeviceId
from smgw.cosem.date_time import DateTime
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.security.ciphering import open_ciphered
from smgw.dlms.security.suites import Keys, Suite
from smgw.iec62056.p1.devices import P1Device, devices
from smgw.iec62056.p1.reader import P1Reader
from smgw.iec62056.p1.telegram import Check, Telegram
from smsim.config import MeterConfig, parse
from smsim.errors import ConfigError
from smsim.load.timelapse import TimeLapse
from smsim.p1.sealing import PUBLISHED_KEY, sealing
from smsim.p1.telegram import P1Telegrams
from smsim.p1.versions import VERSIONS, SubMeter
from smsim.sml.faults import Fault, Faults, Kind
from smsim.sml.meter import Meter

JUNE = 1_780_264_800  # 2026-06-01 00:00 legal time
CONFIGURATION = '[[meter]]\nname = "house"\ndevice = "1KFM0000000001"\nport = "pty:/tmp/p1"\n'


class Bench:
    """A meter whose time the test sets."""

    def __init__(self, more: str = 'p1 = "5"\ngas = true\nwater = true\n') -> None:
        self.now_ms = 0
        (config,) = parse(CONFIGURATION + more).meters
        self.config: MeterConfig = config
        self.meter = Meter(config.spec, TimeLapse(JUNE, 900), lambda: self.now_ms)
        self.faults = Faults(self.meter, lambda: self.now_ms)
        assert config.p1 is not None
        self.source = P1Telegrams(self.meter, config.p1.version, config.p1.sub_meters, self.meter.utc_s)

    def telegram(self) -> Telegram:
        (found,) = P1Reader().receive(self.source.telegram())
        assert isinstance(found, Telegram)
        return found

    def devices(self) -> dict[str, P1Device]:
        return {str(DeviceId(one.id)): one for one in devices(self.telegram(), 60)}


def value(device: P1Device, obis: str) -> tuple[object, int, int]:
    return next((one.value.value, one.scaler, one.unit) for one in device.readings if str(one.obis) == f"{obis}*255")


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_is_read_with_its_sub_meters(version: str) -> None:
    bench = Bench(f'p1 = "{version}"\ngas = true\nwater = true\n')
    bench.now_ms = 3_600_000
    found = bench.devices()
    water = [] if version == "2.2" else ["8KFM0000000001"]
    assert list(found) == ["1KFM0000000001", "7KFM0000000001", *water]
    assert bench.telegram().check is (Check.PARITY if version == "2.2" else Check.CRC)
    shown = {str(register.obis): number for register, number in bench.meter.values()}
    assert value(found["1KFM0000000001"], "1-0:1.8.2") == (shown["1-0:1.8.2*255"], 0, 30)
    assert shown["1-0:1.8.2*255"] > 0


def test_the_values_of_a_sub_meter_change_every_five_minutes_with_their_time() -> None:
    bench = Bench()
    seen = []
    for bench.now_ms in range(0, 1_200_000, 10_000):
        gas = bench.devices()["7KFM0000000001"]
        assert gas.time is not None
        seen.append((DateTime.read(gas.time).utc_us(), value(gas, "7-0:3.1.0")[0]))
    assert len({time for time, _ in seen}) == len(set(seen)) == 4


def test_the_time_is_legal_time_with_its_season() -> None:
    bench = Bench()
    time = bench.devices()["1KFM0000000001"].time
    assert time is not None
    assert str(DateTime.read(time)) == "2026-06-01 00:00:00 +02:00 daylight-saving"
    assert DateTime.read(time).utc_us() == datetime.fromtimestamp(JUNE, UTC).timestamp() * 1_000_000


def test_belgium_has_demand_and_the_peak_of_the_month() -> None:
    bench = Bench('p1 = "BE"\n')
    peaks = []
    for bench.now_ms in range(0, 7_200_000, 60_000):
        meter = bench.devices()["1KFM0000000001"]
        demand, peak = value(meter, "1-0:1.4.0"), value(meter, "1-0:1.6.0")
        assert demand[1:] == peak[1:] == (0, 27)
        peaks.append(peak[0])
    assert peaks == sorted(peaks, key=int)  # type: ignore[call-overload]
    assert peaks[-1]


def test_an_exchanged_meter_and_its_sub_meters_have_other_ids() -> None:
    bench = Bench()
    bench.faults.begin(Fault(Kind.EXCHANGE))
    assert list(bench.devices()) == ["1KFM0050000001", "7KFM0050000001", "8KFM0050000001"]


def test_a_clock_jumps() -> None:
    bench = Bench()
    bench.faults.begin(Fault(Kind.CLOCK_JUMP, by_s=365 * 86_400))
    time = bench.devices()["1KFM0000000001"].time
    assert time is not None
    assert DateTime.read(time).year == 2027


def test_noise_is_refused() -> None:
    bench = Bench()
    bench.faults.begin(Fault(Kind.NOISE, one_in=50))
    octets = bench.source.telegram()
    damaged, intact = bench.faults.on_the_line(octets)
    assert not intact
    assert not any(isinstance(one, Telegram) for one in P1Reader().receive(damaged))


def test_with_a_key_telegrams_are_encrypted_and_their_counter_rises() -> None:
    key, seen = bytes(range(16)), []

    class Opening:
        def open(self, sealed: Ciphered) -> bytes:
            return open_ciphered(sealed, Keys.of(Suite.AES_GCM_128, key, PUBLISHED_KEY)).text

        def believe(self, sealed: Ciphered) -> None:
            seen.append(sealed.invocation_counter)

    bench = Bench()
    source = P1Telegrams(
        bench.meter, VERSIONS["LU"], (SubMeter.GAS,), bench.meter.utc_s, sealing(key, b"KFM\0\0\0\0\1", 7)
    )
    for _ in range(2):
        (found,) = P1Reader(Opening()).receive(source.telegram())
        assert isinstance(found, Telegram)
        assert len(devices(found, 60)) == 2
    assert seen == [7, 8]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('p1 = "6"\n', "write one of 2.2, 4, 5, BE, LU"),
        ('p1 = "5"\nkey = "00"\n', "32 hex digits"),
        ('p1 = "5"\nanswers = true\n', "leave it out"),
        ('p1 = "5"\n[[meter.register]]\nobis = "1.8.0"\n', "leave out style and register"),
        ("gas = true\n", "gas"),
    ],
)
def test_a_wrong_key_is_told(more: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(CONFIGURATION + more)


def test_a_p1_port_does_not_answer() -> None:
    with pytest.raises(ConfigError, match="tcp-push"):
        parse(CONFIGURATION.replace("pty:/tmp/p1", "tcp:0") + 'p1 = "5"\n')


def test_a_key_is_not_shown() -> None:
    (config,) = parse(CONFIGURATION + f'p1 = "LU"\nkey = "{"ab" * 16}"\n').meters
    assert "ab" * 4 not in repr(config)
    assert "ab" * 4 not in repr(config.p1)
