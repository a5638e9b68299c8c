"""A meter that pushes D0: its values, and what is unchecked."""

import logging

import pytest
from d0_made import EASYMETER
from pushing_meter import NOW, Still
from smgw.cosem import DeviceId, GatewayStatus
from smgw.iec62056.seven_bit import with_parity
from smgw.lmn.contract import Surroundings, Values
from smgw.lmn.d0.push import D0Push
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused


def meter() -> D0Push:
    return D0Push(MeterProfile("flat", "d0-push", "/dev/null"), Secrets(), Surroundings(Still()))


def one(octets: bytes) -> Values:
    ((found,),) = [heard for heard in meter().receive(octets, NOW) if not isinstance(heard, Refused)]
    return found


def test_the_values_of_a_push_belong_to_its_device() -> None:
    found = one(with_parity(EASYMETER))
    assert found.device == DeviceId.parse("1ESY1160142770")
    assert [str(reading.obis) for reading in found.readings][1:3] == ["1-0:1.8.0*255", "1-0:21.7.0*255"]
    assert not found.flags


def test_values_without_parity_are_unchecked_and_it_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    pushing = meter()
    with caplog.at_level(logging.WARNING):
        heard = [*pushing.receive(EASYMETER, NOW), *pushing.receive(EASYMETER, NOW)]
    assert [[part.flags for part in group] for group in heard if not isinstance(group, Refused)] == [
        [GatewayStatus.NOT_VALIDATED],
        [GatewayStatus.NOT_VALIDATED],
    ]
    assert caplog.text.count("unchecked") == 1


def test_a_meter_without_identity_has_the_name_of_its_profile() -> None:
    found = one(with_parity(b"/HAG5eHZ010C_EHZ1vA02\r\n\r\n1-0:1.8.0*255(000001.2963)\r\n!\r\n"))
    assert found.device == DeviceId(b"flat")


def test_an_end_without_line_end_counts_when_the_line_is_silent() -> None:
    pushing = meter()
    assert not pushing.receive(with_parity(EASYMETER[:-2]), NOW)
    assert len(pushing.finish()) == 1
