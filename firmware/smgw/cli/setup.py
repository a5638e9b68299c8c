"""`smgw setup`: scans, asks, and writes a configuration that was checked."""

import argparse
import secrets
import sys
from pathlib import Path
from typing import Any

from smgw.cli import setup_answers, setup_emp, setup_file, setup_meters
from smgw.cli.scan import addresses
from smgw.cli.setup_answers import valid
from smgw.cli.setup_dialogue import Dialogue
from smgw.cosem.printable import printable
from smgw.errors import SmgwError, reason
from smgw.ports import PortBusy, PortError
from smgw.profiles import checks, gateway, protocols
from smgw.profiles.outlets import cosem_xml
from smgw.services.process import set_up_logging
from smgw.store import paths

_EPILOG = """\
examples:
  sudo smgw setup                                    asks everything, proposes answers, writes /etc/smgw/gateway.toml
  smgw setup --config gateway.toml                   the same for a file of your own
  smgw setup --config gateway.toml --port /dev/ttyUSB0 --ntp system --emp http://192.0.2.10:8080
                                                     without a question; also without a terminal
  smgw setup --config gateway.toml --ntp ntp.example.org --emp none \\
    --meter "name=house protocol=sml-push port=/dev/ttyUSB0" \\
    --meter "name=flat protocol=dlms port=/dev/ttyUSB1 dlms.physical=17"

Steps:
  1. The gateway's id. An id in an existing file stays.
  2. Time servers, or the system's clock.
  3. Ports. Each port is scanned as by `smgw scan`; a silent port takes one to three minutes. Each meter gets a name.
  4. How often a value is stored.
  5. The EMP that gets the readings. One request tests whether it answers. http:// is written with insecure = true.
  6. The file. It is checked first, then written in one step. An existing file is renamed to FILE.old.

Passwords and keys go into files of mode 0600 beside the configuration, never into it. Without a terminal, write the
files yourself and name them: --meter "... password_file=/etc/smgw/house.password".
Ctrl-C ends it at any time; then nothing is written. Exit code 0 if the file was written, 1 if you said no, 2 for an
error, 130 after Ctrl-C.
"""
_EVERY = ", ".join(setup_answers.PERIODS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """An option for each answer."""
    parser.add_argument("--device-id", metavar="ID", help="the gateway's DIN 43863-5 id; by default a new one is made")
    parser.add_argument(
        "--ntp", action="append", metavar="HOST", help="a time server (repeat it: of three, two must agree), or: system"
    )
    parser.add_argument(
        "--port",
        action="append",
        metavar="PORT",
        help="a port to scan: a device, socket://host:port or tls://host:port",
    )
    parser.add_argument("--all", action="store_true", help="try all addresses of a bus, as smgw scan --all")
    parser.add_argument(
        "--addresses", type=addresses, default=(), metavar="A-B,C", help="with --all: physical addresses (1-125)"
    )
    parser.add_argument("--name", action="append", metavar="NAME", help="name of the first meter found (repeat it)")
    parser.add_argument("--meter", action="append", metavar="KEYS", help="a meter that is not scanned: KEY=VALUE ...")
    parser.add_argument(
        "--every",
        metavar="TIME",
        help=f"how often a value is stored: {', '.join(setup_answers.PERIODS)}, or a time such as 30 min",
    )
    parser.add_argument(
        "--emp", metavar="URL", help="where readings go, such as https://emp.example.org:8443, or: none"
    )
    parser.add_argument("--emp-name", metavar="NAME", help="the EMP's name in messages (default emp)")
    parser.add_argument(
        "--emp-participant", metavar="NAME", help="with https: its name in its certificates (default: that name)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep meters and EMPs of the existing file, and add to them"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file without a question")
    parser.add_argument("--code", action="store_true", help="print the code of the set-up in a browser, and end")
    parser.add_argument("--order", action="store_true", help="carry out the order of the set-up in a browser, and end")
    parser.set_defaults(log_level="error")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Ask, check, write."""
    set_up_logging(arguments.log_level)
    if arguments.code:
        return _code(arguments.state)
    if arguments.order:
        from smgw.cli import setup_order  # the unit smgw-setup starts it

        return setup_order.run(arguments.config, arguments.state)
    try:
        return _Setup(arguments).run()
    except KeyboardInterrupt:
        print(f"\nsmgw setup: interrupted; nothing was written, {arguments.config} is as it was", file=sys.stderr)
        return 130


def _code(state: Path) -> int:
    """Print what the set-up in a browser asks for."""
    from smgw.han.set_up.desk import CODE

    file = paths.han_directory(state) / CODE
    try:
        print(file.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise SmgwError(f"{file}: there is no code: a consumer exists, or nobody has opened /setup yet") from None
    except OSError as error:
        raise SmgwError(f"{file}: cannot be read ({reason(error)}); use sudo") from error
    return 0


class _Setup:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self._given = arguments
        self._file: Path = arguments.config
        self._talk = Dialogue(terminal=sys.stdin.isatty() and sys.stdout.isatty())
        self._old = setup_file.document(self._file)
        self._meters: list[dict[str, Any]] = []
        self._emps: list[dict[str, Any]] = []
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self._secrets: dict[Path, str] = {}

    def run(self) -> int:
        setup_file.require_writable(self._file)
        if not self._talk.terminal:
            self._require_options()
        if not self._may_replace():
            self._talk.say(f"Nothing was written; {self._file} is as it was.")
            return 1
        own = self._gateway()
        self._kept = self._keep()
        self._find_meters()
        period = self._period() if self._meters else None
        self._ask_emp()
        text = setup_file.text_of(
            {
                **{name: table for name, table in self._old.items() if isinstance(table, dict)},
                "gateway": own,
                "line": self._kept["line"],
                "meter": self._kept["meter"] + setup_meters.registered(self._meters, period),
                "emp": self._kept["emp"] + self._emps,
                "evaluation": self._kept["evaluation"],
                "consumer": self._kept["consumer"],
            }
        )
        setup_file.check(self._file, text)
        self._talk.say(f"\n{text}")
        if not self._talk.confirm(f"Write this to {self._file}?", proposal=True):
            self._talk.say(f"Nothing was written; {self._file} is as it was.")
            return 1
        self._write(text)
        return 0

    def _require_options(self) -> None:
        """Without a terminal, answers without a safe default must be given as options."""
        needed = {
            '--port PORT, or --meter "name=... protocol=... port=..."': self._given.port or self._given.meter,
            "--ntp HOST, or --ntp system": self._given.ntp,
            "--emp URL, or --emp none": self._given.emp,
        }
        if self._given.keep:
            needed = {}
        if self._file.exists():
            needed["--force, because the file exists (it is kept beside the new one)"] = self._given.force
        if missing := [option for option, given in needed.items() if not given]:
            raise SmgwError("there is no terminal to ask at; give also " + "; ".join(missing))

    def _may_replace(self) -> bool:
        if not self._file.exists() or self._given.force:
            return True
        return self._talk.confirm(
            f"{self._file} exists. Replace it? The old file is kept beside the new one.", proposal=True
        )

    def _gateway(self) -> dict[str, Any]:
        """[gateway]: the keys of the existing file, with the answers."""
        old = self._old.get("gateway")
        table: dict[str, Any] = dict(old) if isinstance(old, dict) else {}
        proposal = str(table.get("device_id") or f"ESMG00{secrets.randbelow(10**8):08d}")
        read = valid(gateway.KEYS["device_id"].check)
        if self._given.device_id:
            table["device_id"] = read(self._given.device_id)
        else:
            table["device_id"] = self._talk.ask("Id of this gateway (DIN 43863-5)", proposal, read)
        old_servers = table.get("ntp")
        servers = self._given.ntp
        if not servers and not (self._given.keep and not self._talk.terminal):
            usual = " ".join(map(str, old_servers)) if isinstance(old_servers, list) else "system"
            servers = self._talk.ask(
                "Time servers, separated by blanks, or system: the system's clock, which timesyncd or chrony keeps",
                usual,
                setup_answers.servers,
            )
        if servers:
            table.pop("ntp", None)
            table.pop("system_clock", None)
            table |= (
                {"system_clock": True} if servers == ["system"] else {"ntp": setup_answers.servers(" ".join(servers))}
            )
        return table

    def _keep(self) -> dict[str, list[dict[str, Any]]]:
        """Meters, lines, EMPs and evaluations of the existing file, if the user wants to keep them."""
        tables = {kind: setup_file.tables(self._old, kind) for kind in setup_file.KINDS}
        names = [str(table.get("name")) for kind in ("meter", "emp") for table in tables[kind]]
        nothing: dict[str, list[dict[str, Any]]] = {kind: [] for kind in tables}
        if not names:
            return nothing
        there = any(setup_meters.is_there(str(table.get("port", ""))) for table in tables["meter"] + tables["line"])
        if self._given.keep or (
            self._talk.terminal
            and self._talk.confirm(f"Keep the meters and EMPs of the file ({', '.join(names)})?", proposal=there)
        ):
            return tables
        return nothing

    def _find_meters(self) -> None:
        self._meters += [setup_meters.described(text) for text in self._given.meter or ()]
        for port in self._given.port or (() if self._meters else self._ask_ports()):
            self._scan(valid(checks.port)(port))

    def _ask_ports(self) -> list[str]:
        if not self._talk.terminal:
            return []
        kept = {checks.claimed_by(str(one.get("port", ""))) for one in self._kept["meter"] + self._kept["line"]}
        found = [port for port in setup_meters.ports() if checks.claimed_by(port) not in kept]
        self._talk.say("\nSerial ports of this computer:" if found else "\nThis computer has no serial port.")
        for number, port in enumerate(found, start=1):
            self._talk.say(f"  {number}  {port}")

        def read(answer: str) -> list[str]:
            if answer == "none":
                return []
            chosen = []
            for word in found if answer == "all" else answer.replace(",", " ").split():
                by_number = word.isdecimal() and 1 <= int(word) <= len(found)
                chosen.append(valid(checks.port)(found[int(word) - 1] if by_number else word))
            if not chosen:
                raise SmgwError("write a device such as /dev/ttyUSB0, socket://host:port, or none")
            return chosen

        question = "Ports with a meter: numbers, all, none, or names (a device or socket://host:port)"
        return self._talk.ask(question, "all" if found else "", read)

    def _scan(self, port: str) -> None:
        self._talk.say(f"\nScanning {port}. Ctrl-C ends the setup.")
        try:
            found, others = setup_meters.scan(
                port,
                lambda text: self._talk.say(f"  {text}"),
                state=self._given.state,
                whole=self._given.all,
                addresses=self._given.addresses,
            )
        except PortBusy as error:
            advice = "stop the gateway (sudo systemctl stop smgw-lmn), or keep its meters with --keep"
            self._skip(f"{error}; if it is the gateway: {advice}")
            return
        except PortError as error:
            self._skip(str(error))
            return
        for one in found:
            device = f"device {one.device}" if one.device else "a device that does not say its id"
            remark = f" ({one.remark})" if one.remark else ""
            self._talk.say(printable(f"  Found: {one.profile.protocol}, {device}{remark}"))
            if one.more:
                self._talk.say(f"  This port hears other meters too, those of neighbours among them: smgw scan {port}")
            self._add(setup_meters.table_of(one), one.device)
        if not found:
            self._unanswered(port, others)

    def _skip(self, why: str) -> None:
        if not self._talk.terminal:
            raise SmgwError(why)
        self._talk.say(f"  {why}\n  This port is left out.")

    def _unanswered(self, port: str, others: list[str]) -> None:
        told = f"Nothing answered at {port}. Check head, wires and port."
        if others:
            told = printable(f"No meter was found at {port}, but octets came: {'; '.join(others)}.")
        if not self._talk.terminal:
            raise SmgwError(
                f'{told} To write it all the same: --meter "name=house protocol=sml-push port={port}" instead of --port'
            )
        self._talk.say(f"  {told}")

        def read(answer: str) -> str:
            if answer not in ("none", *protocols.names()):
                raise SmgwError(f"write one of {', '.join(protocols.names())}, or none to leave the port out")
            return answer

        protocol = self._talk.ask(
            f"Protocol of the meter ({', '.join(protocols.names())}; none: leave it out)", "none", read
        )
        if protocol != "none":
            self._add({"protocol": protocol, "port": port}, "")

    def _add(self, table: dict[str, Any], device: str) -> None:
        """Name a meter, and ask for the keys that its protocol needs."""
        taken = [str(one.get("name")) for one in (*self._meters, *self._kept["meter"])]
        names = self._given.name or []
        read = setup_meters.name_reader(taken)
        number = len(self._meters)
        if number < len(names):
            name = read(names[number])
        else:
            name = self._talk.ask("  Name of this meter", setup_meters.proposed_name(device, taken), read)
        self._meters.append({**table, "name": name})
        self._ask_secrets(self._meters[-1], name)

    def _ask_secrets(self, table: dict[str, Any], name: str) -> None:
        match table["protocol"]:
            case "sml-poll" | "dlms":
                if self._ask_secret(table, "password_file", name, "password", "Password", setup_answers.password):
                    if table["protocol"] == "dlms":
                        table["dlms"] = {**table.get("dlms", {}), "authentication": "lls"}
                    elif username := self._talk.ask("  User name (empty: none)", "", str):
                        table["username"] = username
            case "dlms-push":
                own = table.get("dlms", {})
                if self._ask_secret(
                    own, "encryption_key_file", name, "enc", "Encryption key, 32 hex digits", setup_answers.key
                ):
                    self._ask_secret(
                        own, "authentication_key_file", name, "auth", "Authentication key", setup_answers.key
                    )
                if own:
                    table["dlms"] = own

    def _ask_secret(self, table: dict[str, Any], key: str, name: str, ending: str, what: str, read: Any) -> bool:
        """Ask for a secret without echo; True if there is one. It goes into a file of its own."""
        file = self._file.parent.absolute() / f"{name}.{ending}"
        if file.exists():
            if not self._talk.confirm(f"  {file} exists. Use it?", proposal=True):
                return False
        else:
            given = self._talk.secret(f"  {what} (empty: none; it is not shown)", read, "")
            if not given:
                return False
            self._secrets[file] = given
        table[key] = str(file)
        return True

    def _period(self) -> int:
        if self._given.every:
            return setup_answers.period(self._given.every)
        return self._talk.ask(
            f"\nHow often is a value stored? {', '.join(setup_answers.PERIODS)}", "quarter hour", setup_answers.period
        )

    def _ask_emp(self) -> None:
        url = self._given.emp or ("none" if self._given.keep and not self._talk.terminal else None)
        if url is None:
            question = "\nURL of the EMP that gets the readings, such as https://emp.example.org:8443, or none"
            url = self._talk.ask(question, "none", setup_answers.emp_url)
        if setup_answers.emp_url(url) == "none":
            return
        if plain := cosem_xml.is_plain(url):
            self._talk.say("  This is plain HTTP: who listens on the way can read and change the readings.")
        if plain and not self._talk.confirm("  Permit it (insecure = true)?", proposal=True):
            self._given.emp = None
            self._ask_emp()
            return
        well, what = setup_emp.probe(url)
        self._talk.say(f"  {url}: {what}")
        if not well and not self._talk.confirm("  Write it all the same?", proposal=True):
            self._given.emp = None
            self._ask_emp()
            return
        taken = [str(one.get("name")) for one in self._kept["emp"]]
        name = self._given.emp_name or self._talk.ask(
            "  Name of this EMP", setup_answers.emp_name(taken), setup_meters.name_reader(taken)
        )
        more: dict[str, Any] = {"insecure": True}
        if not plain:
            read = valid(cosem_xml.OUTLET.keys["participant"].check)
            proposal = self._given.emp_participant or name
            more = {"participant": self._talk.ask("  Its name in its certificates, without .EMT", proposal, read)}
        self._emps.append({"name": name, "url": url, **more})

    def _write(self, text: str) -> None:
        for file, secret in self._secrets.items():
            setup_file.write_secret(file, secret)
            self._talk.say(f"{file}: written, mode 0600")
        backup = setup_file.write_configuration(self._file, text)
        self._talk.say(f"{self._file}: written" + (f"; the old file is {backup}" if backup else ""))
        self._talk.say("\nNext:")
        for line in setup_file.next_steps(self._file, text):
            self._talk.say(f"  {line}")
