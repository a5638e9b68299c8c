"""The gateway's clock steps only out of the state invalid, slews at most 500 ppm, and never flatters itself."""

from hypothesis import given
from hypothesis import strategies as st
from smgw.clock.event import ClockEvent, ClockEventKind
from smgw.clock.gateway_clock import DISPERSION_UNKNOWN_US, GatewayClock, Saved
from smgw.clock.sample import TimeSample
from smgw.cosem.reading import ClockState

SECOND_NS = 1_000_000_000
SECOND_US = 1_000_000
UTC_US = 1_700_000_000 * SECOND_US
LIMIT_US = 27 * SECOND_US


class FakeSource:
    """A kernel one hour after its start, whose system clock stands in 1970."""

    def __init__(self, boot_id: str = "boot-1") -> None:
        self.boot_id = boot_id
        self.boottime = 3600 * SECOND_NS
        self.realtime_offset = 0

    def boottime_ns(self) -> int:
        return self.boottime

    def realtime_ns(self) -> int:
        return self.boottime + self.realtime_offset

    def run(self, seconds: float) -> None:
        self.boottime += int(seconds * SECOND_NS)

    def sample(self, off_us: int = 0, dispersion_us: int = 1000, source: str = "a", **changes: object) -> TimeSample:
        """What a server whose time is UTC_US + BOOTTIME, plus `off_us`, gives now."""
        sample = TimeSample(self.boot_id, self.boottime, UTC_US + off_us, dispersion_us, source)
        return sample._replace(**changes)  # type: ignore[arg-type]


def synchronised(source: FakeSource, dispersion_us: int = 1000) -> GatewayClock:
    clock = GatewayClock(source=source)
    clock.feed(source.sample(dispersion_us=dispersion_us))
    assert clock.stamp().state is ClockState.SYNCHRONISED
    return clock


def kind(event: ClockEvent | None) -> ClockEventKind:
    assert event is not None
    return event.kind


def test_before_the_first_sample_the_time_is_the_systems_and_invalid() -> None:
    source = FakeSource()
    source.realtime_offset = 5 * SECOND_NS
    stamp = GatewayClock(source=source).stamp()
    assert stamp == ("boot-1", 3600 * SECOND_NS, 3605 * SECOND_US, DISPERSION_UNKNOWN_US, ClockState.INVALID)


def test_an_invalid_stamp_of_an_earlier_moment_is_the_systems_time_of_that_moment() -> None:
    source = FakeSource()
    assert GatewayClock(source=source).stamp_at(source.boottime - 2 * SECOND_NS).utc_us == 3598 * SECOND_US


def test_the_first_sample_steps_the_time_and_the_log_is_told_by_how_much() -> None:
    source = FakeSource()
    clock = GatewayClock(source=source)
    event = clock.feed(source.sample(dispersion_us=700))
    assert event is not None
    assert event.kind is ClockEventKind.SYNCHRONISED
    assert event.difference_us == UTC_US
    assert event.stamp == clock.stamp()
    assert clock.stamp() == ("boot-1", source.boottime, UTC_US + 3600 * SECOND_US, 700, ClockState.SYNCHRONISED)
    assert "stepped by +1700000000.000000 s" in event.text


def test_a_stepped_system_clock_moves_no_stamp() -> None:
    source = FakeSource()
    clock = synchronised(source)
    before = clock.stamp()
    source.realtime_offset -= 86_400 * SECOND_NS
    source.run(1)
    assert clock.stamp().utc_us - before.utc_us == SECOND_US


def test_a_difference_is_slewed_at_500_ppm() -> None:
    source = FakeSource()
    clock = synchronised(source)
    source.run(64)
    assert clock.feed(source.sample(off_us=10_000, dispersion_us=10)) is None
    start = clock.stamp()
    source.run(10)
    assert clock.stamp().utc_us - start.utc_us == 10 * SECOND_US + 5_000
    source.run(10)
    assert clock.stamp().utc_us - start.utc_us == 20 * SECOND_US + 10_000
    source.run(10)
    assert clock.stamp().utc_us - start.utc_us == 30 * SECOND_US + 10_000


def test_what_is_still_to_be_slewed_counts_as_dispersion() -> None:
    source = FakeSource()
    clock = synchronised(source)
    source.run(64)
    clock.feed(source.sample(off_us=-10_000, dispersion_us=10))
    assert clock.stamp().dispersion_us == 10_010
    source.run(20)
    assert clock.stamp().dispersion_us == 10 + 20 * 15


