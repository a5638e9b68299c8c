"""The generated parts of the documentation: a hook of MkDocs that fills marks in pages, such as `{{ configuration }}`.

Nothing that it makes is stored in the tree. The tables come from the code, so they cannot be out of date.
"""

import contextlib
import io
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import smsim.sml
from smgw.board.events import MESSAGE_IDS
from smgw.cli import main as smgw
from smgw.dlms.push import lists, operators
from smgw.profiles import (
    board,
    calendar,
    communication,
    consumer,
    evaluation,
    gateway,
    han,
    house,
    keys,
    meter,
    outlets,
    protocols,
)
from smgw.profiles.protocol import Protocol
from smgw.profiles.section import Key

ROOT = Path(__file__).resolve().parents[1]
CATALOG = ROOT / "systemd" / "smgw.catalog"
NAMES = {identifier: name for name, identifier in MESSAGE_IDS.items()}
STYLES = Path(smsim.sml.__file__).parent / "styles"
_MARK = re.compile(r"^\{\{ (\w+) \}\}$", re.MULTILINE)
_REMOTE = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


# --- hooks of MkDocs -------------------------------------------------------------------------------------------------


def on_page_markdown(markdown: str, **_others: Any) -> str:
    """Fill the marks of a page. A mark that has no maker is a fault of the page."""
    if "```mermaid" in markdown:
        raise ValueError("Mermaid would be loaded from a server; draw an SVG")
    return _MARK.sub(lambda mark: MAKERS[mark[1]](), markdown)


def on_post_page(output: str, page: Any, **_others: Any) -> str:
    """Refuse a page that loads something from the network: the site must work offline."""
    for tag in _REMOTE.findall(output):
        if 'rel="canonical"' not in tag:
            raise ValueError(f"{page.file.src_uri}: the page loads from the network: {tag}")
    return output


# --- configuration ---------------------------------------------------------------------------------------------------


def configuration() -> str:
    """Every section of the configuration, a table each."""
    parts = [
        "## [gateway]\n\nThe gateway itself. There is one such section.\n",
        _table(gateway.KEYS),
        "### retention\n\nA table in the section `[gateway]`: how long the database holds rows.\n",
        _table(gateway.RETENTION_KEYS),
        "## [keys]\n\nWho holds the private keys of the gateway. The section may be absent.\n",
        _table(keys.KEYS),
        "## [[meter]]\n\nOne section for each meter. `protocol` decides which other keys the section may have.\n",
        _table(meter.KEYS, _users),
    ]
    for title, rules in _sections().items():
        parts += [f"### {title}\n\nA table in the section `[[meter]]`, such as `{title} = {{ ... }}`.\n"]
        parts += [_table(rules, lambda key, title=title: _section_users(title, key))]  # type: ignore[misc]
    parts += [
        "## [[emp]]\n\nOne section for each external market participant (EMP).\n",
        _table(communication.KEYS),
    ]
    for outlet in outlets.every():
        more = {key: rule for key, rule in outlet.keys.items() if key not in communication.KEYS}
        if more:
            parts += [f'### outlet = "{outlet.name}"\n\nKeys of this outlet alone.\n', _table(more)]
    parts += [
        "## [[evaluation]]\n\nOne section for each evaluation. `taf` decides which other keys the section may have.\n",
        _table(evaluation.KEYS),
        "### calendar\n\nA table in the section `[[evaluation]]`, or a file of its own with these keys.\n",
        _table(calendar.KEYS),
        "### season\n\nA table `[[season]]` for each season of a calendar.\n",
        _table(calendar.SEASON_KEYS),
        "## [[consumer]]\n\nMeters that a consumer may see at the HAN without an evaluation. There may be several.\n",
        _table(consumer.KEYS),
        "## [han]\n\nWhere the house asks its gateway. Without this section `smgw han` does nothing.\n",
        _table(han.KEYS),
    ]
    for title, own in (("mqtt", house.MQTT_KEYS), ("vzlogger", house.PORT_KEYS), ("p1", house.P1_KEYS)):
        parts += [f"### [han.{title}]\n\nLive values for the house; see [The home side](home.md).\n", _table(own)]
    parts += [
        "### [han.metrics]\n\nLive values for Prometheus.\n",
        _table(house.PORT_KEYS),
        "## [board]\n\nLEDs, button and contact of the case.\n",
        _table(board.KEYS),
    ]
    return "\n".join(parts)


def _sections() -> dict[str, dict[str, Key]]:
    """Name of a protocol's own section -> its keys, of all protocols that have it."""
    found: dict[str, dict[str, Key]] = {}
    for one in protocols.every():
        if one.section is not None:
            known = found.setdefault(one.section.name, {})
            known |= {key: rule for key, rule in one.section.keys.items() if key not in known}
    return found


