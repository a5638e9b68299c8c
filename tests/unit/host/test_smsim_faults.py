"""Faults: what they do to a meter and to its octets, and that a reader loses only what was damaged."""

import asyncio
from pathlib import Path

import pytest
from smgw.cosem import DeviceId
from smgw.sml.messages import GetListResponse
from smgw.sml.telegram import Telegram, TelegramReader
from smsim.config import parse
from smsim.errors import FaultError
from smsim.load.timelapse import TimeLapse
from smsim.orders import carry_out
from smsim.simulator import Simulator
from smsim.sml import style
from smsim.sml.faults import Fault, Faults, Kind, counted
from smsim.sml.meter import Meter, MeterSpec
from smsim.sml.push import Undisturbed

NEW_YEAR = 1_767_222_000


class Bench:
    """A meter whose time the test turns, and its faults."""

    def __init__(self, name: str = "iskra-mt631", start_ms: int = 1_000_000) -> None:
        made = style.load(name)
        assert made.device is not None
        self.ms = start_ms
        spec = MeterSpec("m", made.device, consumption_kwh=3500, generation_kwh=8000, seed=3, style=made)
        self.meter = Meter(spec, TimeLapse(NEW_YEAR), lambda: self.ms)
        self.faults = Faults(self.meter, lambda: self.ms)

    def listed(self) -> GetListResponse:
        (telegram,) = TelegramReader().receive(self.meter.telegram())
        assert isinstance(telegram, Telegram)
        return telegram.lists[0]

    def energy(self) -> int:
        return self.meter.values()[0][1]


def numbers(reader: TelegramReader, octets: bytes) -> list[bytes]:
    """The transaction ids of the lists in it."""
    events = reader.receive(octets)
    return [event.messages[1].transaction_id for event in events if isinstance(event, Telegram)]


@pytest.mark.parametrize("name", style.names())
@pytest.mark.parametrize(
    "fault",
    [Fault(Kind.LOSS, one_in=400), Fault(Kind.NOISE, one_in=400), Fault(Kind.LOSS, one_in=3000)],
    ids=["loss", "noise", "little loss"],
)
def test_a_reader_loses_what_was_damaged_and_nothing_else(name: str, fault: Fault) -> None:
    bench = Bench(name)
    bench.faults.begin(fault)
    reader, sent, received = TelegramReader(), [], []
    for _ in range(100):
        bench.ms += 1000
        telegram = bench.meter.telegram()
        wire, intact = bench.faults.on_the_line(telegram)
        if intact:
            sent.append(telegram)
        # Transaction ids may repeat (Holley), so telegrams are compared by what the reader makes of them alone.
        received += [event for event in reader.receive(wire) if isinstance(event, Telegram)]
    assert 0 < len(sent) < 100
    assert received == [event for telegram in sent for event in TelegramReader().receive(telegram)]


def test_damage_is_the_same_in_every_run() -> None:
    wires = []
    for bench in (Bench(), Bench()):
        bench.faults.begin(Fault(Kind.NOISE, one_in=20))
        bench.faults.begin(Fault(Kind.LOSS, one_in=20))
        wires.append([bench.faults.on_the_line(bench.meter.telegram()) for _ in range(10)])
    assert wires[0] == wires[1]


def test_a_fault_ends_with_its_time() -> None:
    bench = Bench()
    for fault in (Fault(Kind.SILENCE, for_s=3), Fault(Kind.NOISE, for_s=5), Fault(Kind.PIN_LOCK, for_s=7)):
        bench.faults.begin(fault)
    seen = []
    for _ in range(8):
        seen.append((bench.faults.silent, bench.faults.names()))
        bench.ms += 1000
    assert seen == [
        *[(True, ["noise", "silence", "pin-lock"])] * 3,
        *[(False, ["noise", "pin-lock"])] * 2,
        *[(False, ["pin-lock"])] * 2,
        (False, []),
    ]
    assert len(bench.listed().entries) == 5  # the PIN is there again


def test_a_fault_without_an_end_is_switched_off() -> None:
    bench = Bench()
    for kind in (Kind.LOSS, Kind.NOISE, Kind.SILENCE, Kind.PIN_LOCK):
        bench.faults.begin(Fault(kind))
        bench.ms += 3_600_000
        assert bench.faults.names() == [kind.value]
        bench.faults.end(kind)
        assert bench.faults.names() == []
    assert len(bench.meter.values()) == 3


def test_a_reboot_is_dark_then_seconds_and_ids_begin_anew_and_registers_stay() -> None:
    bench = Bench()
    before, old = bench.energy(), bench.meter.telegram()
    assert bench.meter.sec_index() == 1000
    bench.faults.begin(Fault(Kind.REBOOT))
    assert bench.faults.silent
    bench.faults.end(Kind.REBOOT)
    assert bench.faults.silent  # nobody can hurry it
    bench.ms += 5000
    assert not bench.faults.silent
    assert bench.meter.sec_index() == 0
    assert bench.energy() >= before > 0
    new = bench.meter.telegram()
    step = int.from_bytes(numbers(TelegramReader(), new)[0], "big") - int.from_bytes(
        numbers(TelegramReader(), old)[0], "big"
    )
    assert step not in (0, 3)


def test_a_clock_may_jump_forward_and_back() -> None:
    bench = Bench()
    before = bench.energy()
    bench.faults.begin(Fault(Kind.CLOCK_JUMP, by_s=86_400))
    assert bench.meter.sec_index() == 87_400
    bench.faults.begin(Fault(Kind.CLOCK_JUMP, by_s=-86_500))
    assert bench.meter.sec_index() == 900
    assert bench.energy() == before


