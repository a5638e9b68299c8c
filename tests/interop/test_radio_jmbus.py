"""jMBus, other people's reader of M-Bus by radio, beside ours: captures, and what our simulator's meters send."""

import subprocess
from fractions import Fraction

import pytest
from java_peer import java_peer
from radio_captures import radio_captures
from smgw.mbus.radio import sending
from smgw.mbus.radio.compact import Layouts
from smgw.mbus.radio.envelope import read_envelope
from smgw.mbus.radio.opening import open_envelope
from smgw.mbus.records import Record
from smgw.mbus.telegram import Identity

WATER, KEY = Identity("12345678", "ELS", 0x12, 7), bytes(range(16))
RECORDS = bytes.fromhex("0C1378563412" + "046D32371F15" + "02FD170000")
#: Name -> telegram and key. A compact telegram needs one before it, which the peer is not given.
TELEGRAMS = {one.name: (one.octets, one.key) for one in radio_captures() if not one.after} | {
    "our-clear": (sending.in_the_clear(WATER, 1, RECORDS), None),
    "our-mode-5": (sending.by_mode_5(WATER, 1, RECORDS, KEY), KEY),
    "our-mode-7": (sending.by_mode_7(WATER, 1, RECORDS, KEY, 7), KEY),
    "our-ctr": (sending.by_session(WATER, 1, RECORDS, KEY, 7, 0x78), KEY),
}
#: What the peer refuses, and why.
REFUSED = {
    **dict.fromkeys(
        ("oms-profile-b", "oms-profile-b-adapter", "oms-format-b", "our-mode-7"),
        "it knows no extended link layer without a session (CI 8C, 8E), so no mode 7 as OMS has it",
    ),
    "kamstrup-whole": "the capture was decrypted before, and its session number still says that it is encrypted",
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[str]] | None]:
    """Name of a telegram -> storage, tariff, subunit, type, exponent and value of each record; None: refused."""
    command = java_peer("jmbus", tmp_path_factory.mktemp("jmbus"))
    given = "".join(f"{octets.hex()}\n{(key or b'').hex()}\n" for octets, key in TELEGRAMS.values())
    done = subprocess.run([*command, "radio"], input=given, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[list[str]] | None] = {}
    names, records = iter(TELEGRAMS), []
    for line in done.stdout.splitlines():
        word, *rest = line.split()
        if word == "record":
            records.append(rest)
            continue
        found[next(names)] = records if word == "end" else None
        records = []
    return found


def ours(name: str) -> tuple[Record, ...]:
    octets, key = TELEGRAMS[name]
    envelope = read_envelope(octets)
    assert envelope is not None
    return open_envelope(envelope, key, Layouts()).telegram.records


@pytest.mark.parametrize("name", TELEGRAMS)
def test_both_read_the_same_numbers(name: str, theirs: dict[str, list[list[str]] | None]) -> None:
    found = theirs[name]
    assert (found is None) == (name in REFUSED)
    for record, (*place, kind, exponent, value) in zip(ours(name), found or (), strict=False):
        assert list(map(str, record.head[1:4])) == place
        if kind not in ("LONG", "BCD") or record.value is None or not isinstance(record.value.value, int):
            continue
        number = Fraction(record.value.value) * Fraction(10) ** record.head.meaning.scaler
        assert Fraction(value) * Fraction(10) ** int(exponent) == number
