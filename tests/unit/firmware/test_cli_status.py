"""What `smgw status` says of values, in the process of the test."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from gateway_state import GatewayState, gateway_state
from smgw.cli import main
from smgw.clock import GatewayClock, SystemSource, TimeSample
from smgw.cosem import Data, DataType, DeviceId, Obis, Reading
from smgw.profiles.toml_importer import load
from smgw.reports.handshakes import note_handshakes
from smgw.reports.running import note_running
from smgw.reports.time_servers import note_server
from smgw.store import paths
from smgw.store.records import Condition, MeterState, Record
from smgw.store.wan.records import ChannelKind, ChannelState
from smgw.store.wan.store import WanStore
from trial_pki import NOW, session_pki

CLOCK = GatewayClock()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayState]:
    with gateway_state(tmp_path) as made:
        made.store.note_meter(MeterState("house", DEVICE, "reading", MIDNIGHT, good=1, note="device \x1b[2J"))
        made.store.flush(now=True)
        yield made


def shown(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> list[str]:
    main(["status", *gateway.arguments])
    return capsys.readouterr().out.splitlines()


def test_the_live_value_is_shown_before_anything_is_stored(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.live.capture(capture(MIDNIGHT + 42_000, energy(7)))
    lines = shown(gateway, capsys)
    place = lines.index("        live value of 2026-03-01T00:00:00.042Z")
    assert lines[place + 1].split() == ["1-0:1.8.0*255", "0.7", "Wh"]
    assert lines[place + 2] == "        the first value is stored within 15 min"


def test_of_live_and_stored_value_the_newer_one_is_shown(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.store.append([Record(capture(MIDNIGHT, energy(1)))])
    assert "        stored value of 2026-03-01T00:00:00.000Z" in shown(gateway, capsys)
    gateway.live.capture(capture(MIDNIGHT + SECOND, energy(2), synchronised=False))
    lines = shown(gateway, capsys)
    assert "        live value of 2026-03-01T00:00:01.000Z (?)" in lines
    assert not [line for line in lines if "stored value" in line]
    gateway.store.append([Record(capture(MIDNIGHT + 2 * SECOND, energy(3)))])
    assert "        stored value of 2026-03-01T00:00:02.000Z" in shown(gateway, capsys)


def test_what_is_said_of_a_healthy_meter_s_values_is_a_note_and_no_reason(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    state = MeterState("house", DEVICE, "reading", MIDNIGHT, good=1, note="device x", remark="no \x1b[2Jpower")
    gateway.store.note_meter(state)
    gateway.store.flush(now=True)
    lines = shown(gateway, capsys)
    assert "        note: no \\x1b[2Jpower" in lines
    assert not [line for line in lines if line.startswith("  !") and "power" in line]
    main(["status", "--json", *gateway.arguments])
    assert json.loads(capsys.readouterr().out)["meters"][0]["remark"] == "no \x1b[2Jpower"


def test_octets_without_a_telegram_are_a_reason_like_a_silent_meter(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    for condition in (Condition.SILENT, Condition.UNREADABLE):
        gateway.store.note_meter(MeterState("house", None, condition, MIDNIGHT, note="the note"))
        gateway.store.flush(now=True)
        assert main(["status", *gateway.arguments]) == 1
        assert f"  ! meter house: {condition}: the note" in capsys.readouterr().out


def test_json_has_the_live_values_of_each_meter(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.live.capture(capture(MIDNIGHT, energy(7)))
    main(["status", "--json", *gateway.arguments])
    house, roof = json.loads(capsys.readouterr().out)["meters"]
    assert [live["readings"][0]["value"] for live in house["live"]] == [7]
    assert house["live"][0]["device"] == str(DEVICE)
    assert (house["registration_period"], roof["registration_period"], roof["live"]) == (900, 0, [])


def test_each_device_behind_a_meter_has_its_own_state_and_values(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    gas = DeviceId.parse("7 ELS 00 1234 5678")
    gateway.store.note_meter(MeterState("house", gas, "silent", MIDNIGHT, good=9, note="no good telegram for 60 s"))
    gateway.live.capture(capture(MIDNIGHT, energy(7)))
    gateway.live.capture(capture(MIDNIGHT, energy(8))._replace(device=gas))
    gateway.store.append([Record(capture(MIDNIGHT, energy(8))._replace(device=gas))])
    main(["status", "--json", *gateway.arguments])
    report = json.loads(capsys.readouterr().out)
    found = {
        one["device"]: (one["state"], one["records"], [live["readings"][0]["value"] for live in one["live"]])
        for one in report["meters"]
        if one["name"] == "house"
    }
    assert found == {str(DEVICE): ("reading", 0, [7]), str(gas): ("silent", 1, [8])}
    assert f"meter house (device {gas}): silent: no good telegram for 60 s" in report["reasons"]


def test_nothing_that_a_meter_sends_reaches_the_terminal(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = Reading(Obis.parse("0-0:96.13.0"), Data(DataType.VISIBLE_STRING, "\x1b[2J\x9b\r"))
    gateway.store.append([Record(capture(MIDNIGHT, evil))])
    gateway.live.capture(capture(MIDNIGHT + 1, evil))
    gateway.store.note_meter(MeterState("house", DEVICE, "locked", MIDNIGHT, note="\x1b[2J"))
    gateway.store.flush(now=True)
    lines = shown(gateway, capsys)
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if "\\x1b[2J" in line]


def test_the_sources_of_the_time_are_shown(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> None:
    assert any("no time source has answered" in line for line in shown(gateway, capsys))
    clock = GatewayClock()
    sample = TimeSample(SystemSource().boot_id, 1000, MIDNIGHT, 5_000_000, "system clock (systemd-timesyncd)")
    with WanStore.open(paths.wan_directory(gateway.state)) as store:
        store.add_time_sample(sample._replace(boot_id="another"))
        store.add_time_sample(sample._replace(dispersion_us=9_000_000))
        store.add_time_sample(sample)
        clock.feed(sample)
        gateway.store.save_clock(*clock.saved())
        gateway.store.flush(now=True)
        lines = shown(gateway, capsys)
        main(["status", "--json", *gateway.arguments])
    (clock_line,) = [line for line in lines if line.startswith("clock")]
    assert clock_line.startswith("clock   synchronised, within ")
    source = lines[lines.index(clock_line) + 1]
    assert source.startswith(
        "        system clock (systemd-timesyncd): within 5.000 s, last sample 2026-03-01T00:00:00Z"
    )
    (one,) = json.loads(capsys.readouterr().out)["clock"]["sources"]
    assert (one["source"], one["dispersion_us"]) == ("system clock (systemd-timesyncd)", 5_000_000)


def sources_say(gateway: GatewayState, *said: tuple[str, int]) -> None:
    sample = TimeSample(SystemSource().boot_id, 1000, MIDNIGHT, 1000, "")
    gateway.file.write_text(gateway.file.read_text().replace("[gateway]", '[gateway]\nntp = ["a", "b", "c:123"]'))
    with WanStore.open(paths.wan_directory(gateway.state)) as store:
        for name, off_us in said:
            store.add_time_sample(sample._replace(source=name, offset_us=MIDNIGHT + off_us))
    gateway.store.save_clock(*CLOCK.saved())
    gateway.store.flush(now=True)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ([("a", 0)], "1 of 3 time sources have answered, 2 must agree"),
        ([("a", 0), ("b", 60 * SECOND)], "the time sources contradict each other, 2 of 3 must agree"),
    ],
)
def test_what_keeps_the_time_from_being_synchronised_is_told(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str], said: list[tuple[str, int]], says: str
) -> None:
    sources_say(gateway, *said)
    assert [line for line in shown(gateway, capsys) if says in line]


def test_a_time_source_that_the_others_contradict_is_named(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    sources_say(gateway, ("a", 0), ("b", 60 * SECOND), ("c", 1000))
    lines = [line.strip() for line in shown(gateway, capsys) if "no majority confirms it" in line]
    assert [line.partition(":")[0] for line in lines] == ["b"]


def test_a_source_over_tls_is_shown_as_authenticated_and_the_others_as_without_a_voice(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    sources_say(gateway, ("tls://gwa:1 (Admin.GWA)", 0), ("a", 60 * SECOND), ("b", 60 * SECOND))
    gateway.file.write_text(gateway.file.read_text().replace('"c:123"', '"tls://gwa:1"'))
    lines = shown(gateway, capsys)
    assert next(line.strip()[:54] for line in lines if "last sample" in line) == (
        "tls://gwa:1 (Admin.GWA): authenticated, within 0.001 s"
    )
    assert [line.strip()[0] for line in lines if "no voice beside" in line] == ["a", "b"]
    main(["status", "--json", *gateway.arguments])
    sources = json.loads(capsys.readouterr().out)["clock"]["sources"]
    assert [(one["agrees"], one["authenticated"], one["voice"]) for one in sources] == [
        (True, True, True),
        (False, False, False),
        (False, False, False),
    ]


def test_the_clock_alone_is_shown_by_its_own_command(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> None:
    sources_say(gateway, ("a", 0), ("b", 0))
    lines = [line for line in shown(gateway, capsys) if line.startswith("clock") or "last sample" in line]
    assert main(["clock", "show", *gateway.arguments]) == int("not synchronised" in lines[0])
    assert capsys.readouterr().out.splitlines() == lines


def test_why_a_time_source_gives_no_time_is_shown_until_it_does(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.file.write_text(gateway.file.read_text().replace("[gateway]", '[gateway]\nntp = ["tls://gwa:1", "a"]'))
    with WanStore.open(paths.wan_directory(gateway.state)) as store:
        for name in ("a", "tls://gwa:1", "gone"):
            note_server(store, name, False, "it is not believed (revoked)", CLOCK.stamp())
        lines = shown(gateway, capsys)
        assert "        tls://gwa:1: gives no time: it is not believed (revoked)" in lines
        assert "        a: gives no time: it is not believed (revoked)" in lines
        assert "  ! time server tls://gwa:1: it is not believed (revoked)" in lines
        assert not [line for line in lines if "gone" in line]
        note_server(store, "tls://gwa:1", True, "gives the time", CLOCK.stamp())
        assert not [line for line in shown(gateway, capsys) if "tls://gwa:1: " in line]


def test_one_time_source_alone_is_told(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.store.save_clock(*CLOCK.saved())
    gateway.store.flush(now=True)
    assert [line for line in shown(gateway, capsys) if "one source alone" in line]


def test_a_meter_without_a_telegram_tells_when_its_first_value_is_stored(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "        the first value is stored within 15 min of the first telegram" in shown(gateway, capsys)


def test_what_a_process_runs_otherwise_than_the_file_says_is_named(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    with WanStore.open(paths.wan_directory(gateway.state)) as wan:
        for store in (gateway.store, wan):
            note_running(store, load(gateway.file), CLOCK.stamp())
        assert not [line for line in shown(gateway, capsys) if "another configuration" in line]
        changed = gateway.file.read_text().replace("registration_period = 0", "registration_period = 60")
        gateway.file.write_text(changed)
        (_, lmn) = [line for line in shown(gateway, capsys) if "another configuration" in line]
        assert "LMN process runs another configuration than the file has: meter roof;" in lmn
        note_running(gateway.store, load(gateway.file), CLOCK.stamp())
        main(["status", "--json", *gateway.arguments])
    assert json.loads(capsys.readouterr().out)["differences"] == {"lmn": [], "wan": ["meter roof"]}


def test_of_an_emp_that_fails_the_reason_and_the_time_of_the_next_try_are_shown(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: MIDNIGHT / 1e6)
    gateway.file.write_text(
        gateway.file.read_text() + '[[emp]]\nname = "lab"\nurl = "http://127.0.0.1:1"\ninsecure = true\n'
    )
    failing = ChannelState("lab", ChannelKind.BACKING_OFF, MIDNIGHT, "answers 503.", MIDNIGHT + 90 * SECOND, MIDNIGHT)
    with WanStore.open(paths.wan_directory(gateway.state)) as wan:
        wan.note_channel(failing)
        lines = shown(gateway, capsys)
    (line,) = [line for line in lines if line.startswith("EMP     lab")]
    assert line.endswith("last acknowledgement 2026-03-01T00:00:00Z, 0.0 s ago")
    assert lines[lines.index(line) + 1] == "        answers 503; next try 2026-03-01T00:01:30Z, in 90 s"
    assert lines[lines.index(line) + 2].startswith("        note: plain HTTP, as insecure = true permits: ")


def test_handshakes_of_tls_are_shown(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.file.write_text(gateway.file.read_text() + '[[emp]]\nname = "lab"\nurl = "https://127.0.0.1:1"\n')
    with WanStore.open(paths.wan_directory(gateway.state)) as wan:
        for counts in ((1, 0, 0), (1, 40, 2)):
            note_handshakes(wan, "lab", counts, CLOCK.stamp())
        assert "        handshakes of TLS: 1 full, 40 resumed, 2 refused" in shown(gateway, capsys)
        main(["status", "--json", *gateway.arguments])
    (emp,) = json.loads(capsys.readouterr().out)["emps"]
    assert emp["handshakes"] == {"full": 1, "resumed": 40, "refused": 2}


def test_a_meter_that_an_emp_refuses_is_shown_though_the_others_are_delivered(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.file.write_text(
        gateway.file.read_text() + '[[emp]]\nname = "lab"\nurl = "http://127.0.0.1:1"\ninsecure = true\n'
    )
    held = "meter house, device 0a is held: answers 404"
    with WanStore.open(paths.wan_directory(gateway.state)) as wan:
        wan.note_channel(ChannelState("lab", ChannelKind.IDLE, MIDNIGHT, held, None, MIDNIGHT))
        assert any(f"EMP lab: {held}" in line for line in shown(gateway, capsys))


def _with_certificates(gateway: GatewayState, *, synchronised: bool, list_days: int = 90) -> None:
    """A trust folder whose lists end after some days, and a clock that goes right or that nobody vouches for."""
    trust = session_pki().write_gateway(paths.trust_directory(gateway.state))
    (trust / "authorities/sub.crl").write_bytes(session_pki().revocations(number=2, days=list_days).pem)
    if synchronised:
        clock = GatewayClock()
        offset_us = (NOW + 60) * SECOND - SystemSource().boottime_ns() // 1000
        clock.feed(TimeSample(SystemSource().boot_id, SystemSource().boottime_ns(), offset_us, 1000, "a"))
        gateway.store.save_clock(*clock.saved())
        gateway.store.flush(now=True)


def test_without_a_trust_folder_nothing_is_said_of_it(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not [line for line in shown(gateway, capsys) if line.startswith("trust")]


def test_the_ends_of_certificates_are_shown(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> None:
    _with_certificates(gateway, synchronised=True)
    (line,) = [line for line in shown(gateway, capsys) if line.startswith("trust")]
    assert [part.split(" until ")[0] for part in line.removeprefix("trust   ").split(", ")] == [
        "own certificates",
        "others'",
        "authorities",
        "revocation lists",
    ]


@pytest.mark.parametrize(("days", "synchronised"), [(20, True), (50, True), (5, False)])
def test_what_ends_later_or_by_an_unsure_time_is_a_note(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str], days: int, synchronised: bool
) -> None:
    _with_certificates(gateway, synchronised=synchronised, list_days=days)
    lines = shown(gateway, capsys)
    assert [
        line for line in lines if line.startswith("        note: ") and "sub.crl" in line and "smgw-pki crl" in line
    ]
    assert not [line for line in lines if line.startswith("  !") and "sub.crl" in line]


@pytest.mark.parametrize(("days", "said"), [(5, "ends at"), (0, "ended at")])
def test_what_ends_within_a_week_is_a_reason(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str], days: int, said: str
) -> None:
    _with_certificates(gateway, synchronised=True, list_days=days)
    assert main(["status", *gateway.arguments]) == 1
    assert [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("  !") and "sub.crl" in line and said in line
    ]


def test_a_damaged_certificate_is_a_reason(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> None:
    _with_certificates(gateway, synchronised=True)
    (paths.trust_directory(gateway.state) / "peers/x.crt").write_bytes(b"damaged")
    assert [line for line in shown(gateway, capsys) if line.startswith("  !") and "x.crt" in line]


def test_json_has_every_certificate_and_revocation_list(
    gateway: GatewayState, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_certificates(gateway, synchronised=True, list_days=20)
    main(["status", "--json", *gateway.arguments])
    trust = json.loads(capsys.readouterr().out)["trust"]
    assert {one["kind"] for one in trust["certificates"]} == {"own", "pinned", "authority", "list"}
    (ending,) = [one for one in trust["certificates"] if one["ends_within_days"]]
    assert (ending["use"], ending["subject"], ending["ends_within_days"]) == ("CRL", "Trial.CA", 30)
    assert ending["days_left"] in (19, 20)
    assert (len(trust["notes"]), trust["faults"]) == (1, [])
