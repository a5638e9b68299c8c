"""Ciphered DLMS meters: invocation counters are kept before they are used, and never used twice."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import smgw
from ciphered_meter import COUNTER, Admitting, Now, secrets
from dlms_line_meter import ENERGY, DlmsMeter
from line_meter import Inbox, driver, running, until, watch
from smgw.cosem import AttributeName, Data, DataType, Obis
from smgw.dlms.data import encode
from smgw.lmn.dlms.counters import Counters
from smgw.lmn.dlms.security import Security
from smgw.lmn.driver import Driver
from smgw.lmn.errors import PollError
from smgw.profiles.dlms import Authentication, DlmsProfile, Quirk
from smgw.profiles.meter import MeterProfile
from smgw.profiles.password import PasswordFileError
from smgw.profiles.secrets import Secrets, read_secrets
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.store.records import CounterKind

FAR = 1_000_000_000  # a counter beyond where a key starts


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmnStore]:
    with LmnStore.open(tmp_path / "lmn", ballast_bytes=0) as opened:
        yield opened


class Kept:
    """Counters that start at 0, for a while."""

    def __init__(self) -> None:
        self.next = 0

    def skip(self, scope: str, holder: str, step: int, expected: int) -> bool:
        return True

    def reserve(self, kind: CounterKind, scope: str, holder: str, least: int, amount: int) -> int:
        first = max(least, self.next)
        self.next = first + amount
        return first


def reader(url: str, inbox: Inbox, counters: object, *, held: Secrets | None = None, **dlms: object) -> Driver:
    told = {"client": 1, "authentication": Authentication.HIGH_GMAC, "encryption_key_file": Path("e"), **dlms}
    profile = MeterProfile(
        name="flat", protocol="dlms", port=url, interval=0.1, timeout=1, retries=1,  # type: ignore[arg-type]
        options=DlmsProfile(**told),  # type: ignore[arg-type]
    )  # fmt: skip
    return driver(profile, inbox=inbox, secrets=held or secrets(), clock=Now(), counters=counters)  # type: ignore[arg-type]


@pytest.mark.parametrize("suite", [0, 2])
@pytest.mark.parametrize("quirks", [(), (Quirk.GENERAL_CIPHERING,)])
def test_a_ciphered_meter_is_read(suite: int, quirks: tuple[Quirk, ...], store: LmnStore) -> None:
    inbox, meter = Inbox(), Admitting(suite)
    with (
        DlmsMeter(meter.model, admissions=meter.admissions()) as line,
        running(reader(line.url, inbox, store, held=secrets(suite), security_suite=suite, quirks=quirks)),
    ):
        until(lambda: len(inbox.captures) >= 3)
    assert inbox.captures[0].readings[0].obis == ENERGY


def test_counters_go_on_after_a_restart_though_the_meter_tells_none(store: LmnStore) -> None:
    """R10: the meter refuses every counter that it has seen."""
    meter, last = Admitting(), -1
    for _ in range(3):
        inbox = Inbox()
        with (
            DlmsMeter(meter.model, admissions=meter.admissions()) as line,
            running(reader(line.url, inbox, store)) as made,
        ):
            until(lambda inbox=inbox: len(inbox.captures) >= 2)  # type: ignore[misc]
            assert not watch(made).last_refusal
        assert meter.newest > last
        last = meter.newest


def test_a_counter_that_another_client_has_moved_on_is_learnt_from_the_meter(store: LmnStore) -> None:
    """R7, R10."""
    inbox, meter = Inbox(), Admitting()
    meter.received.take(bytes(meter.keys.encryption), FAR)
    meter.tells(FAR)
    with (
        DlmsMeter(meter.model, admissions=meter.admissions()) as line,
        running(reader(line.url, inbox, store)),
    ):
        until(lambda: len(inbox.captures) >= 2)
    assert meter.newest > FAR


def test_counter_and_association_are_asked_for_where_the_profile_says(store: LmnStore) -> None:
    """R11."""
    inbox, meter = Inbox(), Admitting()
    place, association = Obis.parse("0-0:43.1.3*255"), Obis.parse("0-0:40.0.3*255")
    meter.received.take(bytes(meter.keys.encryption), FAR)
    meter.model.extra = {
        AttributeName(1, place, 2): encode(Data(DataType.DOUBLE_LONG_UNSIGNED, FAR)),
        AttributeName(15, association, 2): meter.model.object_list(),
    }
    with (
        DlmsMeter(meter.model, admissions=meter.admissions()) as line,
        running(reader(line.url, inbox, store, counter_object=place, association=association)),
    ):
        until(lambda: len(inbox.captures) >= 2)
    assert meter.newest > FAR
    assert {AttributeName(1, place, 2), AttributeName(15, association, 2)} <= set(meter.model.asked)
    assert not {COUNTER, AttributeName(15, Obis.parse("0-0:40.0.0*255"), 2)} & set(meter.model.asked)


def test_without_a_public_client_the_meters_word_is_followed_once(store: LmnStore) -> None:
    """R10: exception-response with the counter that it expects."""
    inbox, meter = Inbox(), Admitting()
    meter.received.take(bytes(meter.keys.encryption), FAR)
    with (
        DlmsMeter(meter.model, admissions=meter.admissions()) as line,
        running(reader(line.url, inbox, store, public_client=0)),
    ):
        until(lambda: len(inbox.captures) >= 2)
    assert meter.newest > FAR


def test_every_counter_is_in_the_store_before_it_is_used(store: LmnStore) -> None:
    """R10."""
    kept: list[int] = []

    class Watched(Kept):
        def reserve(self, kind: CounterKind, scope: str, holder: str, least: int, amount: int) -> int:
            first = store.reserve(kind, scope, holder, least, amount)
            kept.extend(range(first, first + amount))
            return first

    inbox, meter = Inbox(), Admitting()
    used: list[int] = []
    take = meter.received.take

    def taking(key: bytes, counter: int) -> None:
        assert counter in kept
        used.append(counter)
        take(key, counter)

    meter.received.take = taking  # type: ignore[method-assign]
    with (
        DlmsMeter(meter.model, admissions=meter.admissions()) as line,
        running(reader(line.url, inbox, Watched())),
    ):
        until(lambda: len(inbox.captures) >= 5)
    assert used == sorted(set(used))


def test_a_store_that_forgot_counters_while_it_ran_gives_none_again() -> None:
    class Forgetful(Kept):
        def reserve(self, kind: CounterKind, scope: str, holder: str, least: int, amount: int) -> int:
            return least

    counters = Counters("flat", 16, bytes(16), Forgetful())
    used = [counters() for _ in range(200)]
    assert used == sorted(set(used))


def test_without_a_place_for_counters_nothing_is_sent_ciphered(store: LmnStore) -> None:
    """R10."""
    meter = Admitting()

    class Full:
        def reserve(self, *_: object) -> int:
            raise StoreError(Path("lmn.db"), "is full")

    for keeper, told in ((None, "stop the gateway"), (Full(), "so none is used")):
        with (
            DlmsMeter(meter.model, admissions=meter.admissions()) as line,
            running(reader(line.url, Inbox(), keeper)) as made,
        ):
            until(lambda made=made: watch(made).last_refusal)  # type: ignore[misc]
        assert told in watch(made).last_refusal
    assert meter.newest == -1


def test_a_meter_that_would_use_the_key_up_is_not_followed() -> None:
    """R10."""
    counters = Counters("flat", 16, b"key", Kept())
    assert counters.follow(100)
    with pytest.raises(PollError, match="the key is used up or the answer forged"):
        counters.follow(0xFFFF_FFF0)
    assert not counters.follow(7)
    assert counters() == 100


def test_one_forged_counter_takes_half_of_what_is_left_at_most_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters("flat", 16, b"key", Kept())
    counters()
    assert counters.follow(1000)
    assert not caplog.records
    with pytest.raises(PollError, match="ours stands at 1000:"):
        counters.follow(0xF000_0000)
    assert counters() == 1000
    assert counters.follow(0x7FFF_0000)
    assert "meter flat: it is said to expect invocation counter 2147418112" in caplog.text
    assert "ours stood at 1001" in caplog.text


@pytest.mark.parametrize("refusing", [False, True])
def test_that_the_key_is_used_up_is_told(refusing: bool, store: LmnStore, caplog: pytest.LogCaptureFixture) -> None:
    inbox, meter = Inbox(), Admitting()
    meter.tells(0xFFFF_FFF0)
    if refusing:
        meter.received.take(bytes(meter.keys.encryption), 0xFFFF_FFF0)
    with (
        DlmsMeter(meter.model, admissions=meter.admissions()) as line,
        running(reader(line.url, inbox, store)) as made,
    ):
        until(lambda: watch(made).last_refusal if refusing else inbox.captures)
    assert "the key is used up" in (watch(made).last_refusal if refusing else caplog.text)


def test_a_counter_that_cannot_be_read_is_not_asked_for_again_while_the_kept_ones_do(store: LmnStore) -> None:
    inbox, meter = Inbox(), Admitting()
    with (
        DlmsMeter(meter.model, admissions=meter.admissions()) as line,
        running(reader(line.url, inbox, store)),
    ):
        until(lambda: len(inbox.captures) >= 2)
        for times in (2, 3):
            hang_up = iter([[None]])
            line.spoil = lambda octets, once=hang_up: next(once, [octets])  # type: ignore[misc]
            until(lambda times=times: line.accepted >= times)  # type: ignore[misc]
            read = len(inbox.captures)
            until(lambda read=read: len(inbox.captures) > read)  # type: ignore[misc]
    assert meter.model.asked.count(COUNTER) == 1


def test_wrong_keys_are_told_and_no_key_with_them(store: LmnStore, caplog: pytest.LogCaptureFixture) -> None:
    """R27."""
    caplog.set_level(logging.DEBUG)
    meter = Admitting()
    wrong = Secrets(encryption_key=b"\xee" * 16, authentication_key=b"\xaa" * 16)
    with (
        DlmsMeter(meter.model, admissions=meter.admissions()) as line,
        running(reader(line.url, Inbox(), store, held=wrong)) as made,
    ):
        until(lambda: watch(made).last_refusal)
    for text in (caplog.text, watch(made).last_refusal, repr(made), repr(wrong)):
        assert "ee" * 8 not in text.lower()
        assert "\\xee" not in text


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [("00" * 16, 0o644, "chmod 600"), ("00" * 15, 0o600, "32 hex digits"), ("xyz", 0o600, "32 hex digits")],
)
def test_a_key_comes_from_a_private_file_in_hex(text: str, mode: int, told: str, tmp_path: Path) -> None:
    for name in ("e", "a"):
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(mode)
    dlms = DlmsProfile(encryption_key_file=Path("e"), authentication_key_file=Path("a"))
    profile = MeterProfile(name="flat", protocol="dlms", port="/dev/null", options=dlms)
    with pytest.raises(PasswordFileError, match=told) as raised:
        read_secrets(profile, tmp_path)
    assert text not in str(raised.value)


def _imported(program: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(smgw.__file__).parent.parent)}
    environment.pop("COVERAGE_PROCESS_START", None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout


PROGRAM = """
import sys
from pathlib import Path
from smgw.clock import GatewayClock
from smgw.lmn.contract import Surroundings
from smgw.profiles.entries import resolve
from smgw.profiles.dlms import Authentication, DlmsProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.records import CounterKind
profile = MeterProfile(name="flat", protocol="{protocol}", port="/dev/null", options=DlmsProfile({options}))
meter = resolve(profile.entry.meter)(profile, Secrets({secrets}), Surroundings(GatewayClock()))
security = getattr(getattr(meter, "_session", None), "_security", None)
if security is not None:
    security.authentication(), security.ciphering()
