"""The gateway's own profile, and the configuration that holds all profiles."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from smgw.cosem.device_id import DeviceId
from smgw.profiles import checks
from smgw.profiles.board import BoardProfile
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.content import canonical
from smgw.profiles.han import HanProfile
from smgw.profiles.keys import KeysProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.section import Key, section

if TYPE_CHECKING:
    from smgw.profiles.consumer import ConsumerProfile  # loaded only if the file has a consumer
    from smgw.profiles.evaluation import EvaluationProfile  # loaded only if the file has an evaluation

_MEDIUM_COMMUNICATION = 0xE  # DIN 43863-5: devices that communicate, such as gateways
_EXAMPLE = "ESMG0000000001"

#: How the system's clock is named among the sources of time. No host has a blank in its name.
SYSTEM_CLOCK = "system clock"


class RetentionProfile(NamedTuple):
    """Retention of rows. Rows that an EMP does not have yet may stay longer, up to `undelivered_mb`."""

    grid_months: int = 24  # values on the grid of a registration period
    daily_weeks: int = 6
    live_days: int = 7  # a value of every telegram
    undelivered_mb: int = 512  # 10^6 octets
    derived_months: int = 24  # registers of evaluations at registration times and at switches
    period_end_months: int = 36  # registers of evaluations at the ends of billing periods


class GatewayProfile(NamedTuple):
    """The gateway itself."""

    device_id: DeviceId
    ntp: tuple[str, ...] = ()  # host, host:port or tls://host:port
    retention: RetentionProfile = RetentionProfile()
    system_clock: bool | None = None  # None: where there is no `ntp`
    power_cut_loss: int = 5  # seconds of values of every telegram

    @property
    def uses_system_clock(self) -> bool:
        """Whether the system's clock is a source of time, provided that a time service keeps it."""
        return not self.ntp if self.system_clock is None else self.system_clock

    @property
    def time_sources(self) -> tuple[str, ...]:
        """The sources of time, as their samples name them. See `smgw.clock.sources` which of them must agree."""
        servers = [server if server.startswith(checks.TLS_TIME) else server.removesuffix(":123") for server in self.ntp]
        return tuple(dict.fromkeys([*servers, SYSTEM_CLOCK] if self.uses_system_clock else servers))

    @property
    def udp_servers(self) -> tuple[str, ...]:
        """The time servers that are asked over UDP, without proof of who they are."""
        return tuple(server for server in self.ntp if not server.startswith(checks.TLS_TIME))

    @property
    def tls_servers(self) -> tuple[str, ...]:
        """The time servers that are asked over TLS, each once."""
        return tuple(dict.fromkeys(server for server in self.ntp if server.startswith(checks.TLS_TIME)))

    def content(self) -> str:
        """Canonical JSON: the version of this profile."""
        return canonical(self)


class LineProfile(NamedTuple):
    """A port and the meters on it, in the order of the file. Mostly there is one."""

    claim: str  # names the port whatever link leads to it
    meters: tuple[MeterProfile, ...]

    @property
    def port(self) -> str:
        """Device path or pyserial URL, as the first meter has it."""
        return self.meters[0].port


class _Profiles(NamedTuple):
    gateway: GatewayProfile
    meters: tuple[MeterProfile, ...]
    emps: tuple[CommunicationProfile, ...] = ()
    directory: Path = Path()
    keys: KeysProfile = KeysProfile()
    board: BoardProfile = BoardProfile()
    evaluations: "tuple[EvaluationProfile, ...]" = ()
    han: HanProfile | None = None
    residents: "tuple[ConsumerProfile, ...]" = ()  # of [[consumer]]


