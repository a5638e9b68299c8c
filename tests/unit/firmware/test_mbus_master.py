"""The master of an M-Bus: addresses, FCB, several telegrams, and the search."""

import pytest
from mbus_bus import HEAT, WATER, Line, energy, meter, volume
from smgw.mbus.frame import Frame
from smgw.mbus.master import (
    Answer,
    DamagedError,
    Found,
    Master,
    Secondary,
    SilentError,
    ended,
    judge,
    normalise,
    select,
)
from smgw.mbus.requests import Short
from smgw.mbus.slave import Slave
from smgw.mbus.telegram import ApplicationError, Identity, Telegram


def read(line: Line, address: int | Secondary, subcode: int | None = None) -> list[Telegram]:
    return line.line.run(line.port, Master(2).read(address, subcode))


def values(telegrams: list[Telegram]) -> list[object]:
    return [record.value.value for one in telegrams for record in one.records if record.value]


def searched(line: Line) -> list[Found]:
    return list(line.line.search(line.port, Master().search()))


def controls(line: Line) -> list[int]:
    """Control fields of the requests."""
    return [octets[1] if octets[0] == 0x10 else octets[4] for octets in line.asked]


def test_a_primary_address_is_normalised_and_then_asked_with_fcb() -> None:
    line = Line([meter(5)])
    assert values(read(line, 5)) == [1234]
    assert line.asked == [Short(0x40, 5).encode(), Short(0x7B, 5).encode()]


def test_several_telegrams_are_asked_with_a_toggled_fcb_until_the_last() -> None:
    line = Line([meter(5, WATER, volume(1), volume(2), volume(3))])
    assert values(read(line, 5)) == [1, 2, 3]
    assert controls(line) == [0x40, 0x7B, 0x5B, 0x7B]


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_answer_is_asked_for_with_the_same_fcb_and_no_telegram_is_missed(lost: int) -> None:
    line = Line([meter(5, WATER, volume(1), volume(2))])
    line.line.run(line.port, Master(2).begin(5))
    line.lost = lost
    master = Master(2)
    assert values(line.line.run(line.port, master._telegrams(5, 16))) == [1, 2]
    assert controls(line) == [0x40, *[0x7B] * (lost + 1), 0x5B]


def test_each_readout_begins_with_the_first_telegram() -> None:
    line = Line([meter(5, WATER, volume(1), volume(2))])
    for _ in range(3):
        assert values(read(line, 5)) == [1, 2]


def test_a_meter_whose_telegrams_never_end_is_read_once_around() -> None:
    telegrams = [volume(1), volume(2)]
    line = Line([Slave(5, WATER, lambda _: [one + b"\x1f" for one in telegrams])])
    assert values(read(line, 5)) == [1, 2]


def test_a_meter_with_ever_new_telegrams_is_left_after_sixteen() -> None:
    line = Line([Slave(5, WATER, lambda _: [volume(place) + b"\x1f" for place in range(100)])])
    assert values(read(line, 5)) == list(range(16))


def test_a_secondary_address_is_selected_and_its_meter_answers() -> None:
    line = Line([meter(0, WATER, volume(1)), meter(0, HEAT, volume(2))])
    assert values(read(line, Secondary("66660205"))) == [2]
    assert values(read(line, Secondary.of(WATER))) == [1]
    assert line.asked[1].hex() == "680b0b6853fd5205026666ffffffff" + line.asked[1][-2:].hex()


def test_a_selected_meter_is_deselected_before_another_is_selected() -> None:
    line = Line([meter(0, WATER, volume(1)), meter(0, HEAT, volume(2))])
    read(line, Secondary("66660205"))
    read(line, Secondary("14839120"))
    assert line.asked[3] == Short(0x40, 253).encode()


def test_an_application_is_selected_before_the_readout() -> None:
    line = Line([Slave(5, WATER, lambda subcode: [volume(subcode)])])
    assert values(read(line, 5, 0x50)) == [0x50]
    assert controls(line) == [0x40, 0x73, 0x5B]


def test_no_meter_is_no_answer() -> None:
    with pytest.raises(SilentError):
        read(Line([meter(5)]), 6)


def test_two_meters_at_one_address_are_damage() -> None:
    with pytest.raises(DamagedError, match="several meters"):
        read(Line([meter(5, WATER, volume(1)), meter(5, HEAT, energy(77))]), 5)


@pytest.mark.parametrize("code", [1, 3, 8, 9, 200])
def test_an_error_of_the_application_is_raised_with_its_code(code: int) -> None:
    slave = meter(5)
    slave.error = code
    with pytest.raises(ApplicationError) as raised:
        read(Line([slave]), 5)
    assert raised.value.code == code


@pytest.mark.parametrize("noise", [b"\xfc", b"\xfd\xfe", b"\x00", b"\xfc\xfc\xfe\x00"], ids=["1", "2", "3", "4"])
def test_noise_of_a_level_converter_before_an_answer_costs_nothing(noise: bytes) -> None:
    assert values(read(Line([meter(5)], noise), 5)) == [1234]


def test_a_converter_that_echoes_is_read() -> None:
    assert values(read(Line([meter(0)], echo=True), Secondary("14839120"))) == [1234]
    with pytest.raises(SilentError):
        read(Line([], echo=True), 5)


def test_an_echo_of_a_data_request_is_no_answer() -> None:
    request = select(Secondary())
    assert judge(request, request.octets) is None
    assert ended(request, request.octets) is Answer.SILENCE
    assert judge(request, request.octets + b"\xe5") is Answer.ACKNOWLEDGE


