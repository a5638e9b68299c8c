"""The evaluation profile (Auswertungsprofil): what to compute of which readings, by a tariff use case (TAF).

A profile is immutable. A changed one is another version, and its registers begin anew under a new device id.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from smgw.cosem.obis import Obis
from smgw.cosem.zone import DEFAULT_ZONE
from smgw.errors import reason
from smgw.profiles import calendar, checks
from smgw.profiles.calendar import LAST_STEP, Calendar
from smgw.profiles.checks import Check, Report, shown
from smgw.profiles.content import canonical
from smgw.profiles.instants import instant, seconds
from smgw.profiles.problems import Problem
from smgw.profiles.section import Key, section
from smgw.profiles.send_times import SendTimes
from smgw.profiles.use_cases import USE_CASES, UseCase

_IMPORT = Obis.parse("1-0:1.8.0")
_DAY_S = 86_400
_LEGAL_PERIOD = 900
_MOST = 1_000_000  # octets of a file of a calendar
_AT_ONCE, _AT_PERIOD_END = "immediate", "period-end"
_BILLINGS = (1, 2, 3, 6, 12)


class Load(NamedTuple):
    """A step by power: mean power of `over` watts enters it, `under` watts leaves it."""

    step: int
    over: int
    under: int


class Limit(NamedTuple):
    """Whole units of a register: a value below or above sends it."""

    obis: Obis
    low: int
    high: int


class EvaluationProfile(NamedTuple):
    """One evaluation. Field and key of the file have the same name; times are whole seconds, instants seconds UTC."""

    name: str
    taf: int
    meters: tuple[str, ...]  # names of meter profiles, whose readings are added
    subtract: tuple[str, ...] = ()  # and of those that are subtracted
    objects: tuple[Obis, ...] = (_IMPORT,)  # measured registers; each is evaluated by itself
    emps: tuple[str, ...] = ()  # who may have the result
    usage_point: str = ""
    consumer: str = ""
    supplier: str = ""
    begin: int | None = None  # validity, both ends included
    end: int | None = None
    zone: str = DEFAULT_ZONE  # of billing periods and days
    registration_period: int = _LEGAL_PERIOD
    billing_months: int = 1
    calendar: Calendar | None = None  # TAF 2
    loads: tuple[Load, ...] = ()  # TAF 3, ascending
    tiers: tuple[int, ...] = ()  # TAF 4: Wh of a billing period at which the next step begins
    day_begin: int = 0  # TAF 6: minute of the local day
    interval: int = 60  # TAF 9, 10, 14: seconds between two values; 0: only by limits
    limits: tuple[Limit, ...] = ()  # TAF 9, 10, 14
    send: SendTimes | None = None  # None: as soon as the EMP's own rhythm allows

    @property
    def use_case(self) -> UseCase:
        """The entry of its TAF."""
        return USE_CASES[self.taf]

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all its meters: those that are added come first."""
        return self.meters + self.subtract

    def content(self) -> str:
        """Canonical JSON of the keys that its TAF uses: the version of this profile.

        Send times are named only if there are some, so that profiles from before there were keep their version.
        """
        keys = [key for key in (*_EVERY, *self.use_case.keys) if key != "send" or self.send is not None]
        return canonical({key: getattr(self, key) for key in keys})


def _taf(value: object, report: Report) -> int | None:
    done = [number for number, case in USE_CASES.items() if not case.missing]
    if isinstance(value, bool) or not isinstance(value, int) or value not in USE_CASES:
        report(f"{shown(value)} is no tariff use case; write one of {', '.join(map(str, done))}")
        return None
    if (case := USE_CASES[value]).missing:
        report(f"TAF {value} ({case.title}) cannot be used: {case.missing}; write one of {', '.join(map(str, done))}")
        return None
    return value


def _minute(value: object, report: Report) -> int | None:
    minute = calendar.minute_of(value)
    if minute is None:
        report(f'{shown(value)} is no time of day; write hours and minutes, such as "06:00"')
    return minute


