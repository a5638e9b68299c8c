"""A port that several readers share."""

from smgw.lmn.bus import bus_of


def test_a_bus_is_shared_while_two_want_it_and_no_longer() -> None:
    bus = bus_of("socket://127.0.0.1:9")
    with bus.used():
        assert not bus.shared
        with bus_of("socket://127.0.0.1:9").used():
            assert bus.shared
        assert not bus.shared