def test_another_address_than_the_one_asked_is_refused() -> None:
    line = Line([])
    frame = Frame(8, 7, 0x72, WATER.octets + bytes(4) + volume(1)).encode()
    line.port.peers = [lambda octets: frame if octets[1] == 0x7B else b"\xe5"]
    with pytest.raises(DamagedError, match="address 7 answers instead of 5"):
        read(line, 5)


def test_a_search_finds_each_meter_once() -> None:
    identities = [Identity(f"{number:08d}", "KAM", 1, 7) for number in (12345678, 12345679, 12400000, 99999999, 0)]
    line = Line([meter(0, one) for one in identities])
    found = searched(line)
    assert sorted(str(one.address) for one in found) == sorted(str(Secondary.of(one)) for one in identities)
    assert all(one.telegram for one in found)


@pytest.mark.parametrize(
    "other",
    [
        Identity("14839120", "KAM", 1, 6),
        Identity("14839120", "KAM", 2, 7),
        Identity("14839120", "LUG", 1, 7),
    ],
    ids=["medium", "version", "maker"],
)
def test_two_meters_with_one_id_are_told_apart(other: Identity) -> None:
    found = searched(Line([meter(1, WATER), meter(2, other)]))
    assert sorted(str(one.address) for one in found) == sorted(str(Secondary.of(one)) for one in (WATER, other))


def test_an_id_with_letters_is_found() -> None:
    odd = Identity("050002E5", "0000", 0x12, 2)
    found = searched(
        Line([meter(1, odd), meter(2, Identity("05000201", "KAM", 1, 7)), meter(3, Identity("050002E4", "KAM", 1, 2))])
    )
    assert str(Secondary.of(odd)) in {str(one.address) for one in found}
    assert len(found) == 3


def test_answers_that_overlap_exactly_are_no_third_meter() -> None:
    other = Identity("14839120", "KAM", 2, 7)
    found = searched(Line([meter(1, WATER), meter(2, other)], spread=0))
    assert sorted(str(one.address) for one in found) == sorted(str(Secondary.of(one)) for one in (WATER, other))


def test_an_empty_line_costs_three_requests() -> None:
    line = Line([])
    assert not searched(line)
    assert len(line.asked) == 3


def test_one_meter_on_a_line_costs_five_requests() -> None:
    line = Line([meter(0)])
    assert len(searched(line)) == 1
    assert len(line.asked) == 5


def test_a_search_is_right_on_a_noisy_line() -> None:
    identities = [Identity(f"{number:08d}", "KAM", 1, 7) for number in (11111111, 22222222)]
    found = searched(Line([meter(0, one) for one in identities], noise=b"\xfc\x00"))
    assert len(found) == 2


def test_a_line_with_nothing_but_noise_is_not_searched_for_ever() -> None:
    line = Line([])
    line.port.peers = [lambda octets: line.asked.append(octets) or b"\x55\xaa\x55"]
    master = Master()
    assert not list(line.line.search(line.port, master.search()))
    assert master.gave_up
    assert len(line.asked) < 3000


def test_a_search_by_primary_address_names_those_that_collide() -> None:
    line = Line([meter(1), meter(3, HEAT), meter(4, WATER, volume(1)), meter(4, HEAT, energy(5))])
    found = list(line.line.search(line.port, Master().search_primary(range(6))))
    assert [one.address for one in found] == [1, 3, 4]
    assert found[2].telegram is None
    assert "several meters" in found[2].remark


@pytest.mark.parametrize("text", ["14839120", "148391202D2C0107", "FFFFFFFF2D2CFFFF"])
def test_a_secondary_address_is_read_and_shown(text: str) -> None:
    assert str(Secondary.parse(text)).startswith(text)


@pytest.mark.parametrize("text", ["1483912", "14839120ff", "1483912x"])
def test_a_wrong_secondary_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"digits|hex"):
        Secondary.parse(text)


def test_a_wildcard_of_an_id_is_a_digit_f() -> None:
    assert Secondary.parse("148391FF").matches(WATER.octets)
    assert not Secondary.parse("148392FF").matches(WATER.octets)
    assert normalise(253).brief


def twins(first: str, second: str) -> list[Slave]:
    """Two meters with all in common but the fabrication number."""
    return [
        Slave(0, WATER, lambda _, litres=place: [volume(litres)], fabrication=number)  # type: ignore[misc]
        for place, number in enumerate((first, second))
    ]


def test_meters_with_one_secondary_address_are_told_apart_by_fabrication_number() -> None:
    line = Line([*twins("12345678", "12345679"), meter(3, HEAT, energy(5))])
    found = [one.address for one in searched(line)]
    whole = Secondary.of(WATER)
    assert found == [whole._replace(fabrication="12345678"), whole._replace(fabrication="12345679"), Secondary.of(HEAT)]
    assert values(read(line, whole._replace(fabrication="12345679"))) == [1]
    assert values(read(line, whole._replace(fabrication="FFFFFFF8"))) == [0]
    with pytest.raises(SilentError):
        read(line, whole._replace(fabrication="1FFFFFF0"))


def test_a_meter_that_does_not_know_this_selection_does_not_answer_it() -> None:
    with pytest.raises(SilentError):
        read(Line([meter(0)]), Secondary.of(WATER)._replace(fabrication="12345678"))