class Configuration(_Profiles):
    """All profiles of one gateway. Names are unique, every EMP names only meters that are here.

    `directory` is where the file stands: relative paths in it start there. Meters are given what they take from the
    gateway (a DLMS system title), whoever builds the configuration.
    """

    __slots__ = ()

    def __new__(
        cls,
        gateway: GatewayProfile,
        meters: Iterable[MeterProfile],
        emps: Iterable[CommunicationProfile] = (),
        directory: Path = Path(),
        keys: KeysProfile = KeysProfile(),  # noqa: B008 - it never changes
        board: BoardProfile = BoardProfile(),  # noqa: B008 - it never changes
        evaluations: "Iterable[EvaluationProfile]" = (),
        han: HanProfile | None = None,
        residents: "Iterable[ConsumerProfile]" = (),
    ) -> Self:
        """The meters as given, but for what they take from the gateway."""
        titled = tuple(meter.titled(gateway.device_id) for meter in meters)
        evaluated, shown = tuple(evaluations), tuple(residents)
        return super().__new__(cls, gateway, titled, tuple(emps), directory, keys, board, evaluated, han, shown)

    @property
    def lines(self) -> tuple[LineProfile, ...]:
        """The meters by port, in the order of the file."""
        found: dict[str, list[MeterProfile]] = {}
        for meter in self.meters:
            found.setdefault(checks.claimed_by(meter.port) or meter.port, []).append(meter)
        return tuple(LineProfile(claim, tuple(meters)) for claim, meters in found.items())

    @property
    def uses_certificates(self) -> bool:
        """Whether it needs the trust folder: for an EMP, or for a time server."""
        return bool(self.gateway.tls_servers) or any(emp.uses_certificates for emp in self.emps)

    @property
    def has_tls_meters(self) -> bool:
        """Whether a meter is read over TLS, with certificates of its own kind."""
        return any(meter.over_tls for meter in self.meters)

    def meter(self, name: str) -> MeterProfile:
        """The meter of that name; KeyError if there is none."""
        for meter in self.meters:
            if meter.name == name:
                return meter
        raise KeyError(name)

    def emp(self, name: str) -> CommunicationProfile:
        """The EMP of that name; KeyError if there is none."""
        for emp in self.emps:
            if emp.name == name:
                return emp
        raise KeyError(name)

    def evaluation(self, name: str) -> "EvaluationProfile":
        """The evaluation of that name; KeyError if there is none."""
        for evaluation in self.evaluations:
            if evaluation.name == name:
                return evaluation
        raise KeyError(name)

    @property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """Meter or evaluation -> the consumers whom its values concern. Others have no entry."""
        found: dict[str, dict[str, None]] = {}
        for one in self.evaluations:
            if one.consumer:
                for name in (one.name, *one.parts):
                    found.setdefault(name, {})[one.consumer] = None
        for resident in self.residents:
            for name in resident.meters:
                found.setdefault(name, {})[resident.name] = None
        return {name: tuple(consumers) for name, consumers in found.items()}

    def evaluations_for(self, emp: CommunicationProfile) -> "tuple[EvaluationProfile, ...]":
        """The evaluations that name this EMP, and whose names and meters its profile allows."""
        meters = {meter.name for meter in self.meters_for(emp)}
        return tuple(
            one
            for one in self.evaluations
            if emp.name in one.emps
            and (not emp.evaluations or one.name in emp.evaluations)
            and meters.issuperset(one.parts)
        )

    def meters_for(self, emp: CommunicationProfile) -> tuple[MeterProfile, ...]:
        """The meters whose readings this EMP may have, in the order of the file."""
        return tuple(meter for meter in self.meters if not emp.meters or meter.name in emp.meters)


def _retention(values: Mapping[str, Any]) -> RetentionProfile:
    return RetentionProfile(**values)


RETENTION_KEYS: Mapping[str, Key] = {
    "grid_months": Key(
        checks.integer(1, 240, "months"),
        about="Months for which values on the grid of a registration period stay; 24 months by default.",
    ),
    "daily_weeks": Key(
        checks.integer(1, 1040, "weeks"),
        about="Weeks for which daily values stay; 6 weeks by default.",
    ),
    "live_days": Key(
        checks.integer(1, 3650, "days"),
        about="Days for which values of every telegram stay; 7 days by default.",
    ),
    "derived_months": Key(
        checks.integer(1, 240, "months"),
        about="Months for which registers of evaluations at registration times stay; 24 months by default.",
    ),
    "period_end_months": Key(
        checks.integer(1, 240, "months"),
        about="Months for which registers of evaluations at ends of billing periods stay; 36 months by default.",
    ),
    "undelivered_mb": Key(
        checks.integer(1, 1_000_000, "MB"),
        about="Size of the database, in MB of 10^6 octets, above which undelivered rows may go too; 512 MB by default.",
    ),
}

KEYS: Mapping[str, Key] = {
    "device_id": Key(
        checks.device_id(_EXAMPLE, _MEDIUM_COMMUNICATION),
        needed=f'"{_EXAMPLE}"',
        about="The gateway's own DIN 43863-5 id, by which EMPs know it; it has no default.",
    ),
    "ntp": Key(
        checks.array('an array of hosts, such as ["ntp.example.org"]', checks.time_server),
        about="Time servers, as host, host:port or tls://host:port; most must agree, with tls:// most of those; "
        "none by default.",
    ),
    "system_clock": Key(
        checks.boolean,
        about="Whether the system's clock is a time source if a service keeps it; by default only without `ntp`.",
    ),
    "power_cut_loss": Key(
        checks.integer(1, 300, "seconds"),
        about="Seconds of values of every telegram that a power cut may cost; more spares the card; 5 s by default.",
    ),
    "retention": Key(
        section(RETENTION_KEYS, _retention),
        about="How long rows stay in the database; see the table of its keys.",
    ),
}


def build(values: Mapping[str, Any]) -> GatewayProfile:
    """The profile of checked values."""
    return GatewayProfile(**values)
