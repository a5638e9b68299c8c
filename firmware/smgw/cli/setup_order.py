"""`smgw setup --order`: carries out an order of the set-up in the browser. It runs with the rights of `smgw setup`.

The order is a file of the HAN process, which is not trusted: its grammar is fixed, and every value is checked as an
answer to `smgw setup` is. The answer is a file that the HAN process reads.
"""

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from smgw.cli import setup_answers, setup_file, setup_meters
from smgw.cli.accounts import checked_name
from smgw.cli.setup_answers import valid
from smgw.errors import SmgwError, reason
from smgw.han.exchange import Role
from smgw.han.set_up.orders import ANSWER, FOUND, LARGEST, ORDER, SCAN, Order, OrderError, parse
from smgw.profiles import checks
from smgw.profiles.outlets import cosem_xml
from smgw.store import paths

_SETUP = "setup"


def run(config: Path, state: Path) -> int:
    """Take the order, if there is one, and answer it. 0 also if the order was wrong: the answer says so."""
    order = _taken(paths.han_directory(state) / ORDER)
    if order is None:
        return 0
    if _is_set_up(config):
        raise SmgwError(f"{config} names a consumer already: the set-up in a browser is over; use smgw setup")
    place = paths.run_directory(state) / _SETUP
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    _answer(place, {"id": order.id, "state": "running", "text": "", "meters": []})
    try:
        told = _scan(place, state) if order.kind == SCAN else _write(order, config, place)
    except SmgwError as error:
        told = {"state": "failed", "text": str(error), "meters": _shown(_found(place))}
    _answer(place, {"id": order.id, **told})
    return 0


def _is_set_up(config: Path) -> bool:
    """The HAN process says that there is no consumer, but only root can write this file."""
    old = setup_file.document(config)
    return bool(setup_file.tables(old, "consumer") or setup_file.tables(old, "evaluation"))


def _taken(file: Path) -> Order | None:
    """The order; it is removed at once, so that no fault repeats it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        _remove(file)
        raise SmgwError(f"{file}: cannot be read ({reason(error)}); it was removed") from error
    _remove(file)
    is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    octets = os.read(descriptor, LARGEST + 1) if is_file else b""
    os.close(descriptor)
    if not is_file:
        raise SmgwError(f"{file}: is no file, so it is no order; remove it")
    return parse(octets)


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()


def _answer(place: Path, told: dict[str, Any]) -> None:
    _replace(place / ANSWER, told, 0o644)


def _replace(file: Path, told: object, mode: int) -> None:
    fresh = file.with_name(f".{file.name}")
    fresh.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    fresh.chmod(mode)
    fresh.replace(file)


def _scan(place: Path, state: Path) -> dict[str, Any]:
    """Every serial port of this computer: the meters found, and what else was heard."""
    meters: list[dict[str, Any]] = []
    notes: list[str] = []
    for port in setup_meters.ports():
        try:
            found, others = setup_meters.scan(port, lambda _: None, state=state, whole=False, addresses=())
        except SmgwError as error:
            notes.append(str(error))
            continue
        taken = [str(one["name"]) for one in meters]
        for one in found:
            name = setup_meters.proposed_name(one.device, [*taken, *(str(each["name"]) for each in meters)])
            meters.append({"name": name, "device": one.device, "table": setup_meters.table_of(one)})
        if not found:
            heard = f": octets came, {'; '.join(others)}" if others else ""
            notes.append(f"{port}: no meter was found{heard}")
    if not meters and not notes:
        notes.append("This computer has no serial port: plug a reading head in.")
    _replace(place / FOUND, meters, 0o600)
    return {"state": "done", "text": "\n".join(notes), "meters": _shown(meters)}


def _shown(meters: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {"name": one["name"], "device": one["device"], **{key: str(one["table"][key]) for key in ("protocol", "port")}}
        for one in meters
    ]


def _found(place: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads((place / FOUND).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _write(order: Order, config: Path, place: Path) -> dict[str, Any]:
    """The configuration: that of the file with these meters, time servers, EMP and consumer."""
    setup_file.require_writable(config)
    old = setup_file.document(config)
    meters = _meters(order, _found(place))
    consumer = checked_name(valid(checks.identity)(order.consumer), Role.CONSUMER)
    document = {
        **old,
        "gateway": _gateway(old, order),
        "line": [],
        "meter": setup_meters.registered(meters, order.every),
        "emp": _emp(order),
        "evaluation": [],
        "consumer": [{"name": consumer, "meters": [one["name"] for one in meters]}],
    }
    text = setup_file.text_of(document)
    setup_file.check(config, text)
    backup = setup_file.write_configuration(config, text)
    kept = f"; the old file is {backup}" if backup else ""
    return {"state": "done", "text": f"{config} is written{kept}", "meters": [], "consumer": consumer}


def _meters(order: Order, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    meters: list[dict[str, Any]] = []
    for choice in order.meters:
        if not 1 <= choice.found <= len(found):
            raise OrderError("the scan has no meter of this number; look for meters again")
        read = setup_meters.name_reader([str(one["name"]) for one in meters])
        meters.append({**found[choice.found - 1]["table"], "name": read(choice.name)})
    return meters


def _gateway(old: dict[str, Any], order: Order) -> dict[str, Any]:
    table = old.get("gateway")
    own: dict[str, Any] = dict(table) if isinstance(table, dict) else {}
    servers = setup_answers.servers(" ".join(order.servers))
    own.pop("ntp", None)
    own.pop("system_clock", None)
    return own | ({"system_clock": True} if servers == ["system"] else {"ntp": servers})


def _emp(order: Order) -> list[dict[str, Any]]:
    if not order.url:
        return []
    url = valid(checks.http_url)(order.url)
    name = setup_meters.name_reader([])(order.emp or "emp")
    if cosem_xml.is_plain(url):
        return [{"name": name, "url": url, "insecure": True}]
    return [
        {
            "name": name,
            "url": url,
            "participant": valid(cosem_xml.OUTLET.keys["participant"].check)(order.participant or name),
        }
    ]