def _users(key: str) -> str:
    every = protocols.every()
    users = [one.name for one in every if key in one.keys]
    return ", ".join(users) if users else "all"


def _section_users(section: str, key: str) -> str:
    every: list[Protocol] = [one for one in protocols.every() if one.section and one.section.name == section]
    users = [one.name for one in every if one.section and key in one.section.keys]
    return "all" if len(users) == len(every) else ", ".join(users)


def _table(keys: Mapping[str, Key], users: Callable[[str], str] | None = None) -> str:
    head = ["Key", "Value", "Meaning"] + (["Protocols"] if users else [])
    rows = []
    for key, rule in keys.items():
        name = f"`{key}`" + (" (required)" if rule.needed else "")
        rows.append([name, _value(rule), rule.about, *([users(key)] if users else [])])
    return _grid(head, rows)


def _value(rule: Key) -> str:
    """What the key's check asks for, as its own message says it."""
    said: list[str] = []
    rule.check(object(), lambda message, *_path: said.append(message))
    text = said[0].partition("; ")[2].removeprefix("write ") if said else ""
    return text if len(text) <= 120 else text[:120].rpartition(" ")[0] + " …"


# --- meters ----------------------------------------------------------------------------------------------------------


def sml_meters() -> str:
    """The SML meters that the simulator imitates octet for octet, from the heads of their tables."""
    rows = []
    for file in sorted(STYLES.glob("*.toml")):
        text = file.read_text()
        table = tomllib.loads(text)
        head = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
        about, _, seen = head.partition("Seen:")
        registers = [
            _register(entry)
            for entry in table["entry"]
            if entry.get("scaler") is not None and "96." not in entry["obis"]
        ]
        rows.append([f"`{file.stem}`", about.strip(), ", ".join(dict.fromkeys(registers)), seen.strip() or "none"])
    return _grid(["Style", "Meter", "Registers", "Seen in the capture"], rows)


def _register(entry: Mapping[str, Any]) -> str:
    return str(entry["obis"]).partition(":")[2].partition("*")[0]


def pushes() -> str:
    """How each known maker lists the values of its pushes, from the docstring of the reader of lists."""
    return _drawn(lists.__doc__ or "", "way", ["List", "Body of the push", "Seen from"])


def push_lists() -> str:
    """The lists of operators that `push_list` may name, from the docstring of their table."""
    return _drawn(operators.__doc__ or "", "name", ["`push_list`", "Meters", "Known", "Not known"])


def _drawn(text: str, first: str, head: list[str]) -> str:
    """A table that is drawn in a docstring: its columns begin where the words of its first line do."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if re.match(rf"{first}\s{{2,}}", line))
    places = [found.start() for found in re.finditer(r"(?:^|(?<=\s\s))\S", lines[start])]
    rows: list[list[str]] = []
    for line in lines[start + 1 :]:
        if not line.strip():
            break
        cells = [line[place:end].strip() for place, end in zip(places, [*places[1:], None], strict=True)]
        if cells[0] or not rows:
            rows.append(cells)
        else:
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], cells, strict=True)]
    return _grid(head, rows)


# --- messages --------------------------------------------------------------------------------------------------------


def messages() -> str:
    """The catalog of the journal: subject, cause and remedy of each message."""
    parts = []
    for entry in CATALOG.read_text().split("-- ")[1:]:
        head, _, text = entry.partition("\n\n")
        subject = re.search(r"^Subject: (.*)$", head, re.MULTILINE)
        title = re.sub(r"@(\w+)@", r"\1", subject[1] if subject else "")
        text = re.sub(r"@(\w+)@", r"\1", text.strip())
        name = NAMES[entry[:32]]
        parts.append(f"## {title}\n\nEvent `{name}`.\n\n{text}\n")
    return "\n".join(sorted(parts))


# --- commands --------------------------------------------------------------------------------------------------------


def commands() -> str:
    """The help of every command of `smgw`, as the command prints it."""
    from smgw.cli import _COMMANDS

    return "\n".join(f"## smgw {name}\n\n```text\n{_help(name)}```\n" for name in _COMMANDS)


def _help(command: str) -> str:
    os.environ["COLUMNS"] = "110"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        smgw([command, "--help"])
    return printed.getvalue()


# --- Markdown --------------------------------------------------------------------------------------------------------


def _grid(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(_lines([head, ["---"] * len(head), *rows])) + "\n"


def _lines(rows: list[list[str]]) -> Iterator[str]:
    for row in rows:
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        yield f"| {' | '.join(cells)} |"


MAKERS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "configuration": configuration,
    "messages": messages,
    "push_lists": push_lists,
    "pushes": pushes,
    "sml_meters": sml_meters,
}
