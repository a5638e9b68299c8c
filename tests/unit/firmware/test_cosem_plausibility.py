"""Values that cannot be true together, and no false alarm on what real meters sent."""

import pytest
from captures import field_case, intact_frames
from dlms_captures import PUSHES, one_list
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem import Data, DataType, Obis, Reading
from smgw.cosem.plausibility import Condition, implausible
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.push.lists import read_push
from smgw.sml.readings import readings
from smgw.sml.telegram import Telegram, TelegramReader

_OCTET = st.integers(0, 255)
UNITS = {
    **dict.fromkeys(("1", "2", "16", "21", "22", "41", "61", "36"), 27),
    **{"3": 29, "4": 29, "31": 33, "51": 33, "71": 33, "32": 35, "52": 35, "72": 35},
}


def told(**values: tuple[int, int]) -> dict[str, str]:
    """By group C: value and scaler."""
    return dict(
        implausible(
            Reading(Obis.parse(f"1-0:{name[1:]}.7.0"), Data(DataType.LONG64, value), scaler, UNITS[name[1:]])
            for name, (value, scaler) in values.items()
        )
    )


@pytest.mark.parametrize("volts", [(230, 0), (2305, -1), (577, -1), (120, 0), (400, 0), (0, 0), (690, 0)])
def test_voltages_of_real_networks_are_plausible(volts: tuple[int, int]) -> None:
    assert told(c32=volts) == {}


@pytest.mark.parametrize("volts", [(2305, 0), (23, 0), (230, 1), (1, 0), (230, -3)])
def test_a_voltage_more_than_five_times_off_is_told_with_advice(volts: tuple[int, int]) -> None:
    found = told(c32=volts)
    assert list(found) == [Condition.VOLTAGE]
    assert "set scalers, units or factors" in found[Condition.VOLTAGE]


def test_a_voltage_that_the_power_confirms_is_plausible() -> None:
    """Primary values of a meter in a network of 20 kV."""
    phases = {
        "c31": (30, 0),
        "c51": (30, 0),
        "c71": (30, 0),
        "c32": (11_547, 0),
        "c52": (11_547, 0),
        "c72": (11_547, 0),
    }
    assert told(**phases, c16=(1_000_000, 0)) == {}
    assert list(told(**phases, c16=(100_000, 0))) == [Condition.VOLTAGE, Condition.POWER]


def test_one_phase_without_voltage_is_an_outage_and_no_wrong_scaler() -> None:
    assert told(c32=(3, 0), c52=(231, 0), c72=(229, 0)) == {}


def test_currents_that_are_a_hundred_times_too_large_are_told() -> None:
    """E450: 51 A, 105 A, 52 A at 362 W, with one voltage."""
    found = told(c31=(51, 0), c51=(105, 0), c71=(52, 0), c32=(234, 0), c1=(362, 0))
    assert "voltage times current is 48672 VA, the power 362 W" in found[Condition.POWER]
    assert told(c31=(51, -2), c51=(105, -2), c71=(52, -2), c32=(234, 0), c1=(362, 0)) == {}


def test_more_power_than_voltage_times_current_is_told() -> None:
    phases = {"c31": (15, -1), "c51": (14, -1), "c71": (16, -1), "c32": (230, 0), "c52": (230, 0), "c72": (230, 0)}
    assert told(**phases, c16=(-10_350, 0))[Condition.POWER]
    assert told(**phases, c16=(-1_035, 0)) == {}


def test_a_list_of_one_phase_says_nothing_of_the_power_of_the_others() -> None:
    assert told(c31=(1, 0), c32=(230, 0), c16=(9000, 0)) == {}


def test_a_phase_has_a_power_of_its_own() -> None:
    found = told(c31=(15, 0), c32=(230, 0), c21=(345, 0), c3=(20, 0))
    assert found[Condition.POWER].startswith("phase 1: ")


def test_a_capacitor_bank_is_plausible() -> None:
    """Kamstrup behind transformers: 21 kVA on a phase, 448 W, and nearly all of it reactive."""
    assert told(c31=(90_999, -3), c32=(233, 0), c22=(448, 0), c2=(2585, 0), c3=(63_364, 0)) == {}


def test_phases_that_cancel_each_other_are_plausible() -> None:
    """A battery on one phase feeds what the others take: the sum is 0 W at 9 kVA."""
    phases = {"c31": (20, 0), "c51": (10, 0), "c71": (10, 0), "c32": (230, 0), "c52": (230, 0), "c72": (230, 0)}
    assert told(**phases, c16=(0, 0)) == {}


def test_a_meter_that_shows_no_small_currents_is_plausible() -> None:
    assert told(c31=(0, 0), c51=(0, 0), c71=(0, 0), c32=(230, 0), c52=(230, 0), c72=(230, 0), c1=(400, 0)) == {}


def test_no_telegram_of_an_sml_meter_raises_an_alarm() -> None:
    for frame in intact_frames():
        for event in TelegramReader().receive(frame):
            if isinstance(event, Telegram):
                for values in event.lists:
                    assert implausible(readings(values.server_id, values.entries)) == {}


@pytest.mark.parametrize("name", PUSHES)
def test_no_push_of_a_real_dlms_meter_raises_an_alarm(name: str) -> None:
    assert implausible(one_list(name).readings()) == {}


@pytest.mark.parametrize("name", ["e450_current_scale", "vse_am550_e360_scale", "kamstrup_ct_current"])
def test_the_field_cases_are_plausible_with_the_right_scalers(name: str) -> None:
    push = decode_apdu(field_case(f"dlms/{name}"))
    assert isinstance(push, DataNotification)
    assert implausible(read_push(push).readings()) == {}


@given(st.lists(st.tuples(_OCTET, st.integers(-(2**63), 2**64), st.integers(-128, 127), _OCTET)))
def test_any_readings_are_judged(some: list[tuple[int, int, int, int]]) -> None:
    implausible(
        Reading(Obis(bytes((1, 0, c, 7, 0, 255))), Data(DataType.LONG64, value), scaler, unit)
        for c, value, scaler, unit in some
    )
