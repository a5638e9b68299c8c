"""The SD-card image in an emulated board (QEMU `virt`, arm64): console, network, USB heads, power.

    with BoardMachine(image(), folder) as board:
        board.write_card({"gateway.toml": text, "authorized_keys": board.public_key})
        board.boot()
        board.run("smgw", "status")
        board.cut_power()

The board boots as a Pi does: firmware (here Debian's U-Boot for QEMU), script on the card, kernel of a root slot.
It reaches this computer's loopback at 10.0.2.2. Commands come by SSH, with the key that lies in the card's folder.
"""

import contextlib
import fcntl
import functools
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import debian
import pytest
from testbed import free_port

ROOT = Path(__file__).resolve().parents[2]
HOST = "10.0.2.2"  # this computer, as the board sees it
UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
_FAT_OFFSET = 4 * 1024 * 1024
_CARD_SIZE = 2 * 1024**3
_NO_PACKAGES = 75  # of hw/image/build.py
_HANGS = 1800.0  # seconds; a busy computer emulates a start in minutes
_RAREST_LOOK = 2.0
_LISTENS = "Server listening on 0.0.0.0"  # said by the SSH server in the journal
_TOOLS = {"qemu-system-aarch64": "qemu-system-arm", "ssh": "openssh-client", "mcopy": "mtools"}


def lacks() -> str:
    """Why there is no such board here; empty if there is."""
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    missing += [] if UBOOT.exists() else ["u-boot-qemu"]
    return f"MISSING Debian packages, sudo apt-get install {' '.join(missing)}" if missing else ""


@functools.cache
def image() -> Path:
    """The image of this tree, built once for each run of the tests; a skip that says why if it cannot be."""
    if why := lacks() or debian.lacks():
        pytest.skip(why)
    if given := os.environ.get("SMGW_IMAGE"):
        return Path(given)
    output = ROOT / "build" / "image"
    output.mkdir(parents=True, exist_ok=True)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")
    with (output.parent / "image.run").open("a+") as noted:  # the workers of a run ask at the same time
        fcntl.flock(noted, fcntl.LOCK_EX)
        noted.seek(0)
        if not run or noted.read() != run:
            _build(output)
            noted.truncate(0)
            noted.write(run)
    return next(output.glob("smgw-*.img"))


def _build(output: Path) -> None:
    done = subprocess.run(
        ["/usr/bin/python3", str(ROOT / "hw/image/build.py"), str(output)], capture_output=True, text=True, timeout=3600
    )
    if done.returncode == _NO_PACKAGES:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr


class Qmp:
    """QEMU's control socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self.order("qmp_capabilities")

    def order(self, command: str, **arguments: Any) -> Any:
        """Give an order, and its answer."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while "event" in (answer := json.loads(self._file.readline())):
            pass
        assert "return" in answer, answer
        return answer["return"]

    def close(self) -> None:
        """Close it."""
        self._file.close()
        self._socket.close()


