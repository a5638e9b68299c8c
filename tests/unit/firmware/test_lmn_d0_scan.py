"""`smgw scan` and D0: pushes are heard, a meter that is asked is found."""

from captures import OWN
from d0_line import D0Model
from d0_line_meter import D0LineMeter
from d0_made import EASYMETER
from smgw.iec62056.seven_bit import with_parity
from smgw.lmn.d0.scan import POLL, PUSH
from smgw.lmn.scan import Found, Scan
from smgw.profiles.meter import MeterProfile

PROFILE = MeterProfile("meter", "d0-push", "/dev/null")


def heard(octets: bytes) -> Found | None:
    return PUSH.ear(PROFILE).hear(octets)


def test_a_push_is_heard_with_its_device() -> None:
    found = heard(with_parity(EASYMETER))
    assert found is not None
    assert (found.device, found.remark) == ("1ESY1160142770", "")


def test_a_push_without_parity_is_remarked() -> None:
    found = heard(EASYMETER)
    assert found is not None
    assert found.remark == "without check value and parity"


def test_p1_without_check_sum_is_not_taken_for_d0() -> None:
    assert heard((OWN / "dsmr" / "dsmr_parser" / "telegram_v2_2.txt").read_bytes()) is None


def test_a_meter_that_is_asked_is_found() -> None:
    with D0LineMeter(D0Model()) as meter:
        (found,) = POLL.run(Scan(meter.url, lambda _: None))
    assert (found.profile.protocol, found.device) == ("d0", "4711")
    assert len(found.objects) == 4


def test_a_meter_that_identifies_itself_and_sends_nothing_is_told() -> None:
    with D0LineMeter(D0Model()) as meter:
        meter.spoil = lambda octets: [octets] if len(octets) < 15 else [b"\0"]
        (found,) = POLL.run(Scan(meter.url, lambda _: None))
    assert found.device == ""
    assert found.remark.startswith("/XXX5T: ")