def _send(value: object, report: Report) -> tuple[int, ...] | str | None:
    wanted = f'write "{_AT_ONCE}", "{_AT_PERIOD_END}", or times of day such as ["06:00", "18:00"]'
    if value in (_AT_ONCE, _AT_PERIOD_END):
        return str(value)
    minutes = [calendar.minute_of(one) for one in value] if isinstance(value, list) else []
    found = tuple(minute for minute in minutes if minute is not None)
    if not found or len(found) < len(minutes):
        report(f"{shown(value)} is wrong here; {wanted}")
        return None
    if sorted(set(found)) != list(found):
        report(f"the times of day must ascend; {wanted}")
        return None
    return found


def _tiers(value: object, report: Report) -> tuple[int, ...] | None:
    wanted = "an array of ascending Wh, such as [500_000, 1_000_000]"
    if not isinstance(value, list) or not value or not all(type(one) is int and one > 0 for one in value):
        report(f"{shown(value)} is wrong here; write {wanted}")
        return None
    if sorted(set(value)) != value or len(value) >= calendar.MOST_STEPS:
        report(f"the tiers are no ascending row of at most {calendar.MOST_STEPS - 1}; write {wanted}")
        return None
    return tuple(value)


_LOAD_KEYS: Mapping[str, Key] = {
    "step": Key(checks.integer(1, LAST_STEP), needed="2", about="The number of the step."),
    "over": Key(checks.integer(1, 10**9, "W"), needed="5000", about="Mean power in W that enters the step."),
    "under": Key(
        checks.integer(0, 10**9, "W"), about="Mean power in W below which the step ends; as `over` by default."
    ),
}


def _load(values: Mapping[str, Any]) -> Load:
    return Load(values["step"], values["over"], values.get("under", values["over"]))


def _loads(value: object, report: Report) -> tuple[Load, ...] | None:
    wanted = "[{ step = 2, over = 5000, under = 4500 }]"
    found = checks.array(f"steps and their power, such as {wanted}", section(_LOAD_KEYS, _load))(value, report)
    loads = tuple(one for one in found if isinstance(one, Load)) if isinstance(found, tuple) else ()
    if not isinstance(found, tuple) or len(loads) < len(found):
        return None
    overs = [one.over for one in loads]
    if sorted(set(overs)) != overs or any(one.under > one.over for one in loads):
        report(f"`over` must grow from step to step, and `under` be no more than `over`; write {wanted}")
        return None
    return loads


def _limits(value: object, report: Report) -> tuple[Limit, ...] | None:
    wanted = '{ "1-0:32.7.0" = [207, 253] }'
    if not isinstance(value, dict) or not value:
        report(f"{shown(value)} is wrong here; write the lowest and highest whole value, such as {wanted}")
        return None
    found = []
    for key, pair in value.items():
        name = checks.obis(key, lambda text, at=key: report(text, at))
        right = isinstance(pair, list) and len(pair) == 2 and all(type(one) is int for one in pair)
        if not right or pair[0] > pair[1]:
            report(f"{shown(pair)} is wrong here; write the lowest and highest whole value, such as {wanted}", key)
        elif isinstance(name, Obis):
            found.append(Limit(name, *pair))
    return tuple(found) if len(found) == len(value) else None


_NAMES = checks.array('an array of meter names, such as ["house"]', checks.name)

_EVERY: Mapping[str, Key] = {
    "name": Key(
        checks.name,
        needed='"day-night"',
        about="The evaluation's name in messages, in the database and in `smgw` commands; it has no default.",
    ),
    "taf": Key(
        _taf,
        needed="2",
        about="The tariff use case: 1, 2, 3, 4, 6, 7, 9, 10 or 14; it has no default.",
    ),
    "meters": Key(
        _NAMES,
        needed='["house"]',
        about="Names of the meters whose readings are evaluated; those of several are added. It has no default.",
    ),
    "subtract": Key(
        _NAMES,
        about="Names of the meters whose readings are subtracted; none by default.",
    ),
    "objects": Key(
        checks.array('an array of OBIS codes, such as ["1-0:1.8.0"]', checks.obis),
        about='OBIS codes of the measured registers, each evaluated by itself; ["1-0:1.8.0"] by default.',
    ),
    "emps": Key(
        checks.array('an array of names of EMPs, such as ["utility"]', checks.name),
        about="Names of the EMPs that may have the result; none by default.",
    ),
    "usage_point": Key(
        checks.text("1 to 256 characters without blanks", re.compile(r"[!-~]{1,256}")),
        about="Id of the usage point (Messlokation), as it stands on the bill; none by default.",
    ),
    "consumer": Key(checks.identity, about="Id of the consumer, as it stands on the bill; none by default."),
    "supplier": Key(checks.identity, about="Id of the supplier who writes the bill; none by default."),
    "begin": Key(
        instant,
        about="First instant of the validity, such as 2026-01-01; local time without an offset; always by default.",
    ),
    "end": Key(
        instant,
        about="Last instant of the validity, such as 2027-01-01; local time without an offset; unlimited by default.",
    ),
    "zone": Key(
        calendar.KEYS["zone"].check,
        about=f'Time zone of billing periods and days; that of the calendar, or "{DEFAULT_ZONE}", by default.',
    ),
}