def test_dispersion_grows_fifteen_ppm_with_age_until_the_time_is_invalid() -> None:
    source = FakeSource()
    clock = synchronised(source, dispersion_us=0)
    source.run(1_800_000)
    assert clock.stamp().dispersion_us == LIMIT_US
    assert clock.stamp().state is ClockState.SYNCHRONISED
    assert clock.poll() is None
    source.run(1)
    assert clock.stamp().state is ClockState.INVALID
    assert kind(clock.poll()) is ClockEventKind.AGED
    assert clock.poll() is None
    assert kind(clock.feed(source.sample(off_us=12345))) is ClockEventKind.SYNCHRONISED


def test_the_limit_follows_the_registration_period() -> None:
    source = FakeSource()
    clock = GatewayClock(source=source, registration_period_s=60)
    assert clock.feed(source.sample(dispersion_us=1_800_001)) is None
    assert clock.stamp().state is ClockState.INVALID
    clock.feed(source.sample(dispersion_us=1_800_000))
    assert clock.stamp().state is ClockState.SYNCHRONISED


def test_a_jump_beyond_a_thousand_seconds_is_ignored_and_told_once_an_episode() -> None:
    source = FakeSource()
    clock = synchronised(source)
    source.run(64)
    expected = clock.stamp()
    event = clock.feed(source.sample(off_us=1_000_000_001, dispersion_us=1))
    assert event == (ClockEventKind.JUMP_IGNORED, expected, "a", 1_000_000_001)
    assert clock.stamp() == expected
    assert clock.feed(source.sample(off_us=-2_000_000_000)) is None
    clock.feed(source.sample())
    assert kind(clock.feed(source.sample(off_us=1_000_000_001))) is ClockEventKind.JUMP_IGNORED


def test_an_episode_of_one_source_is_not_ended_by_a_sane_one() -> None:
    source = FakeSource()
    clock = synchronised(source)
    assert clock.feed(source.sample(off_us=2_000_000_000, source="mad")) is not None
    clock.feed(source.sample(source="sane"))
    assert clock.feed(source.sample(off_us=2_000_000_000, source="mad")) is None


def test_a_difference_beyond_the_limit_makes_the_time_invalid_and_the_next_sample_steps_it() -> None:
    source = FakeSource()
    clock = synchronised(source)
    source.run(64)
    event = clock.feed(source.sample(off_us=100 * SECOND_US))
    assert event is not None
    assert event.kind is ClockEventKind.DEVIATED
    assert event.difference_us == 100 * SECOND_US
    assert event.stamp.state is ClockState.INVALID
    assert clock.stamp().state is ClockState.INVALID
    source.run(64)
    assert kind(clock.feed(source.sample(off_us=100 * SECOND_US))) is ClockEventKind.SYNCHRONISED
    assert clock.stamp().utc_us == UTC_US + 100 * SECOND_US + source.boottime // 1000


def test_one_imprecise_sample_far_off_does_not_disturb_a_clock_that_has_a_better_one() -> None:
    source = FakeSource()
    clock = synchronised(source, dispersion_us=500)
    source.run(64)
    before = clock.stamp()
    assert clock.feed(source.sample(off_us=3 * SECOND_US, dispersion_us=4 * SECOND_US)) is None
    assert clock.stamp() == before


def test_samples_of_another_boot_of_the_future_or_without_precision_are_passed_over() -> None:
    source = FakeSource()
    clock = GatewayClock(source=source)
    assert clock.feed(source.sample(boot_id="boot-0")) is None
    assert clock.feed(source.sample(boottime_ns=source.boottime + 2 * SECOND_NS)) is None
    assert clock.feed(source.sample(dispersion_us=LIMIT_US + 1)) is None
    assert clock.stamp().state is ClockState.INVALID


def test_a_moment_just_before_the_first_sample_is_valid_once_the_clock_knows_better() -> None:
    source = FakeSource()
    clock = GatewayClock(source=source)
    captured = source.boottime
    source.run(0.5)
    clock.feed(source.sample())
    assert clock.stamp_at(captured).utc_us == UTC_US + captured // 1000
    assert clock.stamp_at(captured).state is ClockState.SYNCHRONISED


def test_a_restart_of_the_process_goes_on_with_aged_dispersion() -> None:
    source = FakeSource()
    saved = synchronised(source, dispersion_us=1000).saved()
    assert saved == ("boot-1", source.boottime, UTC_US, 1000, ClockState.SYNCHRONISED)
    source.run(100)
    clock = GatewayClock(source=source, saved=saved)
    assert clock.stamp() == ("boot-1", source.boottime, UTC_US + 3700 * SECOND_US, 2500, ClockState.SYNCHRONISED)
    clock.feed(source.sample(off_us=7, dispersion_us=10))
    source.run(1)
    assert clock.stamp().utc_us == UTC_US + 7 + 3701 * SECOND_US