class BoardMachine:
    """One board with one card, which is a copy of the image."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        self.card = folder / "card.img"
        self.console = folder / "console.log"
        self.port = free_port()
        self.powered = 0.0  # time.monotonic() of the last power-on
        self.qmp: Qmp | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._key = folder / "key"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--sparse=always", source, self.card], check=True)
        os.truncate(self.card, _CARD_SIZE)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()
        self.card.unlink(missing_ok=True)

    @property
    def public_key(self) -> str:
        """Of who gives commands here; it belongs into authorized_keys."""
        return self._key.with_suffix(".pub").read_text()

    def write_card(self, files: Mapping[str, str | bytes | Path]) -> None:
        """Fill in the folder smgw/, as a person does on a PC; the board must be off. A Path is a folder or file."""
        for name, content in files.items():
            source = content if isinstance(content, Path) else self.folder / "given"
            if isinstance(content, str | bytes):
                source.write_bytes(content.encode() if isinstance(content, str) else content)
            self._mtools("mcopy", "-o", "-s", str(source), f"::smgw/{name}")

    def read_card(self, name: str) -> str:
        """A file of the folder smgw/; empty if there is none."""
        return self._mtools("mtype", f"::smgw/{name}", check=False)

    def copy_card(self, name: str, target: Path) -> None:
        """Copy a folder of smgw/ to this computer."""
        self._mtools("mcopy", "-s", f"::smgw/{name}", str(target))

    def _mtools(self, tool: str, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            [tool, "-i", f"{self.card}@@{_FAT_OFFSET}", *words], capture_output=True, text=True, timeout=60
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def power_on(self, *more: str) -> None:
        """Start it; `more` are words of QEMU's command line."""
        assert self._process is None, "the board runs already"
        control = self.folder / "qmp"
        control.unlink(missing_ok=True)
        command = [*self._command(control), *more]
        self.powered = time.monotonic()
        with (self.folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.until(control.exists, 30)
        self.qmp = Qmp(control)

    def _command(self, control: Path) -> list[str]:
        return [
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "512"),
            *("-accel", "tcg,thread=multi", "-display", "none", "-nodefaults", "-monitor", "none"),
            *("-bios", str(UBOOT), "-chardev", f"file,id=console,path={self.console},append=on"),
            *("-serial", "chardev:console", "-qmp", f"unix:{control},server=on,wait=off"),
            *("-drive", f"file={self.card},if=none,id=card,format=raw,cache=writeback"),
            *("-device", "virtio-blk-pci,drive=card", "-device", "virtio-rng-pci", "-device", "qemu-xhci,id=usb"),
            *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "i6300esb"),
            # A busy computer may stop the board for longer than its watchdog waits.
            *("-watchdog-action", "none"),
        ]

    def boot(self, *more: str) -> float:
        """Power on, and wait until commands are taken; how long that took, in seconds."""
        self.power_on(*more)
        self.until(self.answers)
        return time.monotonic() - self.powered

    def answers(self) -> bool:
        """If SSH works."""
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "qemu.log").read_text()
        return self.try_run("true", seconds=30).returncode == 0

    @property
    def is_off(self) -> bool:
        """If it has switched itself off."""
        return self._process is None or self._process.poll() is not None

    def power_off(self) -> None:
        """As a person does it."""
        if self._process is None:
            return
        self.try_run("systemctl", "poweroff")
        self.until(lambda: self.is_off, 120)
        self.cut_power()

    def cut_power(self) -> None:
        """End it at once; the card keeps what it was given."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        if self.qmp is not None:
            self.qmp.close()
            self.qmp = None
        with contextlib.suppress(OSError):
            self._end_master()

    def _end_master(self) -> None:
        subprocess.run(["ssh", *self._options(), "-O", "exit", "board"], capture_output=True, timeout=30)
        (self.folder / "ssh").unlink(missing_ok=True)

    def _options(self) -> list[str]:
        words = {
            "HostName": "127.0.0.1", "Port": str(self.port), "User": "root", "IdentityFile": str(self._key),
            "IdentitiesOnly": "yes", "BatchMode": "yes", "StrictHostKeyChecking": "no", "LogLevel": "ERROR",
            "UserKnownHostsFile": "/dev/null", "ControlMaster": "auto", "ControlPath": str(self.folder / "ssh"),
            "ControlPersist": "yes", "ConnectTimeout": "20", "GSSAPIAuthentication": "no",
        }  # fmt: skip
        return ["-F", "none", *(f"-o{name}={value}" for name, value in words.items())]

    def try_run(self, *command: str, given: str = "", seconds: float = 300) -> "subprocess.CompletedProcess[str]":
        """Run a command of the board's shell as root. The output goes to files: the master holds pipes open."""
        with (self.folder / "out").open("w+") as out, (self.folder / "err").open("w+") as err:
            try:
                done = subprocess.run(
                    ["ssh", *self._options(), "board", " ".join(command)],
                    input=given, text=True, stdout=out, stderr=err, timeout=seconds,
                )  # fmt: skip
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = 124
            out.seek(0), err.seek(0)
            return subprocess.CompletedProcess(command, code, out.read(), err.read())

    def run(self, *command: str, given: str = "", seconds: float = 300) -> str:
        """Its standard output; the command must succeed."""
        done = self.try_run(*command, given=given, seconds=seconds)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def plug(self, name: str, pty: Path) -> None:
        """Plug in an optical head (an FTDI adapter) whose line is this pseudo terminal."""
        assert self.qmp is not None
        known = [device["label"] for device in self.qmp.order("query-chardev")]
        if name not in known:
            backend = {"type": "serial", "data": {"device": str(pty)}}
            self.qmp.order("chardev-add", id=name, backend=backend)
        self.qmp.order("device_add", driver="usb-serial", id=f"head-{name}", chardev=name, serial=name, bus="usb.0")

    def unplug(self, name: str) -> None:
        """Pull the head."""
        assert self.qmp is not None
        self.qmp.order("device_del", id=f"head-{name}")

    def heads(self, ptys: Mapping[str, Path]) -> Sequence[str]:
        """Words for `boot` that have these heads plugged in from the start."""
        words: list[str] = []
        for name, pty in ptys.items():
            words += ["-chardev", f"serial,id={name},path={pty}"]
            words += ["-device", f"usb-serial,id=head-{name},chardev={name},serial={name},bus=usb.0"]
        return words

    def until(self, condition: Callable[[], object], seconds: float = _HANGS) -> None:
        """Wait until it holds; a hang fails after `seconds`. The longer it takes, the rarer are the looks: one that
        runs a command costs an emulated board a second, and it would do nothing else."""
        began = time.monotonic()
        while not condition():
            waited = time.monotonic() - began
            assert waited < seconds, f"it did not happen within {seconds:.0f} s\n{self.told()}"
            time.sleep(min(_RAREST_LOOK, 0.1 + waited / 10))

    def told(self) -> str:
        """The end of the console."""
        return self.told_whole()[-3000:] or "the console is empty"

    def told_whole(self) -> str:
        """The console of all starts."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""


class Pi3Machine(BoardMachine):
    """The same card in an emulated Raspberry Pi 3B. QEMU does the part of the Pi's boot firmware: it starts U-Boot with
    a device tree, into which the firmware would have written the board's revision and the words of cmdline.txt.

    The network adapter is plugged in once Linux runs. U-Boot looks for USB devices too, and after that QEMU's USB
    controller shows Linux none of those that were there before."""

    def __init__(self, source: Path, folder: Path, uboot: Path, tree: Path) -> None:
        super().__init__(source, folder)
        self._uboot = uboot
        self._tree = folder / "pi3.dtb"
        self.uart = folder / "uart"  # a socket: the other end of the header's UART
        shutil.copy(tree, self._tree)
        for words in (
            ("-p", "-t", "x", str(self._tree), "/system", "linux,revision", "a02082"),
            # As dtoverlay=disable-bt: the full UART is at the header.
            ("-r", str(self._tree), "/soc/serial@7e201000/bluetooth"),
        ):
            subprocess.run(["fdtput", *words], check=True)

    def boot(self, *more: str) -> float:
        """Power on, plug the network adapter in when the SSH server listens, and wait until commands are taken."""
        before = self.told_whole().count(_LISTENS)
        self.power_on(*more)
        self.until(lambda: self.is_off or self.told_whole().count(_LISTENS) > before)
        assert self.qmp is not None
        self.qmp.order("device_add", driver="usb-net", id="adapter", netdev="net")
        self.until(self.answers)
        return time.monotonic() - self.powered

    def _command(self, control: Path) -> list[str]:
        # Opening the watchdog resets this machine at once in QEMU 7.2; RPi.GPIO needs iomem where no /dev/gpiomem is.
        words = "console=ttyS1,115200 module_blacklist=bcm2835_wdt iomem=relaxed systemd.journald.forward_to_console=1"
        return [
            *("qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=multi", "-display", "none"),
            *("-nodefaults", "-monitor", "none", "-kernel", str(self._uboot), "-dtb", str(self._tree)),
            *("-append", words, "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
            *("-chardev", f"socket,id=header,path={self.uart},server=on,wait=off", "-serial", "chardev:header"),
            *("-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"),
            *("-qmp", f"unix:{control},server=on,wait=off"),
            *("-drive", f"file={self.card},if=sd,format=raw,cache=writeback"),
        ]
