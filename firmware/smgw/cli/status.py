"""`smgw status`."""

import argparse
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from smgw.cli import quick_imports
from smgw.clock.text import utc_text
from smgw.cosem.duration import duration_text, period_text
from smgw.cosem.printable import printable
from smgw.store.file.lock import Asked

if TYPE_CHECKING:
    from smgw.reports.health import Report

#: What the table of certificates calls the kinds of `trust.inventory`.
_KINDS = {
    "own": "own certificates",
    "pinned": "others'",
    "authority": "authorities",
    "list": "revocation lists",
    "lmn": "own for meters",
    "meter": "meters'",
}
_EPILOG = """\
exit code:
  0  healthy
  1  degraded: there is a fault, readings are stored
  2  down: no meter is read, or the configuration cannot be used
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The form of the output."""
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    parser.add_argument(
        "--acknowledge", action="store_true", help="confirm all losses until now: they no longer count as degraded"
    )
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Examine and print."""
    owners = Asked.both(arguments.state)  # the answer comes during the imports, which take longer
    with quick_imports():
        from smgw.profiles.toml_importer import load
        from smgw.reports.health import examine
        from smgw.reports.known_losses import KnownLosses

    configuration = load(arguments.config)
    report = examine(configuration, arguments.state, owners)
    if arguments.acknowledge and report.store:
        KnownLosses(arguments.state).acknowledge(report.store["store_id"], report.store["lost"])
        report = examine(configuration, arguments.state)
    print(json.dumps(report.as_json()) if arguments.json else "\n".join(_lines(report)))
    return int(report.health)


def _scheduled(emp: dict[str, Any]) -> Iterator[tuple[str, int]]:
    return ((feed["meter"], feed["next_send_us"]) for feed in emp["feeds"] if feed["next_send_us"] is not None)


def _lines(report: "Report") -> list[str]:
    lines = [f"gateway {report.gateway}: {report.health.name.lower()}"]
    lines += [f"  ! {printable(reason)}" for reason in report.reasons]
    if report.clock:
        lines += clock_lines(report.clock)
    for meter in report.meters:
        lines += map(printable, _meter(meter))
    for evaluation in report.evaluations:
        lines += map(printable, _evaluation(evaluation))
    if report.store:
        lost = ", ".join(f"{amount} {name}" for name, amount in report.store["lost"].items()) or "nothing lost"
        lines.append(f"store   {report.store['store_id']}, {report.store['octets'] / 1e6:.1f} MB, {lost}")
    if report.trust:
        lines.append(f"trust   {_trust(report.trust)}")
        lines += [f"        note: {printable(note)}" for note in report.trust["notes"]]
    if report.han:
        lines.append(f"HAN     at {report.han['listen']}: {'answers' if report.han['running'] else 'is not answered'}")
        lines.append(f"        certificate, SHA-256: {report.han['fingerprint'] or 'none yet'}")
    for emp in report.emps:
        lines.append(
            f"EMP     {emp['name']} at {emp['url'] or emp['outlet']}: {emp['state']}, {emp['acknowledged']} records "
            f"acknowledged, {emp['backlog']} waiting, {emp['set_aside']} quarantined, "
            f"last acknowledgement {_when(emp['last_ack_us'])}"
        )
        if emp["retry_at_us"] is not None:
            lines.append(f"        {printable(emp['detail']).removesuffix('.')}; next try {_until(emp['retry_at_us'])}")
        for name, next_send_us in dict(_scheduled(emp)).items():
            lines.append(f"        {printable(name)} is sent next {_until(next_send_us)}")
        if emp["secrecy"]:
            lines.append(f"        {emp['secrecy']}")
        if emp["handshakes"]:
            counts = ", ".join(f"{count} {kind}" for kind, count in emp["handshakes"].items())
            lines.append(f"        handshakes of TLS: {counts}")
        if emp["weakness"]:
            lines.append(f"        note: {emp['weakness']}")
    return lines


def _trust(trust: dict[str, Any]) -> str:
    """`own until 2028-11-28, pinned until ...`: of each kind what ends first."""
    ends: dict[str, dict[str, Any]] = {}
    for one in sorted(trust["certificates"], key=lambda each: -each["until_us"]):
        if one["in_use"]:
            ends[one["kind"]] = one
    found = [f"{words} until {utc_text(ends[kind]['until_us'])[:10]}" for kind, words in _KINDS.items() if kind in ends]
    return ", ".join(found) or "no certificates"


def clock_lines(clock: dict[str, Any]) -> list[str]:
    """The clock, and what its sources say."""
    dispersion = clock["dispersion_us"]
    lines = [f"clock   {clock['text']}{'' if dispersion is None else f', within {dispersion / 1e6:.3f} s'}"]
    lines += [_source(source) for source in clock["sources"]]
    lines += [
        f"        {printable(one['source'])}: gives no time: {printable(one['reason'])}" for one in clock["silent"]
    ]
    if clock["alone"]:
        lines.append("        one source alone, as configured: no other confirms its time")
    return lines


def _source(source: dict[str, Any]) -> str:
    proof = "authenticated, " if source["authenticated"] else ""
    doubt = "" if source["agrees"] else "; no majority confirms it"
    if not source["voice"]:
        doubt = "; not authenticated, so it has no voice beside those that are"
    within = f"within {source['dispersion_us'] / 1e6:.3f} s"
    return f"        {printable(source['source'])}: {proof}{within}, last sample {_when(source['time_us'])}{doubt}"


def _meter(meter: dict[str, Any]) -> list[str]:
    times = [meter.get("last_capture_us"), *(live["capture_time_us"] for live in meter["live"])]
    last = max((time for time in times if time is not None), default=None)
    lines = [
        f"meter   {meter['name']} at {meter['port']}: {meter['state']}, device {meter.get('device') or 'unknown'}, "
        f"last capture {_when(last)}, {meter['good']} good and {meter['refused']} refused "
        f"telegrams, {meter['records']} records"
    ]
    if meter.get("remark"):
        lines.append(f"        note: {printable(meter['remark'])}")
    for kind, values in _newest(meter):
        time = utc_text(values["capture_time_us"], "milliseconds", valid=values["time_valid"])
        lines.append(f"        {kind} value of {time}")
        lines += [f"          {reading['obis']:<18} {reading['text']:>22}" for reading in values["readings"]]
    if not meter["records"] and meter["registration_period"]:
        begin = "" if meter["live"] else " of the first telegram"
        lines.append(f"        the first value is stored within {period_text(meter['registration_period'])}{begin}")
    return lines


def _evaluation(evaluation: dict[str, Any]) -> list[str]:
    head = f"tariff  {evaluation['name']}: TAF {evaluation['taf']}"
    if evaluation["device"] is None:
        return [f"{head}, nothing yet"]
    lines = [f"{head}, {evaluation['device']}, at {utc_text(evaluation['time_us'])}"]
    return lines + [f"          {one['obis']:<18} {one['text']:>22}" for one in evaluation["registers"]]


def _newest(meter: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The live value; the stored one where it is newer, or the only one."""
    found = [("live", live) for live in meter["live"]]
    latest = meter["latest"]
    if latest and all(live["capture_time_us"] < latest["capture_time_us"] for live in meter["live"]):
        found.append(("stored", latest))
    return found


def _until(utc_us: int) -> str:
    """`2026-01-01T00:15:00Z, in 3 min`."""
    left = utc_us / 1e6 - time.time()
    return f"{utc_text(utc_us)}, in {duration_text(left)}" if left > 0 else "now"


def _when(utc_us: int | None) -> str:
    """`2026-01-01T00:15:00Z, 3 min ago`."""
    if utc_us is None:
        return "never"
    return f"{utc_text(utc_us)}, {duration_text(max(0, time.time() - utc_us / 1e6))} ago"
