"""The communication profile (Kommunikationsprofil): the receiver, its meters, the rhythm and the outlet."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from smgw.profiles import checks, outlets
from smgw.profiles.checks import Check, Report
from smgw.profiles.content import canonical
from smgw.profiles.outlet import OutletKind
from smgw.profiles.section import Key, section

#: The outlet of an EMP that names none.
DEFAULT_OUTLET = "cosem-xml"


class CommunicationProfile(NamedTuple):
    """One external market participant (EMP). Field and key of the file have the same name; times are whole seconds."""

    name: str
    url: str = ""  # its point of contact (PoC): documents go to <url>/cosem/ldevs/<device>
    meters: tuple[str, ...] = ()  # names; empty: all
    evaluations: tuple[str, ...] = ()  # names; empty: all that name this EMP
    forward: int = 5  # how long rows are gathered before they go; 0: immediately
    batch: int = 1000  # rows that are handed over at once, at most
    timeout: int = 20  # how long one exchange may take
    pseudonym_days: int = 0  # days of each pseudonym; 0: devices go under their own ids
    outlet: str = DEFAULT_OUTLET  # names an entry of `profiles.outlets`
    options: Any = None  # value that the outlet makes of its own keys; None: it has none

    @property
    def where(self) -> str:
        """Where its rows go, for people."""
        return self.url or f"outlet {self.outlet}"

    @property
    def participant(self) -> str:
        """Its name in certificates."""
        return getattr(self.options, "participant", "") or self.name

    @property
    def seals(self) -> bool:
        """Whether what goes to it is sealed in CMS."""
        return getattr(self.options, "cms", "off") != "off"

    @property
    def uses_certificates(self) -> bool:
        """Whether it needs the trust folder, for TLS or for CMS."""
        return self.url.lower().startswith("https:") or self.seals

    @property
    def weakness(self) -> str:
        """A weakness of the way to it that users must know; "" if there is none."""
        return outlets.entry(self.outlet).weakness(self.url)

    @property
    def secrecy(self) -> str:
        """How it gets the readings without the ids of their devices; "" if it gets the ids."""
        days = f"{self.pseudonym_days} days" if self.pseudonym_days > 1 else "day"
        return f"devices go under pseudonyms that change every {days}" if self.pseudonym_days else ""

    def content(self) -> str:
        """Canonical JSON of the keys that its outlet uses: the version of this profile.

        The outlet of old is not named, so that profiles from before there were others keep their version.
        """
        fields = self._asdict()
        options = fields.pop("options")
        used = {key: fields[key] for key in (*_EVERY_EMP, *outlets.entry(self.outlet).keys) if key in fields}
        if self.outlet == DEFAULT_OUTLET:
            del used["outlet"]
        for key in ("pseudonym_days", "evaluations"):  # as above
            if not used[key]:
                del used[key]
        return canonical(used if options is None else {**used, "options": options})


def _forward(value: object, report: Report) -> int | None:
    if value == "immediate":
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 86_400:
        return value
    report(f'{checks.shown(value)} is wrong here; write "immediate", or a whole number from 1 to 86400 s')
    return None


def _outlet(value: object, report: Report) -> object:
    return checks.choice(*outlets.names())(value, report)


_EVERY_EMP: Mapping[str, Key] = {
    "name": Key(
        checks.name,
        needed='"demo"',
        about="The EMP's name in messages, in the database and in `smgw` commands; it has no default.",
    ),
    "meters": Key(
        checks.array('an array of meter names, such as ["house"]', checks.name),
        about="Names of the meters whose readings this EMP gets; all meters by default.",
    ),
    "evaluations": Key(
        checks.array('an array of names of evaluations, such as ["day-night"]', checks.name),
        about="Names of the evaluations whose results this EMP gets; by default all that name it.",
    ),
    "forward": Key(
        _forward,
        about='Seconds for which rows are gathered before delivery, or "immediate"; 5 s by default.',
    ),
    "batch": Key(
        checks.integer(1, 1000, "rows"),
        about="Largest number of rows in one delivery, which grows to it from 100; 1000 rows by default.",
    ),
    "pseudonym_days": Key(
        checks.integer(1, 366, "days"),
        about="Days after which each device gets another random pseudonym for this EMP; "
        "by default there is none, and devices go under their own ids.",
    ),
    "outlet": Key(
        _outlet,
        about='How readings reach the EMP: one of the outlets of this reference; "cosem-xml" by default.',
    ),
}
#: The keys of an EMP that names no outlet.
KEYS: Mapping[str, Key] = {**_EVERY_EMP, **outlets.entry(DEFAULT_OUTLET).keys}


def check(hint: Callable[[str], str]) -> Check:
    """The check of a table [[emp]]: its outlet defines the allowed keys. `hint`: see `section`."""

    def checked(value: object, report: Report) -> object:
        table = value if isinstance(value, dict) else {}
        name = table.get("outlet", DEFAULT_OUTLET)
        if name not in outlets.names():  # reported by the check of `outlet`; any other key may be right
            anything = {key: Key(lambda given, _: given) for key in table}
            return section({**anything, **_EVERY_EMP}, _build, hint=hint)(value, report)
        kind = outlets.entry(name)
        return section(
            {**_EVERY_EMP, **kind.keys}, _build, kind.contradictions, hint=lambda key: _right(key, kind) or hint(key)
        )(value, report)

    return checked


def _right(key: str, kind: OutletKind) -> str:
    """Advice for a key that this outlet does not use; "" if no outlet uses it."""
    if key in kind.refused:
        return kind.refused[key]
    users = [one.name for one in outlets.every() if key in one.keys]
    others = " or ".join(f'outlet = "{name}"' for name in users)
    return f"outlet {kind.name} does not use it; leave it out, or write {others}" if users else ""


def _build(values: Mapping[str, Any]) -> CommunicationProfile:
    """The profile of checked values."""
    fields = {key: value for key, value in values.items() if key in CommunicationProfile._fields}
    own = {key: value for key, value in values.items() if key not in fields}
    kind = outlets.entry(values.get("outlet", DEFAULT_OUTLET))
    return CommunicationProfile(**fields, options=kind.build(own))