def test_what_another_boot_saved_is_of_no_use() -> None:
    saved = synchronised(FakeSource()).saved()
    assert GatewayClock(source=FakeSource("boot-2"), saved=saved).stamp().state is ClockState.INVALID


def test_a_saved_state_that_is_invalid_too_old_or_of_the_future_is_not_taken_up() -> None:
    source = FakeSource()
    saved = synchronised(source).saved()
    for useless in (
        GatewayClock(source=source).saved(),
        saved._replace(dispersion_us=LIMIT_US + 1),
        saved._replace(boottime_ns=source.boottime + 1),
    ):
        assert GatewayClock(source=source, saved=useless).stamp().state is ClockState.INVALID


def test_saved_state_survives_as_plain_integers() -> None:
    source = FakeSource()
    boot_id, *numbers = synchronised(source).saved()
    saved = Saved(boot_id, *map(int, numbers))  # type: ignore[arg-type]
    assert GatewayClock(source=source, saved=saved).stamp().state is ClockState.SYNCHRONISED


# A life of the clock: how long it runs, then what a server says, with which dispersion.
LIVES = st.lists(
    st.tuples(
        st.integers(1, 2_000 * SECOND_NS),
        st.integers(-20 * SECOND_US, 20 * SECOND_US),
        st.integers(0, 6 * SECOND_US),
    ),
    max_size=30,
)


@given(LIVES, st.lists(st.integers(0, 5 * SECOND_NS), min_size=1, max_size=3))
def test_while_synchronised_no_stamp_goes_back_or_runs_faster_than_500_ppm(
    life: list[tuple[int, int, int]], waits: list[int]
) -> None:
    source = FakeSource()
    clock = synchronised(source, dispersion_us=0)
    last = clock.stamp()
    for run_ns, off_us, dispersion_us in life:
        for wait_ns in (run_ns, *waits):
            source.boottime += wait_ns
            stamp = clock.stamp()
            if stamp.state is last.state is ClockState.SYNCHRONISED:
                elapsed_ns = stamp.boottime_ns - last.boottime_ns
                difference_ns = (stamp.utc_us - last.utc_us) * 1000 - elapsed_ns
                assert stamp.utc_us >= last.utc_us
                assert abs(difference_ns) <= elapsed_ns * 500 // 1_000_000 + 1000  # the stamp's own microsecond
            last = stamp
        if clock.feed(source.sample(off_us=off_us, dispersion_us=dispersion_us)) is not None:
            last = clock.stamp()  # an event: only these may step


@given(LIVES)
def test_only_an_event_changes_the_state_or_steps_the_time(life: list[tuple[int, int, int]]) -> None:
    source = FakeSource()
    clock = synchronised(source)
    for run_ns, off_us, dispersion_us in life:
        source.boottime += run_ns
        before = clock.stamp()
        event = clock.feed(source.sample(off_us=off_us, dispersion_us=dispersion_us))
        after = clock.stamp()
        if event is None:
            assert (after.utc_us, after.state) == (before.utc_us, before.state)
        elif event.kind is ClockEventKind.SYNCHRONISED:
            assert before.state is ClockState.INVALID
        else:
            assert (event.kind, after.state) == (ClockEventKind.DEVIATED, ClockState.INVALID)


@given(LIVES, st.data())
def test_moments_asked_for_late_and_out_of_order_keep_their_order(
    life: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    source = FakeSource()
    clock = synchronised(source, dispersion_us=0)
    stamps = [clock.stamp()]
    for run_ns, off_us, _ in life:
        began = source.boottime
        source.boottime += run_ns
        clock.feed(source.sample(off_us=off_us // 2, dispersion_us=0))
        if clock.stamp().state is ClockState.INVALID:
            return
        moment = data.draw(st.integers(began, source.boottime))
        stamps += [clock.stamp(), clock.stamp_at(moment)]
    stamps.sort(key=lambda stamp: stamp.boottime_ns)
    assert [stamp.utc_us for stamp in stamps] == sorted(stamp.utc_us for stamp in stamps)


@given(LIVES)
def test_the_dispersion_covers_the_error_when_the_samples_tell_theirs_honestly(
    life: list[tuple[int, int, int]],
) -> None:
    source = FakeSource()
    clock = synchronised(source)
    for run_ns, off_us, dispersion_us in life:
        source.boottime += run_ns
        clock.feed(source.sample(off_us=min(abs(off_us), dispersion_us), dispersion_us=dispersion_us))
        stamp = clock.stamp()
        assert abs(stamp.utc_us - UTC_US - stamp.boottime_ns // 1000) <= stamp.dispersion_us + 1