def _of_files(directory: Path, strange: Callable[[Problem], None]) -> Mapping[str, Key]:
    """The keys of single TAFs. A calendar's file lies in the directory; its faults have places of their own."""
    return {
        "registration_period": Key(
            checks.integer(1, _DAY_S, "s"),
            about="Seconds between two evaluated readings, a divisor of a day; 900 s by default.",
        ),
        "billing_months": Key(
            checks.choice(*_BILLINGS),
            about="Whole months of a billing period, counted from January: 1, 2, 3, 6 or 12; 1 by default.",
        ),
        "calendar": Key(
            lambda value, report: _calendar(value, report, directory, strange),
            needed='"tariff.toml"',
            about="TAF 2: the tariff calendar, as the path of its file or as a table; it has no default.",
        ),
        "loads": Key(
            _loads,
            needed="[{ step = 2, over = 5000, under = 4500 }]",
            about="TAF 3: steps above step 1, each with the mean power in W that enters and leaves it.",
        ),
        "tiers": Key(
            _tiers,
            needed="[500_000]",
            about="TAF 4: the Wh of a billing period at which step 2, step 3 and so on begin.",
        ),
        "day_begin": Key(
            _minute,
            about='TAF 6: local time at which a billing day begins; "00:00" by default ("06:00" for gas).',
        ),
        "interval": Key(
            checks.integer(0, _DAY_S, "s"),
            about="TAF 9, 10 and 14: seconds between two values, or 0 for limits alone; 60 s by default.",
        ),
        "limits": Key(
            _limits,
            about="TAF 9, 10 and 14: lowest and highest whole value for each OBIS code; "
            "leaving or entering that range sends a value. None by default.",
        ),
        "send": Key(
            _send,
            about='When rows go to the EMPs: "immediate" (the default), local times of day such as ["06:00", "18:00"], '
            'or "period-end". The period of TAF 7 is a month.',
        ),
    }


KEYS: Mapping[str, Key] = {**_EVERY, **_of_files(Path(), lambda _: None)}


def _calendar(value: object, report: Report, directory: Path, strange: Callable[[Problem], None]) -> Calendar | None:
    if isinstance(value, dict):
        found = calendar.check(value, report)
        return found if isinstance(found, Calendar) else None
    file = checks.path(value, report)
    if file is None:
        return None
    problems: list[Problem] = []
    found = load_calendar(directory / file, problems.append)
    if found is None:
        report(f"{file}: this calendar cannot be used")
    for problem in problems:
        strange(problem)
    return found


def load_calendar(file: Path, strange: Callable[[Problem], None]) -> Calendar | None:
    """The calendar in a TOML file; None after all its faults were reported."""
    try:
        with file.open("rb") as stream:
            octets = stream.read(_MOST + 1)
        if len(octets) > _MOST:
            raise ValueError(f"is longer than {_MOST} octets; this is no calendar")
        content = octets.decode()
        document = tomllib.loads(content)
    except OSError as error:
        strange(
            Problem(str(file), None, "", "", f"cannot be read ({reason(error)}); correct calendar of [[evaluation]]")
        )
        return None
    except (ValueError, RecursionError) as error:
        strange(Problem(str(file), None, "", "", f"is no TOML in UTF-8: {error}"))
        return None
    faults: list[tuple[tuple[str | int, ...], str]] = []
    found = calendar.check(document, lambda text, *path: faults.append((path, text)))
    if faults:
        from smgw.profiles.toml_lines import key_lines, line_of  # only for a wrong file

        places = key_lines(content)
        for path, text in dict.fromkeys(faults):
            keys = ".".join(one for one in path if isinstance(one, str))
            strange(Problem(str(file), line_of(places, path) if path else None, "", keys, text))
        return None
    return found if isinstance(found, Calendar) else None


