"""Takes over what a person wrote into the folder smgw/ of the card's first partition, at each start.

What is right is used from now on. What is wrong leaves the old state as it is: ERROR.txt beside it says what is wrong,
where, and what would be right, and the board's LED blinks fast. A folder that did not change is not looked at again,
so that a configuration that was changed on the gateway stays.
"""

import base64
import binascii
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_OURS = ("error.txt", "readme.txt", "requests")
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class WrongError(Exception):
    """Something in the folder cannot be taken over; the text says what, where, and what would be right."""


class Card:
    """The folder on the card, and the places that it is taken over to. A test names places of its own."""

    def __init__(self, top: Path = Path("/")) -> None:
        self.partition = top / "boot/firmware"
        self.folder = self.partition / "smgw"
        self.kept = top / "var/lib/smgw-image"
        self.configuration = top / "etc/smgw/gateway.toml"
        self.example = top / "usr/share/smgw/gateway.debian.toml"
        self.state = top / "var/lib/smgw"
        self.run = top / "run/smgw-image"
        self.leds = top / "sys/class/leds"

    def take_over(self) -> int:
        """Everything, in this order; the exit code."""
        if not self.folder.is_dir():
            return self._end([f"The card's first partition has no folder {self.folder.name}, or cannot be read."], "")
        seen = digest(self.folder)
        noted = self.kept / "taken"
        if noted.exists() and noted.read_text() == f"{seen} right":
            return self._end([], "")
        faults = []
        for step in (
            self._first_configuration,
            self._configuration,
            self._wifi,
            self._authorized_keys,
            self._trust,
            self._requests,
        ):
            try:
                step()
            except WrongError as fault:
                faults.append(str(fault))
            except OSError as error:
                faults.append(f"{error.filename or self.folder}: {error.strerror}. Is the card damaged, or full?")
        return self._end(faults, seen)

    def _end(self, faults: list[str], seen: str) -> int:
        failed = self.run / "data-failed"
        if failed.exists():
            faults = [failed.read_text().strip(), *faults]
        self._tell(faults)
        if seen:
            replace(self.kept / "taken", f"{seen} {'wrong' if faults else 'right'}", 0o644)
        for fault in faults:
            print(fault, file=sys.stderr)
        return 1 if faults else 0

    def _tell(self, faults: list[str]) -> None:
        """ERROR.txt, with ends of lines that every editor shows; and the LED of the board."""
        file = self.folder / "ERROR.txt"
        text = ""
        if faults:
            lines = ["What the gateway could not take over from this folder. Everything else is in use.", "", *faults]
            lines += ["", "Mend it on a PC, and start the gateway with this card again. Then this file goes away.", ""]
            text = "\r\n".join("\n".join(lines).split("\n"))
        with suppress(OSError):
            if text != (file.read_bytes().decode() if file.exists() else ""):
                self._write(lambda: replace(file, text, 0o644) if text else file.unlink())
        if faults:
            for led in (self.leds / "ACT", self.leds / "led0"):
                with suppress(OSError):
                    (led / "trigger").write_text("timer")
                    (led / "delay_on").write_text("100")
                    (led / "delay_off").write_text("100")

    def _write(self, change: Callable[[], object]) -> None:
        """Change something on the partition, which is read-only otherwise."""
        self._mount("rw")
        try:
            change()
            os.sync()
        finally:
            self._mount("ro")

    def _mount(self, how: str) -> None:
        if os.path.ismount(self.partition):
            subprocess.run(["mount", "-o", f"remount,{how}", self.partition], check=False, capture_output=True)

    def _first_configuration(self) -> None:
        """One with which the services start and wait. The gateway's id is its own."""
        if not self.configuration.exists():
            serial = f"{random.SystemRandom().randrange(10**8):08}"
            text = self.example.read_text(encoding="utf-8").replace("ESMG0000000001", f"ESMG00{serial}")
            replace(self.configuration, text, 0o644)

    def _configuration(self) -> None:
        file = self.folder / "gateway.toml"
        if not file.exists():
            if (other := self.folder / "gateway.toml.txt").exists():
                raise WrongError(
                    f"smgw/{other.name}: the name must be gateway.toml. Let the file manager show extensions."
                )
            return
        candidate = self.run / "gateway.toml"
        replace(candidate, words(file), 0o644)
        done = self._smgw("check", "--config", str(candidate), "--state", str(self.state))
        if done.returncode:
            said = (done.stdout + done.stderr).replace(str(candidate), "smgw/gateway.toml").strip()
            raise WrongError(said or f"smgw/gateway.toml: smgw check ended with {done.returncode}")
        replace(self.configuration, candidate.read_text(encoding="utf-8"), 0o644)

    def _wifi(self) -> None:
        file = self.folder / "wifi.toml"
        if not file.exists():
            return
        try:
            given = tomllib.loads(words(file))
        except tomllib.TOMLDecodeError as error:
            raise WrongError(f'smgw/wifi.toml: {error}. A line looks like this: ssid = "name"') from None
        replace(self.kept / "wpa_supplicant.conf", "".join(wpa_lines(given)), 0o600)

    def _authorized_keys(self) -> None:
        file = self.folder / "authorized_keys"
        if not file.exists():
            if (other := self.folder / "authorized_keys.txt").exists():
                raise WrongError(f"smgw/{other.name}: the name must be authorized_keys, without .txt.")
            return
        text = words(file)
        for number, line in enumerate(text.splitlines(), 1):
            if "PRIVATE KEY" in line:
                raise WrongError(
                    f"smgw/authorized_keys, line {number}: this is a private key. Put the file that ends with .pub"
                    " here, and make a new key, because this card knows the private one now."
                )
            if line.strip() and not line.startswith("#") and not is_public_key(line):
                raise WrongError(
                    f"smgw/authorized_keys, line {number}: this is no SSH public key. A line begins with a kind such as"
                    " ssh-ed25519, and has no line break. It stands in the file that ends with .pub on your PC."
                )
        replace(self.kept / "authorized_keys", text, 0o600)

    def _trust(self) -> None:
        folder = self.folder / "trust"
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        inner = [path for path in folder.iterdir() if path.is_dir() and path.name.endswith(".SMGW")]
        done = self._smgw(
            *("keys", "install", str(inner[0] if len(inner) == 1 else folder)),
            *("--config", str(self.configuration), "--state", str(self.state)),
        )
        if done.returncode:
            raise WrongError(
                f"smgw/trust: {(done.stdout + done.stderr).replace(str(self.partition) + '/', '').strip()}"
            )

    def _requests(self) -> None:
        """The gateway's own certificate requests, if an EMP wants certificates and there are none yet."""
        given = tomllib.loads(self.configuration.read_text(encoding="utf-8"))
        wanted = any(str(emp.get("url", "")).startswith("https") for emp in given.get("emp", ()))
        if not wanted or (self.folder / "requests").exists() or any((self.state / "trust").glob("own/*/*.crt")):
            return
        made = self.run / "requests"
        done = self._smgw(
            *("keys", "request", "--out", str(made)),
            *("--config", str(self.configuration), "--state", str(self.state)),
        )
        if done.returncode:
            raise WrongError(f"smgw/requests cannot be made: {(done.stdout + done.stderr).strip()}")
        self._write(lambda: shutil.copytree(made, self.folder / "requests"))

    def _smgw(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["smgw", *words], capture_output=True, text=True, check=False)