def test_after_an_exchange_another_meter_begins_at_zero_and_the_household_goes_on() -> None:
    bench = Bench()
    power = bench.meter.values()[2]
    bench.faults.begin(Fault(Kind.EXCHANGE))
    assert bench.listed().server_id == counted(DeviceId.parse("0a0149534b00047b0001"), 50_000_000)
    assert bench.energy() == 0
    assert bench.meter.values()[2] == power
    bench.ms += 1_000_000
    assert bench.energy() > 0
    bench.faults.begin(Fault(Kind.EXCHANGE, device=DeviceId.parse("1ISK0012345678")))
    assert bench.listed().server_id == DeviceId.parse("1ISK0012345678")
    assert bench.energy() == 0


def test_the_past_of_an_exchanged_meter_begins_with_the_exchange() -> None:
    bench = Bench()
    bench.faults.begin(Fault(Kind.EXCHANGE))
    bench.ms += 40_000  # ten quarter hours
    profile = bench.meter.profile((bytes.fromhex("0100630100ff"),), None, None)
    assert profile is not None
    assert [row.time.seconds for row in profile.rows] == [NEW_YEAR + 900 * (250 + place) for place in range(11)]
    assert len(profile.columns) == 2


def test_a_meter_of_which_no_locked_state_is_known_cannot_be_locked() -> None:
    with pytest.raises(FaultError, match="meter m: its style knows no state before the PIN"):
        Bench("dzg-dvs74").faults.begin(Fault(Kind.PIN_LOCK))


def test_a_locked_meter_with_the_other_faults_stays_locked_through_a_reboot_but_not_through_an_exchange() -> None:
    bench = Bench("itron-3hz")
    bench.faults.begin(Fault(Kind.PIN_LOCK))
    bench.faults.begin(Fault(Kind.REBOOT))
    assert len(bench.meter.values()) == 1
    bench.faults.begin(Fault(Kind.EXCHANGE))
    assert len(bench.meter.values()) == 2
    assert "pin-lock" not in bench.faults.names()


def test_nothing_wrong_is_nothing_changed() -> None:
    assert Undisturbed().on_the_line(b"abc") == Bench().faults.on_the_line(b"abc") == (b"abc", True)


def simulator(tmp_path: Path, more: str = "") -> Simulator:
    text = '[[meter]]\nname = "{name}"\nstyle = "iskra-mt631"\nport = "pty:{path}/{name}"\n'
    return Simulator(parse("".join(text.format(name=name, path=tmp_path) for name in "ab") + more))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a", "'a' is no order; write METER KIND, or help"),
        ("c loss", "there is no meter c; `meters` lists them"),
        ("a lost", "there is no fault lost; write one of loss, noise, "),
        ("a loss 50", "loss takes no '50', but for=... one_in=..."),
        ("a loss by=5", "loss takes no 'by=5', but for=... one_in=..."),
        ("a loss one_in=1", "'one_in=1': write 2 to 1000000"),
        ("a loss one_in=x", "'one_in=x': invalid literal"),
        ("a exchange device=xyz", "'device=xyz': 'xyz' is no device id"),
        ("* exchange device=1ISK0000000001", "device= names one meter, but * are 2"),
        ("a exchange off", "exchange cannot be switched off: it has happened"),
        ("'a loss", "is no order: No closing quotation"),
    ],
)
def test_an_order_that_cannot_be_is_told(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(FaultError) as error:
        carry_out(simulator(tmp_path), line)
    assert told in str(error.value)


def test_orders_are_carried_out(tmp_path: Path) -> None:
    both = simulator(tmp_path)
    assert carry_out(both, "* loss one_in=10 for=60") == "loss is on: 2 meters"
    assert carry_out(both, "b pin-lock") == "pin-lock is on: b"
    assert carry_out(both, "a exchange device=1ISK0000000009") == "exchange is on: a"
    assert carry_out(both, "meters") == "a: loss\nb: loss, pin-lock"
    assert both.meters[0].faults.present(Kind.LOSS) == Fault(Kind.LOSS, for_s=60, one_in=10)
    assert str(both.meters[0].meter.device) == "1ISK0000000009"
    assert carry_out(both, "* loss off") == "loss is off: 2 meters"
    assert carry_out(both, "help").startswith("METER KIND")


def test_a_name_with_a_blank_is_quoted_and_a_pattern_names_many(tmp_path: Path) -> None:
    text = f'[[meter]]\nname = "flat {{n}}"\ncount = 12\nstyle = "emh-mme"\nport = "pty:{tmp_path}/{{n}}"\n'
    many = Simulator(parse(text + '[[meter]]\nname = "hall"\nstyle = "dzg-dvs74"\nport = "tcp:0"\n'))
    assert carry_out(many, "'flat 3' loss") == "loss is on: flat 3"
    assert carry_out(many, "'flat *' noise") == "noise is on: 12 meters"
    with pytest.raises(FaultError, match="meter hall: its style knows no state"):
        carry_out(many, "* pin-lock")
    assert not any("pin-lock" in meter.faults.names() for meter in many.meters)  # all or none


def test_faults_of_the_configuration_begin_in_their_time(tmp_path: Path) -> None:
    more = '[[meter.fault]]\nkind = "silence"\n[[meter.fault]]\nkind = "noise"\nat = 0.2\n'
    both = simulator(tmp_path, more)

    async def run() -> None:
        await both.start()
        assert both.meters[1].faults.names() == ["silence"]
        deadline = asyncio.get_running_loop().time() + 10
        while both.meters[1].faults.names() != ["noise", "silence"]:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)
        await both.stop()

    asyncio.run(run())
    assert both.meters[0].faults.names() == []