def check(hint: Callable[[str], str], directory: Path, strange: Callable[[Problem], None]) -> Check:
    """The check of a table [[evaluation]]: its TAF defines the allowed keys. `hint`: see `section`.

    `strange` gets the faults of other files.
    """
    same: dict[Calendar, Calendar] = {}  # many evaluations have one calendar: it is in memory once
    special = _of_files(directory, strange)
    read = special["calendar"].check

    def read_once(value: object, report: Report) -> object:
        found = read(value, report)
        return same.setdefault(found, found) if isinstance(found, Calendar) else found

    special = {**special, "calendar": special["calendar"]._replace(check=read_once)}

    def made(taf: int) -> Check:
        """The check of the sections of a use case. 0: of none that is there."""
        if not taf:  # the check of `taf` reports it; any other key may be right
            anything = {key: Key(lambda given, _: given) for key in special}
            return section({**anything, **_EVERY}, _build, hint=hint)
        case = USE_CASES[taf]
        keys = {
            key: rule if key in case.needed else rule._replace(needed="")
            for key, rule in special.items()
            if key in case.keys
        }
        others = {key: f"TAF {taf} does not use it; leave it out" for key in special if key not in keys}
        return section({**_EVERY, **keys}, _build, _contradictions, hint, others)

    checks_of = cache(made)  # many sections have the same use case

    def checked(value: object, report: Report) -> object:
        case = USE_CASES.get(value["taf"]) if isinstance(value, dict) and type(value.get("taf")) is int else None
        return checks_of(0 if case is None or case.missing else case.number)(value, report)

    return checked


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    both = set(values.get("meters", ())) & set(values.get("subtract", ()))
    if both:
        yield "subtract", f"{', '.join(sorted(both))} is added and subtracted; name each meter once"
    period = values.get("registration_period")
    if period and _DAY_S % period:
        yield "registration_period", f"{period} s does not divide a day; write 900 or another divisor of 86400"
    if period and values.get("taf") == 7 and period < _LEGAL_PERIOD:
        yield "registration_period", f"{period} s is too short for TAF 7; write {_LEGAL_PERIOD} or more"
    if values.get("taf") in (7, 9, 10, 14) and (len(values.get("meters", ())) > 1 or "subtract" in values):
        yield "meters", f"TAF {values['taf']} has the readings of one meter; write an evaluation for each"
    if values.get("send") == _AT_PERIOD_END and "interval" in USE_CASES[values.get("taf", 1)].keys:
        yield "send", f'TAF {values["taf"]} has no billing period; write "{_AT_ONCE}" or times of day'
    if values.get("interval") == 0 and not values.get("limits"):
        yield "interval", "0 sends a value at limits alone, and there are none; write limits, or an interval"
    begin, end = (seconds(values.get(key), _zone_of(values)) for key in ("begin", "end"))
    if begin is not None and end is not None and begin >= end:
        yield "end", "is not after begin"


def _zone_of(values: Mapping[str, Any]) -> str:
    own = values.get("calendar")
    usual = own.zone if isinstance(own, Calendar) else DEFAULT_ZONE
    return str(values.get("zone", usual))


def _build(values: Mapping[str, Any]) -> EvaluationProfile:
    """The profile of checked values."""
    zone = _zone_of(values)
    instants = {key: seconds(values.get(key), zone) for key in ("begin", "end")}
    send = _send_times(values.get("send", _AT_ONCE), zone, values.get("billing_months", 1))
    found = EvaluationProfile(**{**values, **instants, "zone": zone, "send": send})
    return found._replace(objects=_shared(found.objects))


def _send_times(value: tuple[int, ...] | str, zone: str, months: int) -> SendTimes | None:
    if isinstance(value, tuple):
        return SendTimes(zone, value)
    return SendTimes(zone, months=months) if value == _AT_PERIOD_END else None


@lru_cache(maxsize=64)
def _shared(objects: tuple[Obis, ...]) -> tuple[Obis, ...]:
    """Many evaluations have the same registers: their names are in memory once."""
    return objects