def digest(folder: Path) -> str:
    """Of names and contents of what a person wrote."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0].lower() not in _OURS:
            found.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return found.hexdigest()


def words(file: Path) -> str:
    """The text of a file, whatever an editor on a PC made of it."""
    octets = file.read_bytes()
    encoding = next((name for mark, name in _MARKS if octets.startswith(mark)), "utf-8")
    try:
        return octets.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise WrongError(f"smgw/{file.name}, line {line}: this is no UTF-8. Save the file as UTF-8.") from None


def replace(file: Path, text: str, mode: int) -> None:
    """Write a file that is whole at each moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode)
    with new.open("w", encoding="utf-8", newline="") as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    new.replace(file)


def wpa_lines(given: dict[str, object]) -> Iterator[str]:
    """The configuration of wpa_supplicant. The password itself is not in it."""
    if unknown := sorted(set(given) - {"ssid", "password", "country"}):
        raise WrongError(f"smgw/wifi.toml: there is no key {unknown[0]}. The keys are ssid, password and country.")
    ssid, password, country = given.get("ssid"), given.get("password"), given.get("country")
    if not isinstance(ssid, str) or not 1 <= len(ssid.encode()) <= 32:
        raise WrongError('smgw/wifi.toml: ssid is the name of the network, of 1 to 32 octets: ssid = "name"')
    if password is not None and (not isinstance(password, str) or not re.fullmatch(r"[ -~]{8,63}", password)):
        raise WrongError(
            "smgw/wifi.toml: password has 8 to 63 characters, without umlauts. Leave it out if there is none."
        )
    if not isinstance(country, str) or not re.fullmatch("[A-Z]{2}", country):
        raise WrongError(
            'smgw/wifi.toml: country has two capital letters, for the channels that are allowed: country = "DE"'
        )
    yield f"country={country}\nnetwork={{\n    ssid={ssid.encode().hex()}\n    scan_ssid=1\n"
    if isinstance(password, str):
        key = hashlib.pbkdf2_hmac("sha1", password.encode(), ssid.encode(), 4096, 32)
        yield f"    key_mgmt=WPA-PSK WPA-PSK-SHA256\n    psk={key.hex()}\n}}\n"
    else:
        yield "    key_mgmt=NONE\n}\n"


def is_public_key(line: str) -> bool:
    """If a line of authorized_keys holds a key whose kind is the one that it names."""
    found = re.search(r'(?:^|[ ,"])((?:ssh|ecdsa|sk)-[a-z0-9@.-]+) ([A-Za-z0-9+/]+=*)(?: |$)', line)
    if found is None:
        return False
    try:
        octets = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return False
    kind = found[1].encode()
    return octets.startswith(len(kind).to_bytes(4, "big") + kind) and len(octets) > len(kind) + 32


if __name__ == "__main__":
    sys.exit(Card().take_over())
