"""Evaluation profiles and tariff calendars: what is right gives a profile, and every gap and overlap is named."""

from pathlib import Path

import pytest
from smgw.profiles import ConfigurationError
from smgw.profiles.calendar import Calendar, Switch
from smgw.profiles.send_times import SendTimes
from smgw.profiles.toml_importer import load, parse
from smgw.profiles.use_cases import USE_CASES

HEAD = """[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
[[meter]]
name = "solar"
protocol = "sml-push"
port = "/dev/ttyUSB1"
[[emp]]
name = "utility"
url = "http://127.0.0.1:8080"
insecure = true
"""
DAYS = 'work = { "00:00" = 2, "06:00" = 1, "22:00" = 2 }, free = { "00:00" = 2 }'
WEEK = 'week = { mon-fri = "work", sat-sun = "free", holiday = "free" }'
CALENDAR = f'{{ days = {{ {DAYS} }}, season = [{{ name = "year", {WEEK} }}], holidays = ["12-25", 2026-04-03] }}'


def evaluation(keys: str, taf: int = 2) -> str:
    return f'{HEAD}[[evaluation]]\nname = "day-night"\ntaf = {taf}\nmeters = ["house"]\n{keys}\n'


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "g.toml")
    return [line.removeprefix("g.toml:") for line in str(raised.value).splitlines()]