print("smgw.dlms.session.client" in sys.modules, "cryptography" in sys.modules)
"""


@pytest.mark.parametrize(
    ("protocol", "dlms", "held", "told"),
    [
        ("sml-push", "", "", "False False"),
        ("sml-poll", "", "", "False False"),
        ("dlms", "", "", "True False"),
        ("dlms", "authentication=Authentication.HIGH_SHA256", "password=b'a'", "True False"),
        (
            "dlms",
            "encryption_key_file=Path('e')",
            "encryption_key=bytes(16), authentication_key=bytes(16)",
            "True True",
        ),
        ("dlms-push", "", "", "False False"),
    ],
)
def test_cryptography_is_imported_only_for_a_meter_that_needs_it(
    protocol: str, dlms: str, held: str, told: str
) -> None:
    assert _imported(PROGRAM.format(protocol=protocol, options=dlms, secrets=held)).strip() == told


def test_a_meter_without_secrets_needs_no_openssl_and_no_time_zones() -> None:
    program = PROGRAM.format(protocol="dlms", options="", secrets="")
    program += "print([name for name in ('_hashlib', '_ssl', 'zoneinfo') if name in sys.modules])"
    assert _imported(program).splitlines()[1] == "[]"


def test_a_signing_key_of_an_unknown_curve_is_told_of(store: LmnStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    def unknown(*_: object) -> None:
        raise UnsupportedAlgorithm("curve 1.3.132.0.4")

    monkeypatch.setattr(serialization, "load_pem_private_key", unknown)
    dlms = DlmsProfile(authentication=Authentication.HIGH_ECDSA)
    profile = MeterProfile(name="flat", protocol="dlms", port="/dev/null", options=dlms)
    with pytest.raises(PollError, match="signing_key_file"):
        Security(profile, Secrets(signing_key=b"-", meter_key=b"-"), store).authentication()
