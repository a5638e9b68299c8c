"""What `smgw setup` writes: the text of a configuration, and files that are replaced in one step."""

import contextlib
import grp
import json
import os
import pwd
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smgw.cli import DEFAULT_CONFIGURATION
from smgw.errors import SmgwError, reason
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import parse

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEAD = """\
# The configuration of one gateway, made by `smgw setup`. `smgw check --config FILE` names every mistake with its line.
# Every key with its default: config/gateway.example.toml, in the package /usr/share/doc/smgw/examples.
"""
#: Tables of which there may be several.
KINDS = ("line", "meter", "emp", "evaluation", "consumer")
#: The group of both daemons, and the user who reads meters and their secrets.
_GROUP = "smgw"
_READER = "smgw-lmn"


def text_of(document: Mapping[str, Any]) -> str:
    """A configuration as TOML: [gateway] and the other tables, then each line, meter, EMP, evaluation and consumer."""
    parts = [_HEAD, _table("[gateway]", document["gateway"])]
    parts += [
        _table(f"[{_key(name)}]", table)
        for name, table in document.items()
        if isinstance(table, dict) and name != "gateway"
    ]
    for kind in KINDS:
        parts += [_table(f"[[{kind}]]", table) for table in document.get(kind, [])]
    return "\n".join(parts)


def _table(header: str, values: Mapping[str, Any]) -> str:
    return "\n".join([header, *(f"{_key(key)} = {_value(value)}" for key, value in values.items())]) + "\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case dict():
            return f"{{ {', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())} }}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
    if hasattr(value, "isoformat"):  # a date or time of TOML
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)  # JSON's escapes are TOML's


def next_steps(file: Path, text: str) -> list[str]:
    """What to do after the file is written."""
    named = "" if file == DEFAULT_CONFIGURATION else f" --config {file}"
    own = file != DEFAULT_CONFIGURATION or not Path("/run/systemd/system").is_dir()
    named_state = f"{named} --state state" if own else named
    steps = _pin_steps(text, named_state)
    steps.append(f"smgw read{named_state if steps else named}          reads each meter once")
    if own:
        return [*steps, f"smgw run{named} --state state          starts the gateway"]
    if re.search(r'^port = "(socket|tls|udp|rfc2217)://', text, re.MULTILINE):
        steps.append("Meters on the network: see /usr/share/smgw/tcp-meters.conf")
    reload = "sudo systemctl reload-or-restart smgw-lmn smgw-wan          the services take the new file"
    return [*steps, reload, "smgw status          shows how the gateway fares"]


def _pin_steps(text: str, named: str) -> list[str]:
    """What meters with TLS need before they are read."""
    meters = [one for one in tomllib.loads(text).get("meter", []) if str(one.get("port", "")).startswith("tls://")]
    if not meters:
        return []
    return [
        f"smgw keys lmn{named}          makes the gateway's own certificate for meters with TLS",
        *(
            f"smgw keys meter{named} {one['name']} {one['port']}          shows its certificate; compare and pin it"
            for one in meters
        ),
    ]


def document(file: Path) -> dict[str, Any]:
    """The content of an existing file; empty if it is not TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def tables(found_in: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The tables of a kind, even if their keys are wrong."""
    found = found_in.get(kind)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def check(path: Path, text: str) -> None:
    """SmgwError with every fault of a configuration to be written, by section and key: the lines are not there yet."""
    try:
        parse(text, str(path))
    except ConfigurationError as error:
        told = [f"{one.section} {one.key}: {one.text}" for one in error.problems]
        raise SmgwError("\n".join(["nothing was written; these answers are wrong:", *told])) from error


def require_writable(path: Path) -> None:
    """SmgwError if this user cannot put a file there."""
    directory = path.parent
    if not directory.is_dir():
        raise SmgwError(f"{path}: there is no directory {directory}; make it, or name another file with --config")
    if path.is_dir():
        raise SmgwError(f"{path}: is a directory; name a file in it with --config")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise SmgwError(f"{path}: this user may not write there; use sudo, or name another file with --config")


def write_configuration(path: Path, text: str) -> Path | None:
    """Replace the configuration in one step; both daemons can read it. Returns where the old file is kept, if any."""
    backup = None
    if path.exists():
        backup = _free(path)
        shutil.copy2(path, backup)
    _replace(path, text, 0o644, group=_GROUP)  # it holds no secret
    return backup


def write_secret(path: Path, text: str) -> None:
    """A file of mode 0600 for the process that reads meters. SmgwError if there is a file of this name."""
    if path.exists():
        raise SmgwError(f"{path}: is there already; remove it first, or keep it and give no new secret")
    _replace(path, text + "\n", 0o600, user=_READER)


def _free(path: Path) -> Path:
    names = [path.with_name(f"{path.name}.old{number}") for number in ("", *(f"-{n}" for n in range(2, 1000)))]
    return next(name for name in names if not name.exists())


def _replace(path: Path, text: str, mode: int, *, user: str = "", group: str = "") -> None:
    """A file that is whole, on the disk, and somebody's, before it has its name."""
    place = Path(os.path.realpath(path))  # of a link, what it leads to
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                _give(file.fileno(), user, group)
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            fresh.replace(place)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        directory = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise SmgwError(f"{path}: cannot be written ({reason(error)}); what was there is unchanged") from error


def _give(descriptor: int, user: str, group: str) -> None:
    """To the user or group of the service, where root writes and the package has made them."""
    if os.geteuid() != 0:
        return
    owner = shared = -1
    with contextlib.suppress(KeyError):
        owner = pwd.getpwnam(user).pw_uid if user else -1
    with contextlib.suppress(KeyError):
        shared = grp.getgrnam(group).gr_gid if group else -1
    if (owner, shared) != (-1, -1):
        os.fchown(descriptor, owner, shared)
