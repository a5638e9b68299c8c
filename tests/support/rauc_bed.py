"""RAUC itself on this computer: a bus of its own, two slots in files, our boot state in a third, bundles of any kind.

Bundles have the format `plain`: a verity bundle needs the kernel's device mapper, which the tests of the image have.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from smgw.update import boot_state, rauc
from smgw.update.bundle import Store, description
from soon import LIMIT

COMPATIBLE = "smgw-test"
_TOOLS = {"rauc": "rauc", "mksquashfs": "squashfs-tools", "dbus-daemon": "dbus-daemon", "openssl": "openssl"}


def unavailable() -> str:
    """Why there is no RAUC here; empty if there is."""
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    return f"MISSING Debian packages, sudo apt-get install {' '.join(missing)}" if missing else ""


class Signer:
    """Somebody who signs bundles."""

    def __init__(self, folder: Path, name: str) -> None:
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-keyout", self.key, "-out", self.certificate, "-days", "3650", "-subj", f"/CN={name}"),
            ],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def bundle(
        self, path: Path, version: str, stores: dict[str, Store], content: bytes = b"", compatible: str = COMPATIBLE
    ) -> Path:
        """Make a bundle whose slot image is `content`."""
        tree = path.with_suffix(".tree")
        tree.mkdir()
        (tree / "root.img").write_bytes(content.ljust(2**20, b"\0"))
        about = description(stores) if stores else ""
        (tree / "manifest.raucm").write_text(
            f"[update]\ncompatible={compatible}\nversion={version}\ndescription={about}\n\n[bundle]\nformat=plain\n\n"
            "[image.rootfs]\nfilename=root.img\n"
        )
        command = ["rauc", f"--cert={self.certificate}", f"--key={self.key}", "bundle", tree, path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(tree)
        return path


class Bed:
    """A board with RAUC. `configuration` and `command_line` are where the program looks for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = Signer(folder, "builder")
        self.card = folder / "card"
        self.slot_files = {name: folder / f"slot-{name}" for name in "AB"}
        for file in (self.card, *self.slot_files.values()):
            with file.open("wb") as made:
                made.truncate(2 * 2**20)
        self.command_line = folder / "cmdline"
        self.configuration = folder / "system.conf"
        backend = folder / "boot-state"
        backend.write_text(
            f"#!{sys.executable}\nimport sys\nfrom smgw.update.boot_state import main\n"
            f"sys.exit(main(device={str(self.card)!r}))\n"
        )
        backend.chmod(0o755)
        slots = "".join(
            f"[slot.rootfs.{number}]\ndevice={file}\ntype=raw\nbootname={name}\n"
            for number, (name, file) in enumerate(self.slot_files.items())
        )
        self.configuration.write_text(
            f"[system]\ncompatible={COMPATIBLE}\nbootloader=custom\nbundle-formats=plain verity\n"
            f"data-directory={folder / 'data'}\n[keyring]\npath={self.signer.certificate}\n"
            f"[handlers]\nbootloader-custom-backend={backend}\n{slots}"
        )
        (folder / "data").mkdir()
        (folder / "mount").mkdir()

    @property
    def state(self) -> boot_state.BootState:
        """The boot state on the card."""
        file = os.open(self.card, os.O_RDONLY)
        try:
            return boot_state.read(file)
        finally:
            os.close(file)

    def put(self, state: boot_state.BootState) -> None:
        """Write the boot state, as U-Boot does."""
        file = os.open(self.card, os.O_RDWR)
        try:
            boot_state.write(file, state)
        finally:
            os.close(file)

    @contextmanager
    def booted(self, slot: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """RAUC's service on a bus of its own, for a system that runs from this slot."""
        self.command_line.write_text(f"root=/dev/x rauc.slot={slot} quiet\n")
        patch.setattr(rauc, "CONFIGURATION", self.configuration)
        patch.setattr(rauc, "KERNEL_COMMAND_LINE", self.command_line)
        with subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as bus:  # fmt: skip
            try:
                assert bus.stdout is not None
                patch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.stdout.readline().strip())
                patch.setenv("DBUS_STARTER_BUS_TYPE", "session")
                with self._service(slot):
                    yield
            finally:
                bus.terminate()

    @contextmanager
    def _service(self, slot: str) -> Iterator[None]:
        command = [
            *("rauc", f"--conf={self.configuration}", f"--mount={self.folder / 'mount'}"),
            *(f"--override-boot-slot={slot}", "service"),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
            try:
                ends = time.monotonic() + LIMIT
                while time.monotonic() < ends:
                    with suppress(rauc.UpdateError):
                        rauc.slots()
                        break
                    time.sleep(0.05)
                yield
            finally:
                service.terminate()