def calendar_faults(directory: Path, text: str) -> list[str]:
    (directory / "tariff.toml").write_text(text, encoding="utf-8")
    (directory / "g.toml").write_text(evaluation('calendar = "tariff.toml"'), encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load(directory / "g.toml")
    first, *rest = str(raised.value).splitlines()
    assert "calendar: tariff.toml: this calendar cannot be used" in first
    return [line.removeprefix(f"{directory}/tariff.toml:") for line in rest]


def week(days: str = 'mon-sun = "work"', name: str = "year", since: str = "01-01", until: str = "12-31") -> str:
    return f'[[season]]\nname = "{name}"\nfrom = "{since}"\nto = "{until}"\nweek = {{ {days} }}\n'


def test_the_smallest_evaluation_has_the_documented_defaults() -> None:
    (found,) = parse(evaluation(f"calendar = {CALENDAR}"), "g.toml").evaluations
    assert (found.name, found.taf, found.parts, found.emps) == ("day-night", 2, ("house",), ())
    assert (found.registration_period, found.billing_months, found.zone) == (900, 1, "Europe/Berlin")
    assert [str(one) for one in found.objects] == ["1-0:1.8.0*255"]
    assert (found.begin, found.end) == (None, None)


def test_a_calendar_in_the_file_and_one_in_its_own_file_are_the_same_profile(tmp_path: Path) -> None:
    days = DAYS.replace("}, ", "}\n")
    text = f'holidays = ["12-25", 2026-04-03]\n[days]\n{days}\n[[season]]\nname = "year"\n{WEEK}\n'
    (tmp_path / "tariff.toml").write_text(text, encoding="utf-8")
    (tmp_path / "g.toml").write_text(evaluation('calendar = "tariff.toml"'), encoding="utf-8")
    (own,) = load(tmp_path / "g.toml").evaluations
    (inline,) = parse(evaluation(f"calendar = {CALENDAR}"), "g.toml").evaluations
    assert own.content() == inline.content()
    assert own.calendar is not None
    assert own.calendar.days[0].switches == (Switch(0, 2), Switch(360, 1), Switch(1320, 2))


def test_a_changed_switch_time_is_another_version_of_the_profile() -> None:
    (first,) = parse(evaluation(f"calendar = {CALENDAR}"), "g.toml").evaluations
    (second,) = parse(evaluation(f"calendar = {CALENDAR.replace('06:00', '06:15')}"), "g.toml").evaluations
    assert first.content() != second.content()


def test_a_date_of_the_validity_begins_at_local_midnight() -> None:
    (found,) = parse(
        evaluation(f"begin = 2026-07-01\nend = 2026-07-02T12:00:00Z\ncalendar = {CALENDAR}"), "g"
    ).evaluations
    assert (found.begin, found.end) == (1_782_856_800, 1_782_993_600)


def test_a_day_that_does_not_begin_at_midnight_has_a_gap(tmp_path: Path) -> None:
    text = '[days]\nwork = { "06:00" = 1 }\n' + week()
    assert calendar_faults(tmp_path, text)[0].startswith("2: days.work: gap: no step holds from 00:00 to 06:00")


def test_weekdays_without_a_day_profile_are_a_gap(tmp_path: Path) -> None:
    text = '[days]\nwork = { "00:00" = 1 }\n' + week('mon-thu = "work", sat = "work"')
    assert calendar_faults(tmp_path, text)[0].startswith("7: season.week: gap: fri, sun have no day profile")


def test_a_weekday_with_two_day_profiles_is_an_overlap(tmp_path: Path) -> None:
    text = '[days]\nwork = { "00:00" = 1 }\n' + week('mon-sun = "work", tue = "work"')
    assert calendar_faults(tmp_path, text) == ["7: season.week.tue: overlap: tue has a day profile already (work)"]


def test_gaps_and_overlaps_of_seasons_are_named_with_their_days(tmp_path: Path) -> None:
    winter = week(name="winter", since="10-01", until="04-01")
    summer = week(name="summer", since="04-01", until="09-15")
    found = calendar_faults(tmp_path, f'[days]\nwork = {{ "00:00" = 1 }}\n{winter}{summer}')
    assert [one.partition(": ")[2] for one in found] == [
        "season: summer: overlap: winter and summer both hold from 04-01 to 04-01",
        "season: gap: no season holds from 09-16 to 09-30",
    ]


def test_holidays_without_a_day_profile_are_a_gap(tmp_path: Path) -> None:
    text = 'holidays = ["12-25"]\n[days]\nwork = { "00:00" = 1 }\n' + week()
    assert "gap: holidays have no day profile" in calendar_faults(tmp_path, text)[0]


def test_a_day_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = '[days]\nwork = { "00:00" = 1 }\n' + week('mon-sun = "wrk"')
    assert 'there is no day profile "wrk" (did you mean "work"?)' in calendar_faults(tmp_path, text)[0]


def test_a_calendar_has_at_most_20_steps(tmp_path: Path) -> None:
    switches = ", ".join(f'"{hour:02d}:00" = {hour + 1}' for hour in range(21))
    assert "there are 21 steps" in calendar_faults(tmp_path, f"[days]\nwork = {{ {switches} }}\n{week()}")[0]


def test_a_file_of_a_calendar_that_is_absent_is_named(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(evaluation('calendar = "absent.toml"'), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"absent\.toml: cannot be read"):
        load(tmp_path / "g.toml")


@pytest.mark.parametrize("taf", sorted(USE_CASES))
def test_each_use_case_is_accepted_or_says_why_it_is_not(taf: int) -> None:
    case = USE_CASES[taf]
    needed = {
        "calendar": f"calendar = {CALENDAR}",
        "tiers": "tiers = [500_000]",
        "loads": "loads = [{ step = 2, over = 5000, under = 4000 }]",
    }
    text = evaluation("\n".join(needed[key] for key in case.needed), taf)
    if case.missing:
        assert f"TAF {taf} ({case.title}) cannot be used: {case.missing}" in faults(text)[0]
    else:
        assert parse(text, "g.toml").evaluations[0].use_case is case


@pytest.mark.parametrize(
    ("keys", "taf", "fault"),
    [
        ("", 2, "15: [[evaluation]] calendar: is missing"),
        ('calendar = "x"', 1, "[[evaluation]] calendar: TAF 1 does not use it; leave it out"),
        ("billing_months = 4", 1, "billing_months: 4 is wrong here; write 1 or 2 or 3 or 6 or 12"),
        ("registration_period = 1000", 1, "registration_period: 1000 s does not divide a day"),
        ("registration_period = 300", 1, "meter house is registered every 900 s, and 300 s is no multiple of it"),
        ("registration_period = 60", 7, "60 s is too short for TAF 7"),
        ('subtract = ["house"]', 1, "subtract: house is added and subtracted"),
        ('subtract = ["solar"]', 7, "meters: TAF 7 has the readings of one meter"),
        ('subtract = ["solr"]', 1, 'no meter has the name "solr"; there are house, solar (did you mean "solar"?)'),
        ('emps = ["utlity"]', 1, 'no EMP has the name "utlity"'),
        ("begin = 2026-02-01\nend = 2026-01-01", 1, "end: is not after begin"),
        ('begin = "soon"', 1, 'begin: "soon" is no time'),
        ('zone = "Europe/Atlantis"', 1, '"Europe/Atlantis" is no time zone'),
        ("tiers = [2, 1]", 4, "tiers: the tiers are no ascending row"),
        ("loads = [{ step = 2, over = 10, under = 20 }]", 3, "`under` be no more than `over`"),
        ("interval = 0", 10, "0 sends a value at limits alone"),
        ('limits = { "1-0:32.7.0" = [253, 207] }', 10, "an array is wrong here; write the lowest and highest"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_key(keys: str, taf: int, fault: str) -> None:
    assert fault in "\n".join(faults(evaluation(keys, taf)))


def test_an_evaluation_needs_another_name_than_a_meter() -> None:
    assert '"house" is the name of a meter' in faults(evaluation("", 1).replace("day-night", "house"))[0]


def test_an_emp_names_evaluations_that_are_there() -> None:
    text = evaluation("", 1).replace("insecure = true", 'insecure = true\nevaluations = ["nght"]')
    assert 'no evaluation has the name "nght"' in faults(text)[0]


def test_the_steps_of_a_calendar_are_known() -> None:
    (found,) = parse(evaluation(f"calendar = {CALENDAR}"), "g.toml").evaluations
    assert isinstance(found.calendar, Calendar)
    assert found.calendar.steps == (1, 2)


def sent(keys: str, taf: int = 2) -> SendTimes | None:
    return parse(evaluation(keys, taf), "g.toml").evaluations[0].send


def test_send_times_are_local_times_of_the_evaluations_zone() -> None:
    assert sent(f'calendar = {CALENDAR}\nsend = ["06:00", "18:00"]') == SendTimes("Europe/Berlin", (360, 1080))
    assert sent('send = ["00:30"]\nzone = "UTC"', 7) == SendTimes("UTC", (30,))


def test_send_times_may_be_the_ends_of_billing_periods() -> None:
    assert sent('send = "period-end"\nbilling_months = 3', 1) == SendTimes("Europe/Berlin", months=3)
    assert sent('send = "period-end"', 7) == SendTimes("Europe/Berlin", months=1)


def test_immediately_is_the_default_and_keeps_the_version() -> None:
    usual, named = (parse(evaluation(text, 1), "g.toml").evaluations[0] for text in ("", 'send = "immediate"'))
    assert (usual.send, named) == (None, usual)
    assert "send" not in usual.content()


def test_other_send_times_are_another_version() -> None:
    one, other = (parse(evaluation(f'send = ["{text}"]', 1), "g.toml").evaluations[0] for text in ("06:00", "07:00"))
    assert one.content() != other.content()


@pytest.mark.parametrize(
    ("value", "taf", "said"),
    [
        ('"monthly"', 1, "is wrong here; write"),
        ("[]", 1, "is wrong here"),
        ('["6"]', 1, "is wrong here"),
        ('["18:00", "06:00"]', 1, "the times of day must ascend"),
        ('["06:00", "06:00"]', 1, "the times of day must ascend"),
        ('"period-end"', 10, "TAF 10 has no billing period"),
        ('["06:00"]', 6, "TAF 6 does not use it"),
    ],
)
def test_send_times_that_are_wrong_are_named(value: str, taf: int, said: str) -> None:
    (fault,) = faults(evaluation(f"send = {value}", taf))
    assert "send" in fault
    assert said in fault
