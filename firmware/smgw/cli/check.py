"""`smgw check`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smgw.profiles.feed import grants
from smgw.profiles.gateway import Configuration, GatewayProfile
from smgw.profiles.keys import KeysProfile
from smgw.profiles.password import PasswordFileError, read_password
from smgw.profiles.secrets import read_secrets
from smgw.profiles.toml_importer import load

if TYPE_CHECKING:
    from smgw.profiles.evaluation import EvaluationProfile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = (
        "Exit code 0 if the configuration is good, 2 if not: then every fault is printed with its line. "
        "Files with passwords and keys are looked at, too; what this user finds wrong with them is a note, "
        "since a service may have them as credentials. Lines with ! tell what is wrong with certificates: the gateway "
        "starts all the same, and keeps what it cannot deliver."
    )


def run(arguments: argparse.Namespace) -> int:
    """Load the configuration and print a summary."""
    configuration = load(arguments.config)
    gateway = configuration.gateway
    print(f"{arguments.config}: good")
    print(f"  gateway {gateway.device_id}, time from {_time_sources(gateway)}")
    if gateway.tls_servers and (gateway.udp_servers or gateway.uses_system_clock):
        print("  note: beside time servers over TLS (tls://) the others have no voice, they are only shown")
    for meter in configuration.meters:
        what = ", ".join(str(obis) for obis in meter.objects) or "all it has"
        how = f"asked every {meter.interval} s" if meter.polled else "listened to"
        kept = f"every {meter.registration_period} s" if meter.registration_period else "every telegram"
        profiles = f"; load profiles {', '.join(map(str, meter.load_profile))}" if meter.load_profile else ""
        print(f"  meter {meter.name} at {meter.port}, {how}; registers {kept}: {what}{profiles}")
        try:
            read_secrets(meter, configuration.directory)
        except PasswordFileError as error:
            print(f"  note: meter {meter.name}: {error}")
    for emp in configuration.emps:
        names = ", ".join(_receives(configuration, emp.name)) or "nothing"
        when = f"every {emp.forward} s" if emp.forward else "immediately"
        print(f"  EMP {emp.name} at {emp.where} gets {names} {when}")
        if emp.pseudonym_days:
            print(f"  note: EMP {emp.name}: {emp.secrecy}")
            coarse = [meter.name for meter in configuration.meters_for(emp) if not meter.registration_period]
            if coarse:
                print(
                    f"  note: EMP {emp.name}: rows of every telegram tell only their minute under a pseudonym; "
                    f"set registration_period of {', '.join(coarse)} for a curve"
                )
        if emp.weakness:
            print(f"  note: EMP {emp.name}: {emp.weakness}")
    for evaluation in configuration.evaluations:
        print(f"  {_evaluation(evaluation)}")
    if configuration.keys != KeysProfile():
        _keys(configuration)
    if configuration.uses_certificates:
        _certificates(configuration, arguments.state)
    if configuration.has_tls_meters:
        _meter_certificates(configuration, arguments.state)
    return 0


def _receives(configuration: Configuration, emp: str) -> list[str]:
    """The names of meters and evaluations whose rows an EMP gets."""
    return [
        f"{grant.meter} (TAF 7)" if grant.series is not None else grant.meter
        for grant in grants(configuration)
        if grant.who == emp
    ]


def _evaluation(evaluation: "EvaluationProfile") -> str:
    """An evaluation in one line."""
    case = evaluation.use_case
    meters = " + ".join(evaluation.meters) + "".join(f" - {name}" for name in evaluation.subtract)
    steps = "" if evaluation.calendar is None else f", steps {', '.join(map(str, evaluation.calendar.steps))}"
    receivers = ", ".join(evaluation.emps) or "no EMP"
    objects = ", ".join(map(str, evaluation.objects))
    return (
        f"evaluation {evaluation.name}: TAF {case.number} ({case.title}) of {meters}: {objects}{steps}; for {receivers}"
        f"{'' if evaluation.send is None else f', {evaluation.send}'}"
    )


def _keys(configuration: Configuration) -> None:
    """The table [keys]. A service may have its files as credentials, so what is wrong with them is a note."""
    profile = configuration.keys
    print(f"  private keys: {f'token {profile.token}, by {profile.module}' if profile.in_token else 'files'}")
    if profile.module is not None and not profile.module.is_file():
        print(f"  ! {profile.module}: there is no such library; install its package, or correct module of [keys]")
    for file in (profile.pin_file, profile.passphrase_file):
        try:
            if file is not None:
                read_password(file, configuration.directory)
        except PasswordFileError as error:
            print(f"  note: keys: {error}")


def _certificates(configuration: Configuration, state: Path) -> None:
    from smgw.reports.certificates import examine_certificates, system_moment  # here, because few need it
    from smgw.trust.certificate import utc

    found = examine_certificates(configuration, state, system_moment())
    if found.triple:
        print(f"  certificates {found.triple.number} of {found.triple.subject}, until {utc(found.triple.not_after_s)}")
    for fault in found.faults:
        print(f"  ! {fault}")
    for note in found.notes:
        print(f"  note: {note}")


def _meter_certificates(configuration: Configuration, state: Path) -> None:
    from smgw.reports.certificates import system_moment
    from smgw.reports.meter_certificates import ending_soon, examine_meters
    from smgw.trust.folder import trust_directory

    trust, now = trust_directory(state), system_moment()
    for fault in examine_meters(configuration, trust, now):
        print(f"  ! {fault}")
    if not configuration.uses_certificates:  # else they are told already
        for ending in ending_soon(configuration, trust, now):
            print(f"  note: {ending.text}")


def _time_sources(gateway: GatewayProfile) -> str:
    system = ["the system's clock, if a time service keeps it"] if gateway.uses_system_clock else []
    return ", ".join([*gateway.ntp, *system]) or "nobody: values will be flagged"
